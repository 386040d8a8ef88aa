"""Charges in doubt: how to make them, and how to move time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.shopper import Shopper, new_order

PAYMENT_ENDPOINT = "POST /orders/3steps/payment"

MINUTE, HOUR, DAY = 60, 3600, 86_400
#: ``SETTLE_AFTER``, and a fifteenth of it: how long after a send, and after the inquiry
#: before it, an inquiry counts.
SETTLE, LAG = 15 * MINUTE, MINUTE


def payment_in_doubt(shopper: Shopper, **facts: Any) -> PaymentOrder:
    """A charge with an unreadable response, which the gateway has not executed."""
    order = shopper.pay(new_order(**facts), "garbage")
    assert order.state == OrderState.PAYING
    return order


def charge_at_gateway(
    gateway: Simulator, order: PaymentOrder, result: str = "EXECUTED"
) -> None:
    """The gateway makes the charge after all."""
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result=result, charged_at="now", code="000")


def time_travel(seconds: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True)


def reconcile_after(seconds: float) -> flows.Counts:
    with time_travel(seconds):
        return flows.reconcile()


def inquiry_unanswered_after(gateway: Simulator, path_part: str) -> None:
    """The first inquiry after the next request to ``path_part`` has no answer."""
    handle = gateway.handle

    def noticing(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        if path_part in url:
            gateway.handle = handle  # type: ignore[method-assign]
            gateway.next_reply("/orders/", Reply(500))
        return handle(method, url, headers, body)

    gateway.handle = noticing  # type: ignore[method-assign]


def prove_rejected(order: PaymentOrder) -> None:
    """Two inquiries, each a lag after what was before: a rejected request was not
    executed."""
    _inquire_after(order, LAG + 1, 2 * LAG + 2)


def prove_absent(order: PaymentOrder, *, since: float = 0) -> None:
    """Three inquiries, the last past ``SETTLE_AFTER``: a request without an answer was
    not executed. ``since``: seconds from now to the end of its last send."""
    _inquire_after(order, since + LAG + 1, since + 2 * LAG + 2, since + SETTLE + MINUTE)


def _inquire_after(order: PaymentOrder, *seconds: float) -> None:
    order.refresh_from_db()
    for wait in seconds:
        with time_travel(wait):
            flows.reconcile(order)
    order.refresh_from_db()


def order_reply(
    order: PaymentOrder, *operations: dict[str, Any], **status: Any
) -> Reply:
    body = {
        "orderStatus": {"order": {"orderId": order.order_id}, **status},
        "operations": operations,
    }
    return Reply(200, json.dumps(body).encode())


def operation_body(order: PaymentOrder, result: str, **more: Any) -> dict[str, Any]:
    return {
        "orderId": order.order_id,
        "operationId": order.gateway_operation_id,
        "operationType": "AUTHORIZATION",
        "operationResult": result,
        "operationAmount": "1250",
        "operationCurrency": "EUR",
        **more,
    }


def state_and_amounts(order: PaymentOrder) -> tuple[str, int, int, int, int]:
    order.refresh_from_db()
    return (
        order.state,
        order.captured_amount,
        order.capturing_amount,
        order.refunded_amount,
        order.refunding_amount,
    )
