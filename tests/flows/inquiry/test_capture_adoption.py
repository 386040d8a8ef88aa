"""Authorized by response, captured at Nexi: the ledger adopts the capture."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    HOUR,
    MINUTE,
    charge_at_gateway,
    operation_body,
    order_reply,
    payment_in_doubt,
    reconcile_after,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def booked(gateway: Simulator, order: PaymentOrder, captured: int = 1250) -> None:
    """The next inquiry shows an authorization of which so much is captured."""
    order.refresh_from_db()
    answer = operation_body(order, "AUTHORIZED")
    reply = order_reply(order, answer, capturedAmount=str(captured))
    gateway.next_reply(f"/orders/{order.order_id}", reply)


def check(order: PaymentOrder, captured: int = 1250) -> None:
    order.refresh_from_db()
    assert (order.captured_amount, order.authorized_amount) == (captured, 1250)
    row = order.operations.get(kind=OperationKind.CAPTURE)
    assert (row.outcome, row.amount, row.gateway_operation_id) == (
        OperationOutcome.DONE,
        captured,
        "",
    )
    assert flows.available(order).refund == captured


@pytest.fixture
def held(shopper: Shopper, gateway: Simulator) -> PaymentOrder:
    """Automatic capture, and only authorized."""
    form = shopper.start(new_order(reference="R-1"))
    order = PaymentOrder.objects.get()
    body = {"operation": operation_body(order, "AUTHORIZED")}
    gateway.next_reply("/payment", Reply(200, json.dumps(body).encode()))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.AUTHORIZED
    charge_at_gateway(gateway, order, "AUTHORIZED")
    return order


def test_authorized_then_booked_then_refunded(
    held: PaymentOrder, gateway: Simulator
) -> None:
    booked(gateway, held)
    reconcile_after(2 * MINUTE)
    check(held)
    assert held.state == OrderState.PAID
    refund = flows.refund(held)
    assert refund.target_operation_id == held.gateway_operation_id
    held.refresh_from_db()
    assert (held.state, held.refunded_amount) == (OrderState.REFUNDED, 1250)


def test_in_doubt_then_booked(shopper: Shopper, gateway: Simulator) -> None:
    order = payment_in_doubt(shopper)
    booked(gateway, order, 1000)
    reconcile_after(2 * MINUTE)
    check(order, 1000)
    assert order.state == OrderState.PAID
    assert [event.to_state for event in order.events.all()][-2:] == [
        OrderState.AUTHORIZED,
        OrderState.PAID,
    ]


def test_given_up_then_booked(shopper: Shopper, gateway: Simulator) -> None:
    order = payment_in_doubt(shopper)
    reconcile_after(16 * MINUTE)
    order.refresh_from_db()
    assert order.state == OrderState.FAILED
    booked(gateway, order)
    reconcile_after(3 * HOUR)
    check(order)
    assert order.state == OrderState.PAID


@pytest.fixture
def reviewed(shopper: Shopper, gateway: Simulator) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1"), "declined")
    charge_at_gateway(gateway, order, "AUTHORIZED")
    booked(gateway, order)
    flows.reconcile(order)
    order.refresh_from_db()
    assert order.state == OrderState.REVIEW
    return order


def test_reviewed_then_given_back(reviewed: PaymentOrder, gateway: Simulator) -> None:
    check(reviewed)
    flows.refund(reviewed)
    reviewed.refresh_from_db()
    assert (reviewed.state, reviewed.refunded_amount) == (OrderState.REFUNDED, 1250)
    assert gateway.charge_of(reviewed.order_id).voided


def test_reviewed_then_resolved(reviewed: PaymentOrder, gateway: Simulator) -> None:
    booked(gateway, reviewed)
    flows.resolve(reviewed, "paid", reason="booked")
    check(reviewed)
    assert reviewed.state == OrderState.PAID


def test_two_looks_write_one_row(held: PaymentOrder, gateway: Simulator) -> None:
    for _ in range(2):
        booked(gateway, held)
        flows.reconcile(held)
    check(held)


def test_captures_of_their_own_are_taken_over(
    held: PaymentOrder, gateway: Simulator
) -> None:
    capture: dict[str, Any] = {
        **operation_body(held, "EXECUTED"),
        "operationId": "made-at-nexi",
        "operationType": "CAPTURE",
        "operationAmount": "300",
    }
    answer = order_reply(
        held, operation_body(held, "AUTHORIZED"), capture, capturedAmount="300"
    )
    gateway.next_reply(f"/orders/{held.order_id}", answer)
    reconcile_after(2 * MINUTE)
    held.refresh_from_db()
    assert (held.state, held.captured_amount) == (OrderState.PAID, 300)
    row = held.operations.get(kind=OperationKind.CAPTURE)
    assert (row.amount, row.gateway_operation_id) == (300, "made-at-nexi")
