"""The page on which a payment begins: the card form and the other ways to pay."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from nexi_payments import card_extraction, flows
from nexi_payments.card import Card
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import (
    CardBlocked,
    GatewayUnavailable,
    MethodNotOffered,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
    PaymentBeingConfirmed,
    ReferenceInUse,
    SealedCardUnavailable,
    TerminalUnavailable,
    TooManyAttempts,
)
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.views.payment import (
    get_actor,
    get_order,
    get_site,
    not_found_page,
    page_context,
    redirect_to_result,
    render_with_methods,
    see_other,
)
from nexi_payments.web import captcha, card_consent, card_form, shopper_texts
from nexi_payments.web.responses import ORIGIN_ONLY, render_page, with_retry_after
from nexi_payments.web.sensitive import sensitive_view


@login_not_required
@db_transactions.non_atomic_requests
@sensitive_view(card_extraction.FORM)
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, public_id: str) -> HttpResponse:
    """Card page: render the form, or start the payment with a submitted card."""
    order = get_order(request, public_id)
    if order is None:
        card_extraction.discard_submission(request)
        return not_found_page(request)
    if not order.accepts_card:
        card_extraction.discard_submission(request)
        return redirect_to_result(order)
    if request.method != "POST":
        return _show(request, order)
    if "method" in request.POST:
        card_extraction.discard_submission(request)
        return _start_hosted_payment(request, order, request.POST["method"])
    if not flows.accepts_own_card_page(order):
        card_extraction.discard_submission(request)
        notice = shopper_texts.CARDS_NOT_TAKEN
        return _page(request, order, notice=notice, status=400)
    form_class = card_form.card_form_class(card_consent.consent_text(order))
    form = card_form.bind_card_form(request, form_class)
    if form.card is None:
        return _card_page(request, order, form)
    return _start_payment(request, order, form, form.card)


def _show(request: HttpRequest, order: PaymentOrder) -> HttpResponse:
    later = _later_attempt(order)
    if later is not None:
        return redirect_to_result(later)
    if order.state == OrderState.AWAITING_HOSTED_PAGE:
        # nothing is offered while Nexi may still confirm that page
        flows.look_at_hosted_page(order, site=get_site(request))
        if not order.accepts_card or order.gateway_pending:
            return redirect_to_result(order)
    return _page(request, order)


def _later_attempt(order: PaymentOrder) -> PaymentOrder | None:
    """A later attempt that is paid or in doubt, when ``order`` is a failed one."""
    if order.state != OrderState.FAILED:
        return None
    live = PaymentOrder.objects.filter(live_reference=order.live_key).first()
    return live if live is not None and not live.accepts_card else None


def _start_hosted_payment(
    request: HttpRequest, order: PaymentOrder, method: str
) -> HttpResponse:
    try:
        step = captcha.start(
            request,
            order,
            lambda passed: flows.start_hosted_payment(
                order,
                method,
                site=get_site(request),
                actor=get_actor(request, captcha_passed=passed),
            ),
        )
    except captcha.CaptchaRequired as error:
        return see_other(error.url)
    except PaymentBeingConfirmed as error:
        return _being_confirmed(request, error.order)
    except (OrderBusy, OrderNotPayable, ReferenceInUse) as error:
        return redirect_to_result(error.order)
    except OutcomeNotRecorded:
        return redirect_to_result(order)
    except MethodNotOffered:
        return _page(
            request, order, notice=shopper_texts.METHOD_NOT_OFFERED, status=400
        )
    except GatewayUnavailable:
        return _page(request, order, notice=shopper_texts.WAIT_A_MOMENT, status=503)
    except TerminalUnavailable:
        notice = shopper_texts.METHODS_UNAVAILABLE
        return _page(request, order, notice=notice, status=503)
    except TooManyAttempts as error:
        notice = shopper_texts.TOO_MANY_ATTEMPTS
        page = _page(request, order, notice=notice, status=429)
        return with_retry_after(page, error.seconds)
    if not step.redirect_to:
        return redirect_to_result(step.order)
    return see_other(step.redirect_to)


def _page(
    request: HttpRequest,
    order: PaymentOrder,
    *,
    notice: shopper_texts.Message | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page with an empty card form, or with none where cards are not taken here."""
    form = None
    if flows.accepts_own_card_page(order):
        form_class = card_form.card_form_class(card_consent.consent_text(order))
        form = form_class(initial=_initial(order))
    return _card_page(request, order, form, notice=notice, status=status)


def _start_payment(
    request: HttpRequest, order: PaymentOrder, form: card_form.CardForm, card: Card
) -> HttpResponse:
    try:
        step = captcha.start(
            request,
            order,
            lambda passed: flows.start_payment(
                order,
                card,
                cardholder=form.cleaned_data["cardholder_name"],
                site=get_site(request),
                consent_text=str(card_consent.consent_text(order)),
                actor=get_actor(request, captcha_passed=passed),
            ),
        )
    except captcha.CaptchaRequired as error:
        return see_other(error.url)
    except PaymentBeingConfirmed as error:
        return _being_confirmed(request, error.order)
    except (OrderBusy, OrderNotPayable, ReferenceInUse) as error:
        return redirect_to_result(error.order)
    except OutcomeNotRecorded:
        return redirect_to_result(order)
    except GatewayUnavailable:
        return _page(request, order, notice=shopper_texts.WAIT_A_MOMENT, status=503)
    except (TerminalUnavailable, SealedCardUnavailable):
        notice = shopper_texts.UNAVAILABLE
        return _card_page(request, order, form, notice=notice, status=503)
    except TooManyAttempts as error:
        notice = shopper_texts.TOO_MANY_ATTEMPTS
        page = _card_page(request, order, form, notice=notice, status=429)
        return with_retry_after(page, error.seconds)
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
    form: card_form.CardForm | None,
    *,
    notice: shopper_texts.Message | None = None,
    status: int = 200,
) -> HttpResponse:
    """``form`` is ``None`` where cards are not taken on our page."""
    if notice is None and order.state != OrderState.INIT:
        notice = shopper_texts.message(order)
    return render_with_methods(
        request, "pay.html", order, form=form, notice=notice, status=status
    )


def _being_confirmed(request: HttpRequest, order: PaymentOrder) -> HttpResponse:
    """``order`` is the attempt that may still become paid: nothing else is offered."""
    if not order.is_final:
        return redirect_to_result(order)
    notice = shopper_texts.CONFIRMING
    context = page_context(order, form=None, notice=notice)
    return render_page(request, "pay.html", context, status=409)
