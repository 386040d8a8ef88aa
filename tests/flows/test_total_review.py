"""A person accepts Nexi's total, which no operation explains."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import (
    EventKind,
    OperationKind,
    OperationOutcome,
    OrderState,
)
from nexi_payments.exceptions import (
    AmountChanged,
    CardDataNotAllowed,
    GatewayUnavailable,
    InvalidState,
    OrderBusy,
)
from nexi_payments.flows.manual_review import resolve_discrepancy
from nexi_payments.flows.operation_review import unexplained_total
from nexi_payments.models import Discrepancy, PaymentOrder
from nexi_payments.signals import discrepancy_found
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import staff_user
from tests.support.in_doubt import (
    MINUTE,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import CARDS, Shopper, new_order
from tests.support.undecided import (
    change_while_asked,
    disputed_total,
    show_total,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def disputed(shopper: Shopper) -> PaymentOrder:
    order = disputed_total(shopper)
    assert unexplained_total(order) == 200
    return order


def accept_totals(order: PaymentOrder, **given: Any) -> PaymentOrder:
    with time_travel(4 * MINUTE):
        return flows.accept_totals(order, **{"reason": "seen at Nexi", **given})


def assert_not_accepted(order: PaymentOrder) -> None:
    assert state_and_amounts(order) == (OrderState.PAID, 300, 0, 0, 0)
    assert not order.operations.filter(by_totals=True).exists()
    assert not order.events.filter(kind=EventKind.DECIDED).exists()
    assert order.discrepancies.get().resolved_at is None


def test_the_total_is_taken_over(disputed: PaymentOrder, gateway: Simulator) -> None:
    clerk = staff_user("clerk")
    show_total(gateway, disputed, 500)
    order = accept_totals(disputed, actor=flows.Actor(clerk))
    assert state_and_amounts(order) == (OrderState.PAID, 500, 0, 0, 0)
    row = order.operations.get(by_totals=True)
    assert (row.kind, row.outcome, row.amount, row.gateway_operation_id) == (
        OperationKind.CAPTURE,
        OperationOutcome.DONE,
        200,
        "",
    )
    assert row.is_adopted
    event = order.events.get(kind=EventKind.DECIDED)
    assert (event.operation, event.actor, event.note) == (row, clerk, "seen at Nexi")
    found = order.discrepancies.get()
    assert (found.resolved_at is not None, found.resolved_by) == (True, clerk)
    assert unexplained_total(order) == 0
    assert flows.available(order).refund == 500
    # the next inquiry agrees
    with time_travel(10 * MINUTE):
        show_total(gateway, order, 500)
        flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.PAID, 500, 0, 0, 0)
    assert order.discrepancies.count() == 1


def test_a_total_is_accepted_once(disputed: PaymentOrder, gateway: Simulator) -> None:
    show_total(gateway, disputed, 500)
    accept_totals(disputed)
    show_total(gateway, disputed, 500)
    with pytest.raises(InvalidState):
        accept_totals(disputed)
    assert state_and_amounts(disputed) == (OrderState.PAID, 500, 0, 0, 0)
    assert disputed.events.filter(kind=EventKind.DECIDED).count() == 1


def test_a_total_that_agrees_again(disputed: PaymentOrder, gateway: Simulator) -> None:
    show_total(gateway, disputed, 300)
    with pytest.raises(InvalidState):
        accept_totals(disputed)
    assert_not_accepted(disputed)
    assert unexplained_total(disputed) == 0


def test_a_total_that_is_not_what_the_person_saw(
    disputed: PaymentOrder, gateway: Simulator
) -> None:
    show_total(gateway, disputed, 600)
    with pytest.raises(AmountChanged) as error:
        accept_totals(disputed, expected=Decimal("2.00"))
    assert error.value.remaining == 300
    assert_not_accepted(disputed)
    show_total(gateway, disputed, 600)
    with pytest.raises(OrderBusy):  # one look: totals run ahead
        accept_totals(disputed, expected=Decimal("3.00"))
    assert_not_accepted(disputed)
    show_total(gateway, disputed, 600)
    with time_travel(6 * MINUTE):
        flows.accept_totals(disputed, reason="seen at Nexi", expected=Decimal("3.00"))
    assert state_and_amounts(disputed) == (OrderState.PAID, 600, 0, 0, 0)


def test_a_total_below_the_operations(
    disputed: PaymentOrder, gateway: Simulator
) -> None:
    show_total(gateway, disputed, 100)
    with pytest.raises(InvalidState):
        accept_totals(disputed)
    assert_not_accepted(disputed)
    assert unexplained_total(disputed) == 0


def test_a_total_without_an_answer_or_a_reason(
    disputed: PaymentOrder, gateway: Simulator
) -> None:
    with pytest.raises(ValueError, match="a decision needs a reason"):
        accept_totals(disputed, reason=" ")
    with pytest.raises(CardDataNotAllowed):
        accept_totals(disputed, reason=CARDS["challenge"].number)
    gateway.next_reply("/orders/", Reply(503))
    with pytest.raises(GatewayUnavailable):
        accept_totals(disputed)
    assert_not_accepted(disputed)


def test_the_order_changes_while_its_total_is_asked_for(
    disputed: PaymentOrder, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_while_asked(monkeypatch, disputed)
    show_total(gateway, disputed, 500)
    with pytest.raises(OrderBusy):
        accept_totals(disputed)
    assert_not_accepted(disputed)


def test_an_order_without_a_dispute(paid_order: PaymentOrder) -> None:
    assert unexplained_total(paid_order) == 0
    with pytest.raises(InvalidState):
        accept_totals(paid_order)
    assert state_and_amounts(paid_order) == (OrderState.PAID, 1250, 0, 0, 0)


@pytest.fixture
def paid_order(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order())


def test_a_total_that_was_dealt_with_does_not_come_back_while_it_lasts(
    disputed: PaymentOrder, gateway: Simulator
) -> None:
    told: list[Discrepancy] = []

    def receive(discrepancy: Discrepancy, **_: Any) -> None:
        told.append(discrepancy)

    discrepancy_found.connect(receive)
    resolve_discrepancy(disputed.discrepancies.get())
    for minutes in (5, 10, 60):
        with time_travel(minutes * MINUTE):
            show_total(gateway, disputed, 500)
            flows.reconcile(disputed)
    assert (disputed.discrepancies.count(), told) == (1, [])
    # it ends, and begins anew
    for minutes, total in ((70, 300), (80, 500), (90, 500)):
        with time_travel(minutes * MINUTE):
            show_total(gateway, disputed, total)
            flows.reconcile(disputed)
    found = list(disputed.discrepancies.order_by("pk"))
    assert [(one.ours, one.theirs) for one in found] == [("300", "500")] * 2
    assert [one.resolved_at is None for one in found] == [False, True]
    assert told == found[1:]


def test_another_total_than_the_one_that_was_dealt_with(
    disputed: PaymentOrder, gateway: Simulator
) -> None:
    resolve_discrepancy(disputed.discrepancies.get())
    for minutes in (5, 10):
        with time_travel(minutes * MINUTE):
            show_total(gateway, disputed, 600)
            flows.reconcile(disputed)
    found = disputed.discrepancies.order_by("pk")
    assert [one.theirs for one in found] == ["500", "600"]
