"""Captures, voids, refunds and cancels that Nexi calls PENDING for days, and then ends.

Each inquiry here is one that the poll schedule makes: nobody asks by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import flows, signals
from nexi_payments.enums import OperationOutcome, OrderState, Reason
from nexi_payments.flows.ledger import discrepancies, transitions
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.simulator.worlds import Pending
from tests.support.contracts import Clock
from tests.support.in_doubt import DAY, HOUR, MINUTE
from tests.support.outbox import connected
from tests.support.shopper import Shopper, new_order
from tests.support.undecided import accept, entry, show

pytestmark = pytest.mark.django_db(transaction=True)

TWO = Decimal("2.00")
#: ``WATCH_FOR`` is three days.
DAYS = (3, 10, 40)


@pytest.fixture
def told() -> Iterator[Counter[tuple[str, int]]]:
    """How often the shop was told each event, with the order's primary key."""
    heard: Counter[tuple[str, int]] = Counter()

    def hear(sender: Any, order: PaymentOrder, event: Event, **kwargs: Any) -> None:
        heard[event.kind, order.pk] += 1

    with ExitStack() as stack:
        for signal in signals.SIGNAL_BY_EVENT_KIND.values():
            stack.enter_context(connected(signal, hear))
        yield heard


def pending_for(gateway: Simulator, days: float, *, fails: bool) -> None:
    """What is sent from now on is PENDING for so long."""
    seconds = days * DAY
    gateway.worlds = (Pending(seconds, seconds, failing=float(fails)),)


def reconcile_for(
    clock: Clock,
    orders: Iterable[PaymentOrder],
    days: float,
    before: Callable[[PaymentOrder], None] = lambda order: None,
) -> int:
    """Runs the reconciler whenever one of the orders is due, for so many days; first
    calls ``before`` with each that is. Returns how often. The schedule is never empty
    while something is on its way.
    """
    end = timezone.now().timestamp() + days * DAY
    count = 0
    while True:
        times = {order: moment for order in orders if (moment := due_at(order))}
        first = min(times.values(), default=end + 1)
        if first > end:
            clock.advance(end - timezone.now().timestamp())
            return count
        # those that were sent together are due together
        last = max(one for one in times.values() if one <= min(first + 5, end))
        clock.advance(max(0.0, last - timezone.now().timestamp()) + 0.01)
        for order, moment in times.items():
            if moment <= last:
                before(order)
        flows.reconcile()
        count += 1


def due_at(order: PaymentOrder) -> float | None:
    order.refresh_from_db()
    due = order.next_poll_at
    if order.operations.filter(outcome=OperationOutcome.ACCEPTED).exists():
        assert due is not None
        assert (due - timezone.now()).total_seconds() <= DAY + MINUTE
    return None if due is None else due.timestamp()


def send(kind: str, shopper: Shopper, gateway: Simulator, days: float, *, fails: bool):
    """An order, and an operation of this kind that is PENDING for so many days."""
    order = new_order(terminal="default" if kind == "refund" else "manual")
    gateway.worlds = ()
    shopper.pay(order)
    pending_for(gateway, days, fails=fails)
    verbs: dict[str, Any] = {
        "capture": lambda: flows.capture(order, TWO),
        "refund": lambda: flows.refund(order, TWO),
        "void": lambda: flows.void(order),
    }
    operation = verbs[kind]()
    assert operation.outcome == OperationOutcome.ACCEPTED
    return order, operation


def assert_all_wait(operations: Iterable[Operation]) -> None:
    for operation in operations:
        operation.refresh_from_db()
        assert operation.outcome == OperationOutcome.ACCEPTED, operation


#: kind → state, captured and refunded amount; the events of which the shop is told
ENDS = {
    ("capture", False): (("paid", 200, 0), ["paid"]),
    ("capture", True): (("authorized", 0, 0), []),
    ("refund", False): (("paid", 1250, 200), ["refunded"]),
    ("refund", True): (("paid", 1250, 0), []),
    ("void", False): (("voided", 0, 0), ["voided"]),
    ("void", True): (("authorized", 0, 0), []),
}


@pytest.mark.parametrize("days", DAYS)
def test_it_ends_when_nexi_says_so(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    told: Counter[tuple[str, int]],
    days: int,
) -> None:
    sent = {
        (kind, fails): send(kind, shopper, gateway, days, fails=fails)
        for kind, fails in ENDS
        if days < 40 or kind == "refund"
    }
    orders, operations = zip(*sent.values(), strict=True)
    told.clear()
    reconcile_for(clock, orders, days - 0.1)
    assert_all_wait(operations)
    assert told == Counter()
    reconcile_for(clock, orders, 1.2)
    expected_events: Counter[tuple[str, int]] = Counter()
    for (kind, fails), (order, operation) in sent.items():
        operation.refresh_from_db()
        order.refresh_from_db()
        expected = OperationOutcome.DECLINED if fails else OperationOutcome.DONE
        assert operation.outcome == expected, (kind, fails)
        amounts, kinds = ENDS[kind, fails]
        found = (order.state, order.captured_amount, order.refunded_amount)
        assert found == amounts, (kind, fails)
        assert (order.capturing_amount, order.refunding_amount) == (0, 0)
        expected_events.update((one, order.pk) for one in kinds)
        still = order.discrepancies.filter(kind="still_pending")
        assert still.count() == (days > 3), (kind, fails)
    assert told == expected_events
    before = told.copy()
    reconcile_for(clock, orders, 5)
    assert told == before
    for (kind, _), (order, _) in sent.items():
        assert Operation.objects.filter(order=order, kind=kind).count() == 1


