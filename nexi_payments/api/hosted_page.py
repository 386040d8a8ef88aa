"""Payment methods of Nexi's hosted page, for the shopper's browser."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from nexi_payments import flows
from nexi_payments.api import authentication, idempotency, throttling
from nexi_payments.api.checkout import (
    BaseCheckoutView,
    authenticated_order,
    order_in_use,
    response_data,
)
from nexi_payments.api.openapi import operation_schema
from nexi_payments.api.problem_details import Problem
from nexi_payments.api.request_serializers import HostedPageRequestSerializer
from nexi_payments.api.response_serializers import (
    CheckoutResponseSerializer,
    MethodsResponseSerializer,
)
from nexi_payments.api.views import request_site, validated_body
from nexi_payments.exceptions import (
    NexiPaymentsError,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
    PaymentBeingConfirmed,
    ReferenceInUse,
)
from nexi_payments.flows import payment_link
from nexi_payments.models import PaymentOrder
from nexi_payments.web import captcha


class MethodsView(BaseCheckoutView):
    throttle_classes = (throttling.CheckoutThrottle,)

    @operation_schema(
        {200: MethodsResponseSerializer},
        operation_id="list_methods",
        tags=["checkout"],
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002
        """List the payment methods that this payment may be paid with on Nexi's hosted
        page, and whether a card may be sent to `pay/`."""
        order = authenticated_order(request)
        data = {
            "takes_cards": flows.accepts_own_card_page(order),
            "methods": flows.payment_methods(order) if order.accepts_card else [],
        }
        return Response(MethodsResponseSerializer(data).data)


class HostedPageView(BaseCheckoutView):
    throttle_classes = (throttling.CheckoutThrottle,)

    @operation_schema(
        {200: CheckoutResponseSerializer},
        body=HostedPageRequestSerializer,
        operation_id="open_hosted_page",
        tags=["checkout"],
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        """Open Nexi's hosted page. `next_action` is `redirect_to_url`: send the browser
        to its `url`, the whole page. The shopper pays there and comes back.

        After a failed attempt this makes a new one: from then on use the `id` and the
        `client_secret` of the response. The URL is not stored: a repetition with the
        same key gets the state of the payment.
        """
        order = authenticated_order(request)
        data = validated_body(request, HostedPageRequestSerializer)
        key = idempotency.IdempotencyKey(request, request.data)
        record, is_new = key.get_or_create_record()
        if not is_new:
            attempt = idempotency.linked_order(record)
            return Response(
                response_data(attempt or payment_link.current_attempt(order))
            )
        try:
            step = _open(request, order, data)
        except (NexiPaymentsError, Problem, captcha.CaptchaRequired):
            idempotency.discard(record)  # no page was opened
            raise
        idempotency.link_order(record, step.order)
        return Response(response_data(step.order, redirect_to=step.redirect_to))


def _open(request: Request, order: PaymentOrder, data: dict[str, Any]) -> flows.Step:
    try:
        return captcha.start(
            request,
            order,
            lambda passed: flows.start_hosted_payment(
                order,
                data["method"],
                language=data.get("language"),
                site=request_site(request),
                actor=authentication.actor(request, captcha_passed=passed),
            ),
        )
    except PaymentBeingConfirmed:
        raise
    except (OrderBusy, OrderNotPayable, ReferenceInUse) as error:
        return flows.Step(order_in_use(order, error))
    except OutcomeNotRecorded:
        order.refresh_from_db()
        return flows.Step(order)
