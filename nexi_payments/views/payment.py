"""Card page, result page and status. Each parses, calls one flow and renders."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from nexi_payments import card_extraction, conf, enums, flows
from nexi_payments.card import Card
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import (
    CardBlocked,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
    ReferenceInUse,
    TerminalUnavailable,
    TooManyAttempts,
)
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.web import card_form, shopper_texts
from nexi_payments.web.client_info import get_client_ip, get_request_id
from nexi_payments.web.responses import (
    NO_REFERRER,
    ORIGIN_ONLY,
    add_payment_id,
    render_page,
    with_security_headers,
)
from nexi_payments.web.sensitive import sensitive_view

#: Context of pages without a payment. Every name that a template reads has a value:
#: Django logs failed lookups to django.template at DEBUG, with the URL of the request.
EMPTY_CONTEXT: Final = {
    "order": None,
    "charged": "",
    "refunded": "",
    "test_mode": False,
}


def _get_order(request: HttpRequest, public_id: str) -> PaymentOrder | None:
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


def _not_found_page(request: HttpRequest) -> HttpResponse:
    return render_page(request, "result.html", page_context(None), status=404)


def get_site(request: HttpRequest) -> str:
    host = request.META.get("HTTP_HOST", "")
    return conf.site_address(host, secure=request.is_secure())


def get_actor(request: HttpRequest) -> flows.Actor:
    return flows.Actor(
        address=get_client_ip(request), request_id=get_request_id(request)
    )


@login_not_required
@db_transactions.non_atomic_requests
@sensitive_view(card_extraction.FORM)
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, public_id: str) -> HttpResponse:
    """Card page: render the form, or start the payment with a submitted card."""
    order = _get_order(request, public_id)
    if order is None:
        card_extraction.discard_submission(request)
        return _not_found_page(request)
    if not order.accepts_card:
        card_extraction.discard_submission(request)
        return redirect_to_result(order)
    form_class = card_form.card_form_class(shopper_texts.consent_text(order))
    if request.method != "POST":
        later = _later_attempt(order)
        if later is not None:
            return redirect_to_result(later)
        return _card_page(request, order, form_class(initial=_initial(order)))
    form = card_form.bind_card_form(request, form_class)
    if form.card is None:
        return _card_page(request, order, form)
    return _start_payment(request, order, form, form.card)


def _later_attempt(order: PaymentOrder) -> PaymentOrder | None:
    """A later attempt that is paid or in doubt, when ``order`` is a failed one."""
    if order.state != OrderState.FAILED:
        return None
    live = PaymentOrder.objects.filter(live_reference=order.live_key).first()
    return live if live is not None and not live.accepts_card else None


def _start_payment(
    request: HttpRequest, order: PaymentOrder, form: card_form.CardForm, card: Card
) -> HttpResponse:
    try:
        step = flows.start_payment(
            order,
            card,
            cardholder=form.cleaned_data["cardholder_name"],
            site=get_site(request),
            consent_text=str(shopper_texts.consent_text(order)),
            actor=get_actor(request),
        )
    except (OrderBusy, OrderNotPayable, ReferenceInUse) as error:
        return redirect_to_result(error.order)
    except OutcomeNotRecorded:
        return redirect_to_result(order)
    except TerminalUnavailable:
        notice = shopper_texts.UNAVAILABLE
        return _card_page(request, order, form, notice=notice, status=503)
    except TooManyAttempts as error:
        notice = shopper_texts.TOO_MANY_ATTEMPTS
        response = _card_page(request, order, form, notice=notice, status=429)
        response.headers["Retry-After"] = str(int(error.seconds))
        return response
    except CardBlocked:
        # same text as any decline: do not reveal the reason
        return _card_page(request, order, form, notice=shopper_texts.DECLINED)
    if step.redirect is None:
        return redirect_to_result(step.order)
    return render_page(
        request,
        "redirect.html",
        page_context(step.order, redirect=step.redirect),
        # Any https host: Chromium also checks the redirect from the gateway to the
        # issuer, whose host is not known in advance.
        form_action=f"https: {_origin(step.redirect.action)}",
        referrer=ORIGIN_ONLY,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _initial(order: PaymentOrder) -> dict[str, str]:
    return {"cardholder_name": order.cardholder_name or order.customer_name}


def _card_page(
    request: HttpRequest,
    order: PaymentOrder,
    form: card_form.CardForm,
    *,
    notice: shopper_texts.Message | None = None,
    status: int = 200,
) -> HttpResponse:
    if notice is None and order.state != OrderState.INIT:
        notice = shopper_texts.message(order)
    context = page_context(order, form=form, notice=notice)
    return render_page(request, "pay.html", context, status=status)


@login_not_required
@require_safe
def result(request: HttpRequest, public_id: str) -> HttpResponse:
    """Result page: redirect to the shop, offer another card, or wait."""
    order = _get_order(request, public_id)
    if order is None:
        return _not_found_page(request)
    if order.state in enums.SUCCESSFUL and order.success_url:
        return see_other(add_payment_id(order.success_url, order.order_id))
    template = "result.html" if order.is_final else "pending.html"
    return render_page(request, template, page_context(order))


@login_not_required
@require_safe
def status(request: HttpRequest, public_id: str) -> HttpResponse:
    """JSON ``{state, final, message, next}`` for polling; ``next`` is set when
    final."""
    order = _get_order(request, public_id)
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
