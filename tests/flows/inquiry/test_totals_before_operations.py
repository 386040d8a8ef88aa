"""Nexi shows a capture in its totals before its operations: it counts once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import InvalidState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.signals import payment_paid
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    charge_at_gateway,
    operation_body,
    order_reply,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

SETTLED = 901


@pytest.fixture
def held(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-2", terminal="manual"))
    assert state_and_amounts(order) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    return order


def listed(order: PaymentOrder, operation_id: str, amount: int, result: str) -> Any:
    return {
        **operation_body(order, result),
        "operationId": operation_id,
        "operationType": "CAPTURE",
        "operationAmount": str(amount),
    }


def shown(
    gateway: Simulator, order: PaymentOrder, total: int, *captures: dict[str, Any]
) -> None:
    """The next inquiry shows the authorization, these captures, and this total."""
    answer = order_reply(
        order, operation_body(order, "AUTHORIZED"), *captures, capturedAmount=str(total)
    )
    gateway.next_reply(f"/orders/{order.order_id}", answer)


def accepted(gateway: Simulator) -> None:
    """Nexi accepts the next capture, and neither lists it nor finds it by its id."""
    gateway.next_reply("/captures", Reply(200, b'{"operationId": "c-1"}'))


def captures(order: PaymentOrder) -> list[tuple[str, int | None, str]]:
    rows = order.operations.filter(kind=OperationKind.CAPTURE)
    return [(row.outcome, row.amount, row.gateway_operation_id) for row in rows]


@pytest.mark.parametrize("amount", [Decimal("3.00"), Decimal("12.50")])
def test_the_total_of_a_capture_on_its_way_is_not_believed(
    held: PaymentOrder, gateway: Simulator, amount: Decimal
) -> None:
    paid: list[Any] = []

    def heard(event: Any, **kwargs: Any) -> None:
        paid.append(event)

    payment_paid.connect(heard)
    minor = int(amount * 100)
    shown(gateway, held, minor)
    accepted(gateway)
    row = flows.capture(held, amount)
    assert row.outcome == OperationOutcome.ACCEPTED
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, minor, 0, 0)
    assert captures(held) == [(OperationOutcome.ACCEPTED, minor, "c-1")]
    # it fails later, and the total lags
    shown(gateway, held, minor, listed(held, "c-1", minor, "FAILED"))
    flows.reconcile(held)
    shown(gateway, held, minor)
    flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert captures(held) == [(OperationOutcome.DECLINED, minor, "c-1")]
    assert paid == []
    payment_paid.disconnect(heard)


def test_what_exceeds_the_capture_on_its_way_is_counted(
    held: PaymentOrder, gateway: Simulator
) -> None:
    shown(gateway, held, 1250)
    accepted(gateway)
    flows.capture(held, Decimal("3.00"))
    assert state_and_amounts(held) == (OrderState.PAID, 950, 300, 0, 0)
    assert captures(held) == [
        (OperationOutcome.ACCEPTED, 300, "c-1"),
        (OperationOutcome.DONE, 950, ""),
    ]


def test_a_total_that_stays_after_a_refused_capture_is_believed(
    held: PaymentOrder, gateway: Simulator
) -> None:
    shown(gateway, held, 0)
    accepted(gateway)
    flows.capture(held, Decimal("3.00"))
    shown(gateway, held, 300, listed(held, "c-1", 300, "FAILED"))
    flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    with time_travel(SETTLED):
        shown(gateway, held, 300, listed(held, "c-1", 300, "FAILED"))
        flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.PAID, 300, 0, 0, 0)


@pytest.mark.parametrize(
    ("total", "entries", "rows", "captured"),
    [
        # the list catches up: one capture, two of them, only one so far
        (500, [500], [(500, "n-1")], 500),
        (500, [300, 200], [(200, "n-2"), (300, "n-1")], 500),
        (500, [300], [(200, ""), (300, "n-1")], 500),
        # the total lagged, too
        (500, [800], [(800, "n-1")], 800),
        (500, [500, 200], [(500, "n-1"), (200, "n-2")], 700),
        # of the whole authorization
        (1250, [1000, 250], [(250, "n-2"), (1000, "n-1")], 1250),
    ],
)
def test_a_capture_made_at_nexi_is_counted_once(
    held: PaymentOrder,
    gateway: Simulator,
    total: int,
    entries: list[int],
    rows: list[tuple[int, str]],
    captured: int,
) -> None:
    shown(gateway, held, total)
    flows.reconcile(held)
    assert captures(held) == [(OperationOutcome.DONE, total, "")]
    seen = [
        listed(held, f"n-{place}", amount, "EXECUTED")
        for place, amount in enumerate(entries, 1)
    ]
    for _ in range(2):
        shown(gateway, held, sum(entries), *seen)
        flows.reconcile(held)
    assert captures(held) == [(OperationOutcome.DONE, *row) for row in rows]
    assert state_and_amounts(held) == (OrderState.PAID, captured, 0, 0, 0)
    assert held.discrepancies.count() == 0


def test_the_shop_is_told_once_of_a_capture_that_was_told_twice(
    held: PaymentOrder, gateway: Simulator
) -> None:
    shown(gateway, held, 500)
    flows.reconcile(held)
    for _ in range(2):
        shown(gateway, held, 500, listed(held, "n-1", 300, "EXECUTED"))
        flows.reconcile(held)
    assert [event.kind for event in held.events.all()][-1] == "paid"
    assert Operation.objects.filter(kind=OperationKind.CAPTURE).count() == 2


# -- several captures that only the total had shown -----------------------------------


@pytest.fixture
def reviewed(shopper: Shopper, gateway: Simulator) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1", terminal="manual"), "declined")
    charge_at_gateway(gateway, order, "AUTHORIZED")
    return order


@pytest.mark.parametrize("totals", [(200, 600), (250, 1250)])
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_total_that_grows_under_review_is_one_row(
    reviewed: PaymentOrder,
    gateway: Simulator,
    totals: tuple[int, int],
    newest_first: bool,
) -> None:
    order = reviewed
    for total in totals:
        shown(gateway, order, total)
        flows.reconcile(order)
    first, whole = totals
    assert captures(order) == [(OperationOutcome.DONE, whole, "")]
    shown(gateway, order, whole)
    flows.resolve(order, "paid", reason="seen at Nexi")
    entries = [
        listed(order, "n-1", first, "EXECUTED"),
        listed(order, "n-2", whole - first, "EXECUTED"),
    ]
    for _ in range(2):
        shown(gateway, order, whole, *entries[:: -1 if newest_first else 1])
        flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.PAID, whole, 0, 0, 0)
    assert sorted(name for _, _, name in captures(order)) == ["n-1", "n-2"]
    assert not order.discrepancies.filter(kind="made_at_nexi").exists()


def test_a_refused_capture_is_not_done_by_money_of_the_total(
    held: PaymentOrder, gateway: Simulator
) -> None:
    shown(gateway, held, 500)
    flows.reconcile(held)
    gateway.next_reply("/captures", Reply(400, b'{"errors": [{"code": "PS0023"}]}'))
    shown(gateway, held, 500, listed(held, "n-1", 500, "EXECUTED"))
    row = flows.capture(held, Decimal("5.00"))
    assert row.outcome == OperationOutcome.REJECTED
    assert state_and_amounts(held) == (OrderState.PAID, 500, 0, 0, 0)
    assert captures(held) == [
        (OperationOutcome.DONE, 500, "n-1"),
        (OperationOutcome.REJECTED, 500, ""),
    ]


def test_a_capture_in_doubt_takes_no_more_than_the_total_has_room_for(
    held: PaymentOrder, gateway: Simulator
) -> None:
    """The list shows 7.50 made at Nexi, of which the total showed 5.00 before. Ours of
    the same amount never arrived.
    """
    shown(gateway, held, 500)
    flows.reconcile(held)
    gateway.next_reply("/captures", Reply(0, fault="cut"))
    shown(gateway, held, 750, listed(held, "n-1", 750, "EXECUTED"))
    row = flows.capture(held, Decimal("7.50"))
    assert (row.outcome, row.send_count) == (OperationOutcome.IN_DOUBT, 1)
    assert state_and_amounts(held) == (OrderState.PAID, 500, 750, 0, 0)
    assert [one.kind for one in held.discrepancies.all()] == ["made_at_nexi"]
    # it arrived late: the total has room for both
    shown(gateway, held, 1250, listed(held, "n-1", 750, "EXECUTED"))
    flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)


def test_the_total_of_a_cancelled_capture_waits(
    held: PaymentOrder, gateway: Simulator
) -> None:
    flows.capture(held, Decimal("3.00"))
    flows.cancel_capture(held)
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    capture = held.operations.get(kind=OperationKind.CAPTURE)
    cancel = held.operations.get(kind=OperationKind.CANCEL)
    gone = {
        **operation_body(held, "EXECUTED"),
        "operationId": cancel.gateway_operation_id,
        "operationType": "CANCEL",
        "operationAmount": "300",
        "cancelledOperationId": capture.gateway_operation_id,
    }
    for entry in (
        [listed(held, capture.gateway_operation_id, 300, "CANCELED")],
        [],
    ):
        shown(gateway, held, 300, gone, *entry)
        flows.reconcile(held)
        assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert captures(held) == [
        (OperationOutcome.DONE, 300, capture.gateway_operation_id)
    ]


def refunded(order: PaymentOrder, operation_id: str, amount: int) -> dict[str, Any]:
    return {
        **listed(order, operation_id, amount, "EXECUTED"),
        "operationType": "REFUND",
    }


def test_a_refund_beside_a_capture_of_the_total_is_seen(
    held: PaymentOrder, gateway: Simulator
) -> None:
    shown(gateway, held, 1250, refunded(held, "r-1", 500))
    flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 500, 0)


def test_a_refund_of_what_the_total_told_keeps_it_in_one_piece(
    held: PaymentOrder, gateway: Simulator
) -> None:
    shown(gateway, held, 600)
    flows.reconcile(held)
    gateway.next_reply("/refunds", Reply(200, b'{"operationId": "r-1"}'))
    back = refunded(held, "r-1", 400)
    shown(gateway, held, 600, back)
    flows.refund(held, Decimal("4.00"))
    entries = [listed(held, f"n-{n}", 300, "EXECUTED") for n in (1, 2)]
    for _ in range(2):
        shown(gateway, held, 600, *entries, back)
        flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.PAID, 600, 0, 400, 0)
    left = [one.remaining for one in flows.available(held).effective_captures]
    assert left == [200]


def test_one_list_is_not_read_twice_for_a_capture_on_its_way(
    held: PaymentOrder, gateway: Simulator
) -> None:
    """The order becomes paid in the same inquiry: the capture is resent once."""
    for _ in range(3):
        gateway.next_reply("/captures", Reply(0, fault="cut"))
    shown(gateway, held, 1250, refunded(held, "r-1", 100))
    row = flows.capture(held, Decimal("3.00"))
    assert (row.outcome, row.send_count) == (OperationOutcome.IN_DOUBT, 2)
    assert state_and_amounts(held) == (OrderState.PAID, 950, 300, 0, 0)


def test_an_id_that_was_adopted_does_no_capture_of_ours(
    held: PaymentOrder, gateway: Simulator
) -> None:
    """The list shows the capture whose response was lost; the total had shown another.
    Ours gets its id from the resend, and is not counted twice.
    """
    shown(gateway, held, 600)
    flows.reconcile(held)
    gateway.next_reply("/captures", Reply(0, fault="cut"))
    gateway.next_reply("/captures", Reply(200, b'{"operationId": "x-1"}'))
    ours = listed(held, "x-1", 500, "EXECUTED")
    shown(gateway, held, 1100, ours)
    row = flows.capture(held, Decimal("5.00"))
    assert (row.outcome, row.gateway_operation_id) == (OperationOutcome.ACCEPTED, "x-1")
    shown(gateway, held, 1100, ours)
    flows.reconcile(held)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.ACCEPTED
    assert state_and_amounts(held) == (OrderState.PAID, 600, 500, 0, 0)
    assert [one.kind for one in held.discrepancies.all()] == ["same_id"]


# -- an authorization that reads EXECUTED ---------------------------------------------


def executed(order: PaymentOrder, *more: dict[str, Any], total: int = 1250) -> Reply:
    return order_reply(
        order, operation_body(order, "EXECUTED"), *more, capturedAmount=str(total)
    )


def test_an_authorization_that_becomes_executed_is_paid(
    held: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply(f"/orders/{held.order_id}", executed(held))
    flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)
    with pytest.raises(InvalidState):
        flows.void(held)


def test_what_was_captured_at_once_is_not_forgotten_under_review(
    shopper: Shopper, gateway: Simulator
) -> None:
    """Nexi lists the implicit capture as an operation of its own, later."""
    order = shopper.pay(new_order(reference="R-1"), "declined")
    charge_at_gateway(gateway, order, "EXECUTED")
    flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.REVIEW, 1250, 0, 0, 0)
    back = refunded(order, "r-1", 400)
    gateway.next_reply("/refunds", Reply(200, b'{"operationId": "r-1"}'))
    gateway.next_reply(f"/orders/{order.order_id}", executed(order, back))
    flows.refund(order, Decimal("4.00"))
    implicit = listed(order, "n-1", 1250, "EXECUTED")
    gateway.next_reply(f"/orders/{order.order_id}", executed(order, implicit, back))
    flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.REVIEW, 1250, 0, 400, 0)