@pytest.mark.parametrize("days", DAYS)
def test_a_cancel_ends_when_nexi_says_so(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    told: Counter[tuple[str, int]],
    days: int,
) -> None:
    """Shown by hand: the simulator's cancels are done at once."""
    captures: dict[PaymentOrder, Operation] = {}
    cancels: dict[bool, Operation] = {}
    for fails in (False, True):
        order = shopper.pay(new_order(terminal="manual"))
        captures[order] = flows.capture(order, TWO)
        accept(gateway, "/cancels", f"x-{order.pk}")
        cancels[fails] = flows.cancel_capture(order)
    failing = cancels[True].order

    def shows(order: PaymentOrder, word: str) -> None:
        captured = captures[order].gateway_operation_id
        made = entry(order, "CAPTURE", "EXECUTED", 200, captured)
        cancel = entry(order, "CANCEL", word, 200, f"x-{order.pk}")
        cancel["cancelledOperationId"] = captured
        show(gateway, order, made, cancel, charge="AUTHORIZED")

    def shows_end(order: PaymentOrder) -> None:
        shows(order, "FAILED" if order == failing else "EXECUTED")

    told.clear()
    reconcile_for(clock, captures, days, lambda order: shows(order, "PENDING"))
    assert_all_wait(cancels.values())
    assert told == Counter()
    reconcile_for(clock, captures, 1.2, shows_end)
    for fails, cancel in cancels.items():
        cancel.refresh_from_db()
        order = PaymentOrder.objects.get(pk=cancel.order_id)
        if fails:
            assert cancel.outcome == OperationOutcome.DECLINED
            assert (order.state, order.captured_amount) == (OrderState.PAID, 200)
        else:
            assert cancel.outcome == OperationOutcome.DONE
            assert (order.state, order.captured_amount) == (OrderState.AUTHORIZED, 0)
            kinds = ("capture_cancelled", "authorized")
            assert told == Counter({(one, order.pk): 1 for one in kinds})


@pytest.mark.parametrize("days", DAYS)
def test_a_refund_of_a_refunded_order(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    told: Counter[tuple[str, int]],
    days: int,
) -> None:
    """All was refunded at Nexi while ours is PENDING. If it is executed, too, Nexi has
    refunded more than it captured: a person is told.
    """
    refunds: dict[PaymentOrder, Operation] = {}
    for _ in range(2):
        order = shopper.pay(new_order())
        accept(gateway, "/refunds", f"r-{order.pk}")
        refunds[order] = flows.refund(order, TWO)
    executed, failing = refunds

    def shows(order: PaymentOrder, word: str) -> None:
        ours = entry(order, "REFUND", word, 200, f"r-{order.pk}")
        theirs = entry(order, "REFUND", "REFUNDED", 1250, f"s-{order.pk}")
        show(gateway, order, ours, theirs)

    def shows_end(order: PaymentOrder) -> None:
        shows(order, "FAILED" if order == failing else "REFUNDED")

    reconcile_for(clock, refunds, days, lambda order: shows(order, "PENDING"))
    assert_all_wait(refunds.values())
    for order in refunds:
        order.refresh_from_db()
        assert (order.refunded_amount, order.refunding_amount) == (1250, 200)
    told.clear()
    reconcile_for(clock, refunds, 1.2, shows_end)
    for order, refund in refunds.items():
        refund.refresh_from_db()
        order.refresh_from_db()
        assert order.refunding_amount == 0
    assert refunds[failing].outcome == OperationOutcome.DECLINED
    assert (failing.state, failing.refunded_amount) == (OrderState.REFUNDED, 1250)
    assert refunds[executed].outcome == OperationOutcome.DONE
    assert (executed.state, executed.refunded_amount) == (OrderState.REVIEW, 1450)
    assert told["refunded", executed.pk] == 1
    assert told["review", executed.pk] <= 1


@pytest.mark.parametrize("days", DAYS)
def test_a_refund_of_an_order_under_review(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    told: Counter[tuple[str, int]],
    days: int,
) -> None:
    sent = {
        fails: send("refund", shopper, gateway, days, fails=fails)
        for fails in (False, True)
    }
    orders, refunds = zip(*sent.values(), strict=True)
    for order in orders:
        discrepancies.record(order, "mismatch", "1250", "1251")
        assert transitions.transition(order, OrderState.REVIEW, reason=Reason.MISMATCH)
    told.clear()
    reconcile_for(clock, orders, days - 0.1)
    assert_all_wait(refunds)
    assert told == Counter()
    reconcile_for(clock, orders, 1.2)
    for fails, (order, refund) in sent.items():
        refund.refresh_from_db()
        order.refresh_from_db()
        assert order.refunded_amount == (0 if fails else 200)
        assert order.refunding_amount == 0
        expected = OperationOutcome.DECLINED if fails else OperationOutcome.DONE
        assert refund.outcome == expected
        assert told["refunded", order.pk] == (not fails)


def test_the_schedule_stays_within_a_day(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    order, _ = send("refund", shopper, gateway, 40, fails=False)
    first = reconcile_for(clock, [order], 1)
    assert 20 <= first <= 32  # hourly on the first day
    assert 36 <= reconcile_for(clock, [order], 38) <= 50  # daily afterwards


def test_a_gateway_that_does_not_answer_ends_no_watch(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    order, refund = send("refund", shopper, gateway, 5, fails=False)
    keys = gateway.api_keys
    gateway.api_keys = ()
    reconcile_for(clock, [order], 9)  # an outage, past the end of the watch
    refund.refresh_from_db()
    assert refund.outcome == OperationOutcome.ACCEPTED
    gateway.api_keys = keys
    clock.advance(HOUR)
    reconcile_for(clock, [order], 1.1)
    refund.refresh_from_db()
    order.refresh_from_db()
    assert (refund.outcome, order.refunded_amount) == (OperationOutcome.DONE, 200)
