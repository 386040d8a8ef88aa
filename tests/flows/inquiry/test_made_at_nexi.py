"""Captures, voids and refunds from Nexi's back office, beside ours."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import conf, flows
from nexi_payments.enums import EventKind, OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import ExceedsRemaining
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import Discrepancy, PaymentOrder
from nexi_payments.signals import discrepancy_found, payment_paid
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    LAG,
    charge_at_gateway,
    operation_body,
    order_reply,
    payment_in_doubt,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order
from tests.support.undecided import entry, show

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def kinds(order: PaymentOrder) -> list[str]:
    return [event.kind for event in order.events.order_by("pk")]


def discrepancies(order: PaymentOrder) -> list[tuple[str, str, str]]:
    return [(one.kind, one.ours, one.theirs) for one in order.discrepancies.all()]


def refund_at_nexi(order: PaymentOrder, amount: int) -> str:
    client = conf.client(conf.current().terminal(order.terminal))
    part = OperationAmount(amount, "EUR", "elsewhere")
    return client.refund(order.gateway_operation_id, part, conf.call_context())


def test_a_refund_made_at_nexi_is_adopted_once(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    new_id = refund_at_nexi(paid, 300)
    flows.reconcile(paid)
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 300, 0)
    row = paid.operations.get(kind=OperationKind.REFUND)
    assert (row.gateway_operation_id, row.ledger_id) == (new_id, new_id)
    assert (row.outcome, row.actor, row.sent_at) == (OperationOutcome.DONE, None, None)
    assert kinds(paid).count(EventKind.REFUNDED) == 1
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("9.51"))


def test_one_of_the_same_amount_that_never_left_is_another(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("/refunds", Reply(0, fault="refused"))
    assert flows.refund(paid, Decimal("3.00")).outcome == OperationOutcome.NOT_SENT
    refund_at_nexi(paid, 300)
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 300, 0)
    rows = paid.operations.filter(kind=OperationKind.REFUND).order_by("pk")
    assert [row.outcome for row in rows] == [
        OperationOutcome.NOT_SENT,
        OperationOutcome.DONE,
    ]


def test_one_made_at_nexi_before_ours_is_not_ours(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """The inquiry before the request has shown its id; ours never arrived."""
    refund_at_nexi(paid, 300)
    gateway.next_reply("/refunds", Reply(0, fault="cut"))
    row = flows.refund(paid, Decimal("3.00"))
    assert row.outcome == OperationOutcome.IN_DOUBT
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 300, 300)


def listed(order: PaymentOrder, type_: str, id_: str, amount: int) -> dict[str, Any]:
    return {
        **operation_body(order, "EXECUTED"),
        "operationId": id_,
        "operationType": type_,
        "operationAmount": str(amount),
    }


def test_more_than_was_captured_is_reviewed(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    for _ in range(2):
        answer = order_reply(
            paid,
            operation_body(paid, "EXECUTED"),
            listed(paid, "REFUND", "odd", 9999),
        )
        gateway.next_reply(f"/orders/{paid.order_id}", answer)
        flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.REVIEW, 1250, 0, 9999, 0)
    assert discrepancies(paid) == [
        ("made_at_nexi", "less money", "REFUND EXECUTED 9999 odd")
    ]


def test_a_void_that_is_confirmed_after_a_capture_gives_all_back(
    shopper: Shopper, gateway: Simulator
) -> None:
    """Captured in the back office while our void is on its way: money was kept, and
    then it was not."""
    order = shopper.pay(new_order(reference="R-2", terminal="manual"))
    path, charge = f"/orders/{order.order_id}", operation_body(order, "AUTHORIZED")
    gateway.next_reply(path, order_reply(order, charge))
    gateway.next_reply("/refunds", Reply(200, b'{"operationId": "v-1"}'))
    capture = listed(order, "CAPTURE", "c-1", 1250)
    gateway.next_reply(path, order_reply(order, charge, capture))
    void = flows.void(order)
    assert void.outcome == OperationOutcome.ACCEPTED
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    returned = listed(order, "REFUND", "v-1", 1250)
    gateway.next_reply(path, order_reply(order, charge, capture, returned))
    flows.reconcile(order)
    void.refresh_from_db()
    assert void.outcome == OperationOutcome.DONE
    assert state_and_amounts(order) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert kinds(order)[-3:] == ["authorized", "paid", "refunded"]
    assert (order.live_reference, order.next_poll_at) == (None, None)


def test_a_refund_that_is_taken_back_is_not_a_payment_again(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """The shop has shipped already."""
    refund = flows.refund(paid)
    taken_back = entry(paid, "REFUND", "CANCELED", 1250, refund.gateway_operation_id)
    show(gateway, paid, taken_back)
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert kinds(paid)[-3:] == ["paid", "refunded", "paid"]
    event = paid.events.order_by("pk").last()
    assert event is not None
    assert (event.deliver_at, event.delivered_at) == (None, None)
    assert flows.available(paid).refund == 1250


def test_a_payment_that_was_refunded_when_it_was_found_is_told_once(
    shopper: Shopper, gateway: Simulator
) -> None:
    told: list[str] = []

    def heard(event: Any, **kwargs: Any) -> None:
        told.append(event.kind)

    payment_paid.connect(heard)
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    show(gateway, order, entry(order, "REFUND", "REFUNDED", 1250, "r-1"))
    flows.reconcile(order)
    assert (order.state, told) == (OrderState.REFUNDED, [])
    for _ in range(2):
        show(gateway, order, entry(order, "REFUND", "CANCELED", 1250, "r-1"))
        flows.reconcile(order)
    assert (order.state, told) == (OrderState.PAID, ["paid"])
    payment_paid.disconnect(heard)


def test_ids_with_spaces_do_not_make_a_list_incomplete(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    odd = entry(paid, "REFUND", "FAILED", 200, "r 1")
    show(gateway, paid, odd)
    flows.reconcile(paid)
    show(gateway, paid, odd)
    gateway.next_reply("/refunds", Reply(400, b'{"errors": [{"code": "GW0001"}]}'))
    row = flows.refund(paid, Decimal("2.00"))
    for wait in (LAG + 1, 2 * LAG + 2):
        show(gateway, paid, odd)
        with time_travel(wait):
            flows.reconcile(paid)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.REJECTED


@pytest.mark.parametrize("named", [True, False])
def test_a_refund_that_is_cancelled_at_nexi_is_told(
    paid: PaymentOrder, gateway: Simulator, named: bool
) -> None:
    """By an operation that names it, or by its own word. The shopper was told that the
    money comes back; no signal of ours says that it does not."""
    told: list[str] = []

    def receive(discrepancy: Discrepancy, **_: Any) -> None:
        told.append(discrepancy.theirs)

    refund = flows.refund(paid, Decimal("3.00"))
    assert refund.outcome == OperationOutcome.DONE
    id_ = refund.gateway_operation_id
    listed = [entry(paid, "REFUND", "CANCELED", 300, id_)]
    theirs = f"REFUND CANCELED 300 {id_}"
    if named:
        cancel = entry(paid, "CANCEL", "EXECUTED", 300, "x-1")
        listed = [
            entry(paid, "REFUND", "REFUNDED", 300, id_),
            {**cancel, "cancelledOperationId": id_},
        ]
        theirs = "CANCEL EXECUTED 300 x-1"
    discrepancy_found.connect(receive)
    for _ in range(2):
        show(gateway, paid, *listed)
        flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert discrepancies(paid) == [("made_at_nexi", f"refund 300 {id_}", theirs)]
    assert told == [theirs]


def test_a_capture_that_is_cancelled_at_nexi_has_its_signal_alone(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(reference="R-3", terminal="manual"))
    capture = flows.capture(order, Decimal("5.00"))
    id_ = capture.gateway_operation_id
    taken_back = entry(order, "CAPTURE", "CANCELED", 500, id_)
    show(gateway, order, taken_back, charge="AUTHORIZED", total=0)
    flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert "capture_cancelled" in kinds(order)
    assert discrepancies(order) == []
