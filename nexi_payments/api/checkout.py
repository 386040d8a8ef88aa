"""Views for the shopper's browser, which has the client secret of one payment."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import card_extraction, enums, flows, money, page_paths
from nexi_payments.api import (
    authentication,
    client_secrets,
    idempotency,
    parsers,
    throttling,
)
from nexi_payments.api.openapi import operation_schema
from nexi_payments.api.permissions import HasClientSecret
from nexi_payments.api.problem_details import Problem
from nexi_payments.api.request_serializers import (
    ContinueRequestSerializer,
    PayDetailsRequestSerializer,
    PayRequestSerializer,
)
from nexi_payments.api.response_serializers import (
    CardResponseSerializer,
    CheckoutResponseSerializer,
)
from nexi_payments.api.views import BaseAPIView, request_site, validated_body
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import (
    CardBlocked,
    NexiPaymentsError,
    OrderBusy,
    OrderError,
    OrderNotPayable,
    OutcomeNotRecorded,
    PaymentBeingConfirmed,
    ReferenceInUse,
)
from nexi_payments.flows import payment_link
from nexi_payments.models import PaymentOrder
from nexi_payments.web import captcha, card_consent, card_form, shopper_texts
from nexi_payments.web.responses import add_payment_id

#: Seconds between two polls of a pending payment.
_POLL_SECONDS = 2


class BaseCheckoutView(BaseAPIView):
    authentication_classes = (authentication.ClientSecretAuthentication,)
    permission_classes = (HasClientSecret,)


class CheckoutView(BaseCheckoutView):
    throttle_classes = (throttling.CheckoutThrottle,)

    @operation_schema(
        {200: CheckoutResponseSerializer},
        operation_id="read_checkout",
        tags=["checkout"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """Read the state of the payment, a message for the shopper and the next
        action. Asks Nexi about a hosted page that may have been paid, and about a
        charge of unknown outcome."""
        order = authenticated_order(request)
        if order.state == OrderState.AWAITING_HOSTED_PAGE:
            flows.look_at_hosted_page(order, site=request_site(request))
        elif order.state == OrderState.PAYING:
            flows.look_while_waiting(order, site=request_site(request))
        return Response(checkout_data(order))


class PayView(BaseCheckoutView):
    body_kind = card_extraction.JSON
    throttle_classes = (throttling.CardThrottle,)

    @operation_schema(
        {200: CheckoutResponseSerializer},
        body=PayRequestSerializer,
        operation_id="pay",
        tags=["checkout"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Submit a card. `next_action` is mostly `redirect`: post its `fields` to its
        `url` from the browser. That starts 3-D Secure at the issuer. A decline is a
        result, too: `failed`.

        After a decline, another card makes a new attempt: from then on use the `id` and
        the `client_secret` of the response.
        """
        order = authenticated_order(request)
        form = parsers.extract_card_form(request, card_form.CardForm)
        consent = validated_body(request, PayDetailsRequestSerializer)["consent"]
        payload = {"cardholder_name": form.cleaned_data["cardholder_name"]}
        key = idempotency.IdempotencyKey(request, payload)
        record, is_new = key.get_or_create_record()
        if not is_new:
            # the card is not sent again, and no response was stored: report the state
            attempt = idempotency.linked_order(record) or payment_link.current_attempt(
                order
            )
            return Response(response_data(attempt))
        try:
            step, message = self._start(request, order, form, consent)
        except (NexiPaymentsError, Problem, captcha.CaptchaRequired):
            idempotency.discard(record)  # nothing was sent
            raise
        idempotency.link_order(record, step.order)
        return Response(response_data(step.order, step.redirect, message))

    def _start(
        self,
        request: Request,
        order: PaymentOrder,
        form: card_form.CardForm,
        consent: bool,
    ) -> tuple[flows.Step, shopper_texts.Message | None]:
        card = form.card
        assert card is not None  # noqa: S101  for the type checker
        try:
            step = captcha.start(
                request,
                order,
                lambda passed: flows.start_payment(
                    order,
                    card,
                    cardholder=form.cleaned_data["cardholder_name"],
                    site=request_site(request),
                    consent_text=card_consent.consent_text(order) if consent else "",
                    actor=authentication.actor(request, captcha_passed=passed),
                ),
            )
        except PaymentBeingConfirmed:
            raise  # another attempt, which Nexi is still deciding
        except (OrderBusy, OrderNotPayable, ReferenceInUse) as error:
            return flows.Step(order_in_use(order, error)), None
        except OutcomeNotRecorded:
            order.refresh_from_db()
            return flows.Step(order), None
        except CardBlocked:
            # the same text as for any decline: the reason stays hidden
            return flows.Step(order), shopper_texts.DECLINED
        return step, None


