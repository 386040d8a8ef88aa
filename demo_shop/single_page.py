"""A checkout on one page, over the REST API: what a headless shop does.

The server makes the payment and hands its client secret to the page; the page does the
rest (``static/demo_shop/one-page.js``).
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from demo_shop import views
from demo_shop.forms import CheckoutForm
from nexi_payments.api import client_secret
from nexi_payments.exceptions import ReferenceInUse


@require_safe
@ensure_csrf_cookie
def show(request: HttpRequest) -> HttpResponse:
    views.forget_what_is_paid(request)
    lines = views.basket_lines(request)
    if not lines and "payment" not in request.GET:
        return redirect("basket")
    context = {
        "lines": lines,
        "total": views.total_of(lines),
        "form": CheckoutForm(initial=views.who_is(request)),
        "api": reverse("nexi_payments_api:checkout", args=["ID"]),
    }
    return render(request, "demo_shop/one_page.html", context)


@require_POST
def order(request: HttpRequest) -> HttpResponse:
    """The payment of the basket in the session, for the page that pays it. Refused if
    that page showed another total: nobody pays what was not seen."""
    form = CheckoutForm(request.POST)
    lines = views.basket_lines(request)
    if not form.is_valid():
        errors = form.errors.get_json_data()
        found = [
            {"field": name, "detail": one["message"]}
            for name, several in errors.items()
            for one in several
        ]
        return JsonResponse({"errors": found}, status=400)
    if request.POST.get("total") != str(views.total_of(lines)):
        says = _("Your basket has changed. Reload this page; nothing was charged.")
        return JsonResponse({"detail": says}, status=409)
    try:
        page = reverse("one_page")
        payment = views.place(request, form.cleaned_data, lines, page)
    except ReferenceInUse as error:
        # being paid, or paid, in another tab: the page shows how it stands
        payment = error.order
    return JsonResponse(
        {"id": payment.public_id, "client_secret": client_secret(payment)}
    )
