"""Authorized, we were told, and booked all the same: the ledger gets a row for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments import flows, states
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.doubt import HOUR, MINUTE, charge, details, in_doubt, operation, reconcile_at
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def booked(gateway: Simulator, order: PaymentOrder, captured: int = 1250) -> None:
    """The next look shows an authorization of which so much is booked."""
    order.refresh_from_db()
    answer = operation(order, "AUTHORIZED")
    reply = details(order, answer, capturedAmount=str(captured))
    gateway.next_reply(f"/orders/{order.order_id}", reply)


def check(order: PaymentOrder, captured: int = 1250) -> None:
    order.refresh_from_db()
    assert (order.captured_amount, order.authorized_amount) == (captured, 1250)
    row = order.operations.get(kind=states.CAPTURE)
    assert (row.outcome, row.amount, row.gateway_operation_id) == (
        states.DONE,
        captured,
        "",
    )
    assert order.left_to_refund == captured


@pytest.fixture
def held(shopper: Shopper, gateway: Simulator) -> PaymentOrder:
    """Automatic capture, and only authorized."""
    form = shopper.start(new_order(reference="R-1"))
    order = PaymentOrder.objects.get()
    body = {"operation": operation(order, "AUTHORIZED")}
    gateway.next_reply("/payment", Reply(200, json.dumps(body).encode()))
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert order.state == states.AUTHORIZED
    charge(gateway, order, "AUTHORIZED")
    return order


def test_authorized_then_booked_then_refunded(
    held: PaymentOrder, gateway: Simulator
) -> None:
    booked(gateway, held)
    reconcile_at(2 * MINUTE)
    check(held)
    assert held.state == states.PAID
    refund = flows.refund(held)
    assert refund.target == held.gateway_operation_id
    held.refresh_from_db()
    assert (held.state, held.refunded_amount) == (states.REFUNDED, 1250)


def test_in_doubt_then_booked(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    booked(gateway, order, 1000)
    reconcile_at(2 * MINUTE)
    check(order, 1000)
    assert order.state == states.PAID
    assert [event.to_state for event in order.events.all()][-2:] == [
        states.AUTHORIZED,
        states.PAID,
    ]


def test_given_up_then_booked(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    reconcile_at(16 * MINUTE)
    order.refresh_from_db()
    assert order.state == states.FAILED
    booked(gateway, order)
    reconcile_at(3 * HOUR)
    check(order)
    assert order.state == states.PAID


@pytest.fixture
def reviewed(shopper: Shopper, gateway: Simulator) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1"), "declined")
    charge(gateway, order, "AUTHORIZED")
    booked(gateway, order)
    flows.reconcile(order)
    order.refresh_from_db()
    assert order.state == states.REVIEW
    return order


def test_reviewed_then_given_back(reviewed: PaymentOrder, gateway: Simulator) -> None:
    check(reviewed)
    flows.refund(reviewed)
    reviewed.refresh_from_db()
    assert (reviewed.state, reviewed.refunded_amount) == (states.REFUNDED, 1250)
    assert gateway.charge_of(reviewed.order_id).voided


def test_reviewed_then_resolved(reviewed: PaymentOrder, gateway: Simulator) -> None:
    booked(gateway, reviewed)
    flows.resolve(reviewed, "paid", reason="booked")
    check(reviewed)
    assert reviewed.state == states.PAID


def test_two_looks_write_one_row(held: PaymentOrder, gateway: Simulator) -> None:
    for _ in range(2):
        booked(gateway, held)
        flows.reconcile(held)
    check(held)


def test_captures_of_their_own_are_taken_over(
    held: PaymentOrder, gateway: Simulator
) -> None:
    capture: dict[str, Any] = {
        **operation(held, "EXECUTED"),
        "operationId": "made-at-nexi",
        "operationType": "CAPTURE",
        "operationAmount": "300",
    }
    answer = details(held, operation(held, "AUTHORIZED"), capture, capturedAmount="300")
    gateway.next_reply(f"/orders/{held.order_id}", answer)
    reconcile_at(2 * MINUTE)
    held.refresh_from_db()
    assert (held.state, held.captured_amount) == (states.PAID, 300)
    row = held.operations.get(kind=states.CAPTURE)
    assert (row.amount, row.gateway_operation_id) == (300, "made-at-nexi")
