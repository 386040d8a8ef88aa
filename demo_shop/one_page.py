"""Checkout on one page, through the REST API, as in a headless shop.

The server creates the payment and passes its client secret to the page. The script of
the page does the rest (``static/demo_shop/one-page.js``).
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
from nexi_payments.models import PaymentOrder


@require_safe
@ensure_csrf_cookie
def show(request: HttpRequest) -> HttpResponse:
    views.clear_paid_basket(request)
    lines = views.basket_lines(request)
    if not lines and "payment" not in request.GET:
        return redirect("basket")
    context = {
        "lines": lines,
        "total": views.basket_total(lines),
        "form": CheckoutForm(initial=views.initial_contact(request)),
        "takes_cards": not request.session.get("cards_on_nexis_page", False),
        "api": reverse("nexi_payments_api:checkout", args=["ID"]),
    }
    return render(request, "demo_shop/one_page.html", context)


@require_POST
def order(request: HttpRequest) -> HttpResponse:
    """Create the payment of the basket. Returns id and client secret as JSON.

    409 if the page showed another total than the basket has now.
    """
    form = CheckoutForm(request.POST)
    lines = views.basket_lines(request)
    if not form.is_valid():
        errors = form.errors.get_json_data()
        problems = [
            {"field": name, "detail": one["message"]}
            for name, several in errors.items()
            for one in several
        ]
        return JsonResponse({"errors": problems}, status=400)
    if request.POST.get("total") != str(views.basket_total(lines)):
        detail = _("Your basket has changed. Reload this page; nothing was charged.")
        return JsonResponse({"detail": detail}, status=409)
    payment: PaymentOrder
    try:
        return_url = reverse("one_page")
        payment = views.create_payment(request, form.cleaned_data, lines, return_url)
    except ReferenceInUse as error:
        # being paid, or paid, in another tab: the page shows its status
        payment = error.order
    return JsonResponse(
        {"id": payment.order_id, "client_secret": client_secret(payment)}
    )
