"""Staff decide about one operation that Nexi leaves open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import (
    DiscrepancyKind,
    EventKind,
    OperationKind,
    OperationOutcome,
    OrderState,
)
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    GatewayUnavailable,
    InvalidState,
    OrderBusy,
)
from nexi_payments.flows.operation_review import may_be_decided
from nexi_payments.models import Discrepancy, Operation
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import staff_user
from tests.support.in_doubt import (
    DAY,
    MINUTE,
    payment_in_doubt,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import CARDS, Shopper, new_order
from tests.support.undecided import (
    SETTLED,
    accept,
    change_while_asked,
    entry,
    pending_refund,
    show,
    show_pending,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refund(shopper: Shopper) -> Operation:
    return pending_refund(shopper)


def decide(operation: Operation, outcome: str, **given: Any) -> Operation:
    with time_travel(SETTLED):
        return flows.resolve_operation(
            operation, outcome, **{"reason": "seen at Nexi", **given}
        )


def assert_undecided(operation: Operation) -> None:
    operation.refresh_from_db()
    assert (operation.outcome, operation.error) == (OperationOutcome.ACCEPTED, "")
    assert state_and_amounts(operation.order) == (OrderState.PAID, 1250, 0, 0, 200)
    assert not operation.order.events.filter(kind=EventKind.DECIDED).exists()


# -- which may be decided --------------------------------------------------------------


def test_only_what_is_on_its_way_for_long_may_be_decided(refund: Operation) -> None:
    assert not may_be_decided(refund)
    with time_travel(SETTLED - 2):
        assert not may_be_decided(refund)
    with time_travel(SETTLED):
        assert may_be_decided(refund)
        for outcome in OperationOutcome.values:
            refund.outcome = outcome
            waits = outcome in ("open", "accepted", "in_doubt")
            assert may_be_decided(refund) is waits, outcome


def test_a_charge_is_not_decided_as_an_operation(shopper: Shopper) -> None:
    order = payment_in_doubt(shopper)
    charge = order.operations.get(kind=OperationKind.PAYMENT)
    with time_travel(SETTLED):
        assert not may_be_decided(charge)
    with pytest.raises(InvalidState):
        decide(charge, "done")
    order.refresh_from_db()
    assert order.state == OrderState.PAYING


# -- what becomes of it ----------------------------------------------------------------


def test_executed_with_who_and_why(refund: Operation, gateway: Simulator) -> None:
    order, clerk = refund.order, staff_user("clerk")
    for kind in (DiscrepancyKind.STILL_PENDING, DiscrepancyKind.MADE_AT_NEXI):
        Discrepancy.objects.create(order=order, kind=kind, created_at=timezone.now())
    show_pending(gateway, order)
    actor = flows.Actor(clerk, "10.1.2.3")
    operation = decide(refund, "done", reason="  seen at Nexi ", actor=actor)
    assert operation == refund
    assert (operation.outcome, operation.error) == (OperationOutcome.DONE, "resolved")
    assert operation.settled_at is not None
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 0)
    assert order.unsettled_since is None
    refunded, decided = order.events.order_by("pk")[order.events.count() - 2 :]
    assert (refunded.kind, refunded.operation) == (EventKind.REFUNDED, operation)
    assert (decided.kind, decided.operation, decided.actor) == (
        EventKind.DECIDED,
        operation,
        clerk,
    )
    assert (decided.note, decided.address) == ("seen at Nexi", "10.1.2.3")
    assert (decided.from_state, decided.to_state) == (OrderState.PAID, OrderState.PAID)
    still_open = order.discrepancies.filter(resolved_at=None)
    assert [one.kind for one in still_open] == [DiscrepancyKind.MADE_AT_NEXI]
    resolved = order.discrepancies.get(kind=DiscrepancyKind.STILL_PENDING)
    assert resolved.resolved_by == clerk


def test_not_executed_frees_the_amount(refund: Operation, gateway: Simulator) -> None:
    order = refund.order
    show_pending(gateway, order)
    operation = decide(refund, "declined")
    assert (operation.outcome, operation.error) == (
        OperationOutcome.DECLINED,
        "resolved",
    )
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    assert flows.available(order).refund == 1250
    event = order.events.get(kind=EventKind.DECIDED)
    assert (event.operation, event.note) == (operation, "seen at Nexi")


def test_another_one_on_its_way_keeps_the_discrepancy(
    refund: Operation, gateway: Simulator
) -> None:
    order = refund.order
    Discrepancy.objects.create(
        order=order, kind=DiscrepancyKind.STILL_PENDING, created_at=timezone.now()
    )
    pending = entry(order, "REFUND", "PENDING", 200, "r-1")
    show(gateway, order, pending)
    accept(gateway, "/refunds", "r-2")
    second = entry(order, "REFUND", "PENDING", 300, "r-2")
    show(gateway, order, pending, second)
    flows.refund(order, Decimal("3.00"))
    show(gateway, order, pending, second)
    decide(refund, "done")
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 300)
    assert order.discrepancies.get().resolved_at is None


def test_what_was_decided_as_not_executed_is_found_when_nexi_shows_it(
    refund: Operation, gateway: Simulator
) -> None:
    order = refund.order
    show_pending(gateway, order)
    decide(refund, "declined")
    order.refresh_from_db()
    assert order.next_poll_at is not None
    show(gateway, order, entry(order, "REFUND", "REFUNDED", 200, "r-1"))
    flows.reconcile(order)
    refund.refresh_from_db()
    assert (refund.outcome, refund.result) == (OperationOutcome.DONE, "REFUNDED")
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 0)
    found = order.discrepancies.get()
    assert (found.kind, found.ours, found.theirs) == (
        DiscrepancyKind.LATE_EXECUTION,
        "refund 200 declined",
        "REFUND REFUNDED 200 r-1",
    )


def test_a_decision_stays_while_nexi_repeats_what_it_said_before(
    refund: Operation, gateway: Simulator
) -> None:
    order = refund.order
    show_pending(gateway, order)
    decide(refund, "declined")
    for wait in (SETTLED, 4 * DAY):
        show_pending(gateway, order)
        with time_travel(wait):
            flows.reconcile(order)
        refund.refresh_from_db()
        assert refund.outcome == OperationOutcome.DECLINED
        assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    assert not order.discrepancies.filter(resolved_at=None).exists()


def test_a_decision_ends_when_nexi_says_the_contrary_twice(
    refund: Operation, gateway: Simulator
) -> None:
    order = refund.order
    show_pending(gateway, order)
    decide(refund, "done")
    failed = entry(order, "REFUND", "FAILED", 200, "r-1")
    for minutes, outcome in ((20, "done"), (25, "declined")):
        with time_travel(minutes * MINUTE):
            show(gateway, order, failed)
            flows.reconcile(order)
        refund.refresh_from_db()
        assert refund.outcome == outcome
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    found = order.discrepancies.get()
    assert (found.kind, found.ours, found.theirs) == (
        DiscrepancyKind.CONTRADICTION,
        "refund done",
        "REFUND FAILED 200 r-1",
    )


@pytest.mark.parametrize(
    ("outcome", "state", "amounts"),
    [
        ("done", OrderState.PAID, (1250, 0, 0, 0)),
        ("declined", OrderState.AUTHORIZED, (0, 0, 0, 0)),
    ],
)
def test_a_capture(
    shopper: Shopper,
    gateway: Simulator,
    outcome: str,
    state: str,
    amounts: tuple[int, ...],
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    pending = entry(order, "CAPTURE", "PENDING", 1250, "c-1")
    show(gateway, order, charge="AUTHORIZED")
    accept(gateway, "/captures", "c-1")
    show(gateway, order, pending, charge="AUTHORIZED")
    operation = flows.capture(order)
    assert state_and_amounts(order) == (OrderState.AUTHORIZED, 0, 1250, 0, 0)
    show(gateway, order, pending, charge="AUTHORIZED")
    decide(operation, outcome)
    assert state_and_amounts(order) == (state, *amounts)


def test_a_void(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    pending = entry(order, "VOID", "PENDING", 1250, "v-1")
    show(gateway, order, charge="AUTHORIZED")
    accept(gateway, "/refunds", "v-1")
    show(gateway, order, pending, charge="AUTHORIZED")
    operation = flows.void(order)
    assert operation.outcome == OperationOutcome.ACCEPTED
    show(gateway, order, pending, charge="AUTHORIZED")
    decide(operation, "done")
    assert state_and_amounts(order) == (OrderState.VOIDED, 0, 0, 0, 0)


# -- nobody has decided ----------------------------------------------------------------


def test_what_nexi_says_itself_is_no_decision(
    refund: Operation, gateway: Simulator
) -> None:
    order = refund.order
    show(gateway, order, entry(order, "REFUND", "REFUNDED", 200, "r-1"))
    operation = decide(refund, "done")
    assert (operation.outcome, operation.error) == (OperationOutcome.DONE, "")
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 0)
    assert not order.events.filter(kind=EventKind.DECIDED).exists()


def test_nexi_says_the_contrary(refund: Operation, gateway: Simulator) -> None:
    order = refund.order
    show(gateway, order, entry(order, "REFUND", "FAILED", 200, "r-1"))
    with pytest.raises(InvalidState):
        decide(refund, "done")
    refund.refresh_from_db()
    assert (refund.outcome, refund.result) == (OperationOutcome.DECLINED, "FAILED")
    assert not order.events.filter(kind=EventKind.DECIDED).exists()


def test_decided_once(refund: Operation, gateway: Simulator) -> None:
    order = refund.order
    show_pending(gateway, order)
    decide(refund, "done")
    asked = len(gateway.calls)
    for outcome in ("done", "declined"):
        with pytest.raises(InvalidState):
            decide(refund, outcome)
    assert len(gateway.calls) == asked
    assert order.events.filter(kind=EventKind.DECIDED).count() == 1
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 0)


def test_too_early(refund: Operation, gateway: Simulator) -> None:
    asked = len(gateway.calls)
    with pytest.raises(InvalidState):
        flows.resolve_operation(refund, "done", reason="impatient")
    assert len(gateway.calls) == asked
    assert_undecided(refund)


@pytest.mark.parametrize("outcome", ["rejected", "in_doubt", "", "executed"])
def test_only_executed_or_not(refund: Operation, outcome: str) -> None:
    with pytest.raises(ValueError, match="outcome must be one of done, declined"):
        decide(refund, outcome)
    assert_undecided(refund)


def test_only_with_a_reason_that_is_no_card(
    refund: Operation, gateway: Simulator
) -> None:
    asked = len(gateway.calls)
    with pytest.raises(ValueError, match="a decision needs a reason"):
        decide(refund, "done", reason="  ")
    with pytest.raises(CardDataNotAllowed):
        decide(refund, "done", reason=f"card {CARDS['challenge'].number}")
    assert len(gateway.calls) == asked
    assert_undecided(refund)


def test_no_answer(refund: Operation, gateway: Simulator) -> None:
    gateway.next_reply("/orders/", Reply(503))
    with pytest.raises(GatewayUnavailable):
        decide(refund, "done")
    assert_undecided(refund)


def test_the_order_changes_meanwhile(
    refund: Operation, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_while_asked(monkeypatch, refund.order)
    show_pending(gateway, refund.order)
    with pytest.raises(OrderBusy):
        decide(refund, "done")
    assert_undecided(refund)