class ContinueView(BaseCheckoutView):
    throttle_classes = (throttling.CheckoutThrottle,)

    @operation_schema(
        {200: CheckoutResponseSerializer},
        body=ContinueRequestSerializer,
        operation_id="continue_payment",
        tags=["checkout"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Continue after 3-D Secure, for apps with their own `ReturnUrl`: send what was
        posted there. Charges at most once, also when it is repeated. Not needed if
        `ReturnUrl` is unchanged."""
        order = authenticated_order(request)
        data = validated_body(request, ContinueRequestSerializer)
        idempotency.IdempotencyKey(request, request.data).get_or_create_record()
        try:
            flows.resume_payment(
                order,
                data["token"],
                pares=data["PaRes"],
                payment_id=data["paymentId"],
                site=request_site(request),
                actor=authentication.actor(request),
            )
        except OutcomeNotRecorded:
            order.refresh_from_db()
        return Response(checkout_data(order))


def authenticated_order(request: Request) -> PaymentOrder:
    order = request.auth
    assert isinstance(order, PaymentOrder)  # noqa: S101  set by the authentication
    return order


def response_data(
    order: PaymentOrder,
    redirect: flows.RedirectForm | None = None,
    message: shopper_texts.Message | None = None,
    *,
    redirect_to: str = "",
) -> dict[str, Any]:
    """``checkout_data`` and the client secret of ``order``, maybe a new attempt."""
    secret = client_secrets.client_secret(order)
    data = checkout_data(order, redirect, message, redirect_to=redirect_to)
    return {**data, "client_secret": secret}


def order_in_use(order: PaymentOrder, error: OrderError) -> PaymentOrder:
    """The other attempt at the same purchase. Raises ``Problem`` for another purchase:
    this client must not get its secret.
    """
    if _first_attempt_pk(error.order) != _first_attempt_pk(order):
        raise Problem(
            409,
            "reference_in_use",
            "Another payment for this purchase is under way or paid. Nothing"
            " was charged here. Contact the shop.",
        ) from None
    return error.order


def _first_attempt_pk(order: PaymentOrder) -> int:
    """The key of the first attempt; all its retries share it."""
    return order.retry_of_id or order.pk


def checkout_data(
    order: PaymentOrder,
    redirect: flows.RedirectForm | None = None,
    message: shopper_texts.Message | None = None,
    *,
    redirect_to: str = "",
) -> dict[str, Any]:
    """The data of ``CheckoutResponse``. Call it outside a transaction."""
    shown = message or shopper_texts.message(order)
    return {
        "id": order.order_id,
        "state": order.state,
        "final": order.is_final,
        "amount": str(money.to_major(order.amount, order.currency)),
        "currency": order.currency,
        "reference": order.reference,
        "description": order.description,
        "card": CardResponseSerializer(order).data if order.card_last4 else None,
        "consent_text": card_consent.consent_text(order) if order.accepts_card else "",
        "message": {"tone": shown.tone, "title": shown.title, "text": shown.text},
        "method": order.method,
        "methods": [
            {"code": one.code, "label": str(one.label)}
            for one in (flows.payment_methods(order) if order.accepts_card else ())
        ],
        "next_action": next_action(order, redirect, redirect_to),
    }


def next_action(
    order: PaymentOrder,
    redirect: flows.RedirectForm | None = None,
    redirect_to: str = "",
) -> dict[str, Any]:
    """The data of ``NextActionResponse``; its members depend on ``type``."""
    if redirect is not None:
        token = redirect.fields["ReturnUrl"].rstrip("/").rpartition("/")[2]
        return {
            "type": "redirect",
            "method": "POST",
            "url": redirect.action,
            "fields": redirect.fields,
            "token": token,
        }
    if redirect_to:
        return {"type": "redirect_to_url", "url": redirect_to}
    if order.state in enums.SUCCESSFUL:
        result = page_paths.page_path("result", order.public_id)
        url = add_payment_id(order.success_url, order.order_id)
        return {"type": "done", "url": url if order.success_url else result}
    link_expired = order.state == OrderState.INIT and not order.accepts_card
    if order.state == OrderState.FAILED or link_expired:
        return {"type": "failed", "can_retry": order.accepts_card}
    if order.state == OrderState.REVIEW:
        return {"type": "contact"}
    if order.is_final:
        return {"type": "done"}
    if order.accepts_card and not order.is_hosted:
        takes_cards = flows.accepts_own_card_page(order)
        return {"type": "enter_card" if takes_cards else "choose_method"}
    return {"type": "pending", "retry_after": _POLL_SECONDS}
