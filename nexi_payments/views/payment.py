"""Result page and status, and what all pages of a payment share."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import reverse
from django.views.decorators.http import require_safe

from nexi_payments import conf, enums, flows
from nexi_payments.models import PaymentOrder
from nexi_payments.web import shopper_texts
from nexi_payments.web.client_info import get_client_ip, get_request_id
from nexi_payments.web.responses import (
    NO_REFERRER,
    add_payment_id,
    render_page,
    with_security_headers,
)

#: Context of pages without a payment. Every name that a template reads has a value:
#: Django logs failed lookups to django.template at DEBUG, with the URL of the request.
EMPTY_CONTEXT: Final = {
    "order": None,
    "charged": "",
    "refunded": "",
    "test_mode": False,
}


def get_order(request: HttpRequest, public_id: str) -> PaymentOrder | None:
    """The order, if it exists and this visitor may see it."""
    rows = PaymentOrder.objects.select_related("user", "details")
    order = rows.filter(public_id=public_id).first()
    if order is None or order.user_id is None:
        return order
    user = getattr(request, "user", None)
    return order if user is not None and user.pk == order.user_id else None


def page_context(order: PaymentOrder | None, **more: Any) -> dict[str, Any]:
    """Context of every shopper template, documented in docs/templates.md."""
    if order is None:
        return {**EMPTY_CONTEXT, "message": shopper_texts.NOT_FOUND, **more}
    return {
        "order": order,
        **shopper_texts.amounts(order),
        "message": shopper_texts.message(order),
        "merchant": conf.current().merchant_name,
        "consent_text": shopper_texts.consent_text(order),
        "pay_url": order.page_url(),
        "result_url": reverse("nexi_payments:result", args=[order.public_id]),
        "status_url": reverse("nexi_payments:status", args=[order.public_id]),
        "test_mode": not conf.current().is_live(order.terminal),
        **more,
    }


def redirect_to_result(order: PaymentOrder) -> HttpResponse:
    return see_other(reverse("nexi_payments:result", args=[order.public_id]))


def see_other(url: str) -> HttpResponse:
    """Redirect with 303: the browser continues with GET after a POST."""
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return with_security_headers(response, referrer=NO_REFERRER)


def not_found_page(request: HttpRequest) -> HttpResponse:
    return render_page(request, "result.html", page_context(None), status=404)


def get_site(request: HttpRequest) -> str:
    host = request.META.get("HTTP_HOST", "")
    return conf.site_address(host, secure=request.is_secure())


def get_actor(request: HttpRequest) -> flows.Actor:
    return flows.Actor(
        address=get_client_ip(request), request_id=get_request_id(request)
    )


@login_not_required
@require_safe
def result(request: HttpRequest, public_id: str) -> HttpResponse:
    """Result page: redirect to the shop, offer another card, or wait."""
    order = get_order(request, public_id)
    if order is None:
        return not_found_page(request)
    if order.state in enums.SUCCESSFUL and order.success_url:
        return see_other(add_payment_id(order.success_url, order.order_id))
    template = "result.html" if order.is_final else "pending.html"
    return render_page(request, template, page_context(order))


@login_not_required
@require_safe
def status(request: HttpRequest, public_id: str) -> HttpResponse:
    """JSON ``{state, final, message, next}`` for polling; ``next`` is set when
    final."""
    order = get_order(request, public_id)
    if order is None:
        body = {
            "state": "unknown",
            "final": True,
            "message": shopper_texts.NOT_FOUND.title,
        }
        return with_security_headers(JsonResponse({**body, "next": None}, status=404))
    next_url = None
    if order.is_final:
        next_url = reverse("nexi_payments:result", args=[order.public_id])
    return with_security_headers(
        JsonResponse(
            {
                "state": order.state,
                "final": order.is_final,
                "message": shopper_texts.message(order).title,
                "next": next_url,
            }
        )
    )
