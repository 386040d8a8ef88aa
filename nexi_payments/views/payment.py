"""Result page and status, and what all pages of a payment share."""

from __future__ import annotations

import logging
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.views.decorators.http import require_safe

from nexi_payments import conf, enums, flows, page_paths
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.views import return_proofs
from nexi_payments.web import amount_texts, card_consent, shopper_texts
from nexi_payments.web.client_info import get_client_ip, get_request_id
from nexi_payments.web.responses import (
    NO_REFERRER,
    add_payment_id,
    render_page,
    with_security_headers,
)

log = logging.getLogger("nexi_payments.views")

#: Context of pages without a payment. Every name that a template reads has a value:
#: Django logs failed lookups to django.template at DEBUG, with the URL of the request.
EMPTY_CONTEXT: Final = {
    "order": None,
    "charged": "",
    "refunded": "",
    "methods": (),
    "takes_cards": False,
    "test_mode": False,
}


def get_order(request: HttpRequest, public_id: str) -> PaymentOrder | None:
    """The order, if it exists and this visitor may see it."""
    rows = PaymentOrder.objects.select_related("user", "details")
    order = rows.filter(public_id=public_id).first()
    return order if order is not None and _is_shown_to(request, order) else None


def get_order_of_result(
    request: HttpRequest, public_id: str
) -> tuple[PaymentOrder | None, str]:
    """The order, and "", if this visitor may see and pay it. If they came back from its
    payment without being logged in here: the order, and the query that proves it.
    """
    rows = PaymentOrder.objects.select_related("user", "details")
    order = rows.filter(public_id=public_id).first()
    if order is None or _is_shown_to(request, order):
        return order, ""
    proof = request.GET.get(return_proofs.PARAMETER, "")
    if not return_proofs.is_valid(order, proof):
        return None, ""
    return order, f"?{urlencode({return_proofs.PARAMETER: proof})}"


def _is_shown_to(request: HttpRequest, order: PaymentOrder) -> bool:
    if order.user_id is None:
        return True
    try:
        user = getattr(request, "user", None)
        return user is not None and user.pk == order.user_id
    except Exception as error:  # of the host's session or user backend
        log.error("the visitor is not known: %s", type(error).__name__)
        return False


def page_context(order: PaymentOrder | None, **more: Any) -> dict[str, Any]:
    """Context of every shopper template, documented in docs/templates.md."""
    if order is None:
        return {**EMPTY_CONTEXT, "message": shopper_texts.NOT_FOUND, **more}
    return {
        "order": order,
        **amount_texts.amounts(order),
        "message": shopper_texts.message(order),
        "merchant": conf.current().merchant_name,
        "consent_text": card_consent.consent_text(order),
        "pay_url": order.page_url(),
        "methods": (),
        "takes_cards": flows.accepts_own_card_page(order),
        "result_url": page_paths.page_path("result", order.public_id),
        "status_url": page_paths.page_path("status", order.public_id),
        "test_mode": not conf.current().is_live(order.terminal),
        **more,
    }


def render_with_methods(
    request: HttpRequest,
    template: str,
    order: PaymentOrder,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """A page with the buttons of the methods that ``order`` may be paid with."""
    methods = flows.payment_methods(order)
    form_action = ["'self'"]
    if methods:
        # browsers also check where the answer to a form redirects to
        form_action += conf.hosted_page_origins(order.terminal, get_site(request))
    elif not flows.accepts_own_card_page(order):
        more["notice"] = shopper_texts.NO_WAY_TO_PAY
    context = page_context(order, methods=methods, **more)
    return render_page(
        request, template, context, status=status, form_action=" ".join(form_action)
    )


def redirect_to_result(order: PaymentOrder) -> HttpResponse:
    return see_other(page_paths.page_path("result", order.public_id))


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


def get_actor(request: HttpRequest, *, captcha_passed: bool = False) -> flows.Actor:
    return flows.Actor(
        address=get_client_ip(request),
        request_id=get_request_id(request),
        captcha_passed=captcha_passed,
    )


def _ask_nexi(request: HttpRequest, order: PaymentOrder) -> None:
    """The shopper waits: asks Nexi, no more often than the flows allow."""
    if order.state == enums.OrderState.AWAITING_HOSTED_PAGE:
        flows.look_at_hosted_page(order, site=get_site(request))
    elif order.state == enums.OrderState.PAYING:
        flows.look_while_waiting(order, site=get_site(request))


@login_not_required
@db_transactions.non_atomic_requests
@require_safe
def result(request: HttpRequest, public_id: str) -> HttpResponse:
    """Result page: redirect to the shop, offer all ways to pay again, or wait."""
    order, proof = get_order_of_result(request, public_id)
    if order is None:
        return not_found_page(request)
    _ask_nexi(request, order)
    if order.state in enums.SUCCESSFUL and order.success_url:
        return see_other(add_payment_id(order.success_url, order.order_id))
    if may_pay_again(order) and not proof:
        return render_with_methods(request, "result.html", order)
    template = "result.html" if order.is_final else "pending.html"
    context = page_context(order)
    if order.is_final and not may_pay_again(order):
        context["takes_cards"] = False
    if proof:
        context |= _without_payment(context, proof)
    return render_page(request, template, context)


def _without_payment(context: dict[str, Any], proof: str) -> dict[str, Any]:
    """For a visitor who may see the outcome, and not pay."""
    result_url = context["result_url"] + proof
    return {
        "takes_cards": False,
        "pay_url": context["order"].failure_url or result_url,
        "result_url": result_url,
        "status_url": context["status_url"] + proof,
    }


def may_pay_again(order: PaymentOrder) -> bool:
    """Whether the result page of a failed attempt offers another one.

    Not while Nexi may still confirm it: the flows would refuse the next payment.
    """
    if order.state != enums.OrderState.FAILED or not order.accepts_card:
        return False
    confirming = order.is_hosted and order.gateway_pending
    return not confirming and order.reason != enums.Reason.SUPERSEDED


@login_not_required
@db_transactions.non_atomic_requests
@require_safe
def status(request: HttpRequest, public_id: str) -> HttpResponse:
    """JSON ``{state, final, message, next}`` for polling; ``next`` is set when
    final. Asks Nexi about an unknown outcome, as often as ``waiting`` allows."""
    order, proof = get_order_of_result(request, public_id)
    if order is None:
        body = {
            "state": "unknown",
            "final": True,
            "message": shopper_texts.NOT_FOUND.title,
        }
        return with_security_headers(JsonResponse({**body, "next": None}, status=404))
    _ask_nexi(request, order)
    next_url = None
    if order.is_final:
        next_url = page_paths.page_path("result", order.public_id) + proof
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
