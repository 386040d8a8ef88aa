"""Charges in doubt: how tests make them, and let time pass."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.shopper import Shopper, new_order

PAYMENT = "POST /orders/3steps/payment"


MINUTE, HOUR, DAY = 60, 3600, 86_400


def in_doubt(shopper: Shopper, **facts: Any) -> PaymentOrder:
    """A charge whose answer was garbage and which the gateway has not made."""
    order = shopper.pay(new_order(**facts), "garbage")
    assert order.state == states.PAYING
    return order


def charge(gateway: Simulator, order: PaymentOrder, result: str = "EXECUTED") -> None:
    """The gateway makes the charge after all."""
    with gateway.store.edit(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result=result, charged_at="now", code="000")


def later(seconds: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True)


def reconcile_at(seconds: float) -> flows.Counts:
    with later(seconds):
        return flows.reconcile()


def details(order: PaymentOrder, *operations: dict[str, Any], **status: Any) -> Reply:
    body = {
        "orderStatus": {"order": {"orderId": order.order_id}, **status},
        "operations": operations,
    }
    return Reply(200, json.dumps(body).encode())


def operation(order: PaymentOrder, result: str, **more: Any) -> dict[str, Any]:
    return {
        "orderId": order.order_id,
        "operationId": order.gateway_operation_id,
        "operationType": "AUTHORIZATION",
        "operationResult": result,
        "operationAmount": "1250",
        "operationCurrency": "EUR",
        **more,
    }


def sums(order: PaymentOrder) -> tuple[str, int, int, int, int]:
    order.refresh_from_db()
    return (
        order.state,
        order.captured_amount,
        order.capturing_amount,
        order.refunded_amount,
        order.refunding_amount,
    )
