"""Captures, voids, refunds and cancels that Nexi calls PENDING for days, and then ends.

Each inquiry here is one that the poll schedule makes: nobody asks by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
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
    order: PaymentOrder,
    days: float,
    before: Callable[[], None] = lambda: None,
) -> int:
    """Runs the reconciler whenever the order is due, for so many days; first calls
    ``before``. Returns how often. The schedule is never empty while something is on its
    way.
    """
    end = timezone.now().timestamp() + days * DAY
    count = 0
    while True:
        order.refresh_from_db()
        due = order.next_poll_at
        if order.operations.filter(outcome=OperationOutcome.ACCEPTED).exists():
            assert due is not None
            assert (due - timezone.now()).total_seconds() <= DAY + MINUTE
        if due is None or due.timestamp() > end:
            clock.advance(end - timezone.now().timestamp())
            return count
        clock.advance(max(0.0, (due - timezone.now()).total_seconds()) + 0.01)
        before()
        flows.reconcile()
        count += 1


def send(kind: str, shopper: Shopper, gateway: Simulator, days: float, *, fails: bool):
    """An order, and an operation of this kind that is PENDING for so many days."""
    order = new_order(terminal="default" if kind == "refund" else "manual")
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


#: kind → state, captured and refunded amount; the events of which the shop is told
ENDS = {
    ("capture", False): (("paid", 200, 0), ["paid"]),
    ("capture", True): (("authorized", 0, 0), []),
    ("refund", False): (("paid", 1250, 200), ["refunded"]),
    ("refund", True): (("paid", 1250, 0), []),
    ("void", False): (("voided", 0, 0), ["voided"]),
    ("void", True): (("authorized", 0, 0), []),
}


@pytest.mark.parametrize(
    ("kind", "fails", "days"),
    [
        (kind, fails, days)
        for kind, fails in ENDS
        for days in (DAYS if kind == "refund" else DAYS[:2])
    ],
)
def test_it_ends_when_nexi_says_so(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    told: Counter[tuple[str, int]],
    kind: str,
    fails: bool,
    days: int,
) -> None:
    order, operation = send(kind, shopper, gateway, days, fails=fails)
    told.clear()
    reconcile_for(clock, order, days - 0.1)
    operation.refresh_from_db()
    assert (operation.outcome, told) == (OperationOutcome.ACCEPTED, Counter())
    reconcile_for(clock, order, 1.2)
    operation.refresh_from_db()
    order.refresh_from_db()
    expected = OperationOutcome.DECLINED if fails else OperationOutcome.DONE
    assert operation.outcome == expected
    amounts, kinds = ENDS[kind, fails]
    assert (order.state, order.captured_amount, order.refunded_amount) == amounts
    assert (order.capturing_amount, order.refunding_amount) == (0, 0)
    assert told == Counter({(one, order.pk): 1 for one in kinds})
    still = order.discrepancies.filter(kind="still_pending")
    assert still.count() == (days > 3)
    before = told.copy()
    reconcile_for(clock, order, 5)
    assert told == before
    assert Operation.objects.filter(order=order, kind=kind).count() == 1


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_cancel_ends_when_nexi_says_so(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    told: Counter[tuple[str, int]],
    fails: bool,
    days: int,
) -> None:
    """Shown by hand: the simulator's cancels are done at once."""
    order = shopper.pay(new_order(terminal="manual"))
    capture = flows.capture(order, TWO)

    def shows(word: str) -> Callable[[], None]:
        made = entry(order, "CAPTURE", "EXECUTED", 200, capture.gateway_operation_id)
        cancel = entry(order, "CANCEL", word, 200, "x-1")
        cancel["cancelledOperationId"] = capture.gateway_operation_id
        return lambda: show(gateway, order, made, cancel, charge="AUTHORIZED")

    accept(gateway, "/cancels", "x-1")
    cancel = flows.cancel_capture(order)
    told.clear()
    reconcile_for(clock, order, days, shows("PENDING"))
    cancel.refresh_from_db()
    assert (cancel.outcome, told) == (OperationOutcome.ACCEPTED, Counter())
    reconcile_for(clock, order, 1.2, shows("FAILED" if fails else "EXECUTED"))
    cancel.refresh_from_db()
    order.refresh_from_db()
    if fails:
        assert (cancel.outcome, told) == (OperationOutcome.DECLINED, Counter())
        assert (order.state, order.captured_amount) == (OrderState.PAID, 200)
        return
    assert cancel.outcome == OperationOutcome.DONE
    assert (order.state, order.captured_amount) == (OrderState.AUTHORIZED, 0)
    kinds = ("capture_cancelled", "authorized")
    assert told == Counter({(one, order.pk): 1 for one in kinds})


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_refund_of_a_refunded_order(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    told: Counter[tuple[str, int]],
    fails: bool,
    days: int,
) -> None:
    """All was refunded at Nexi while ours is PENDING. If it is executed, too, Nexi has
    refunded more than it captured: a person is told.
    """
    order = shopper.pay(new_order())
    accept(gateway, "/refunds", "r-1")
    refund = flows.refund(order, TWO)

    def shows(word: str) -> Callable[[], None]:
        ours = entry(order, "REFUND", word, 200, "r-1")
        theirs = entry(order, "REFUND", "REFUNDED", 1250, "r-2")
        return lambda: show(gateway, order, ours, theirs)

    reconcile_for(clock, order, days, shows("PENDING"))
    refund.refresh_from_db()
    order.refresh_from_db()
    assert refund.outcome == OperationOutcome.ACCEPTED
    assert (order.refunded_amount, order.refunding_amount) == (1250, 200)
    told.clear()
    reconcile_for(clock, order, 1.2, shows("FAILED" if fails else "REFUNDED"))
    refund.refresh_from_db()
    order.refresh_from_db()
    assert order.refunding_amount == 0
    if fails:
        assert refund.outcome == OperationOutcome.DECLINED
        assert (order.state, order.refunded_amount) == (OrderState.REFUNDED, 1250)
    else:
        assert refund.outcome == OperationOutcome.DONE
        assert (order.state, order.refunded_amount) == (OrderState.REVIEW, 1450)
        assert told["refunded", order.pk] == 1
        assert told["review", order.pk] <= 1


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("fails", [False, True])
def test_a_refund_of_an_order_under_review(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    told: Counter[tuple[str, int]],
    fails: bool,
    days: int,
) -> None:
    order, refund = send("refund", shopper, gateway, days, fails=fails)
    discrepancies.record(order, "mismatch", "1250", "1251")
    assert transitions.transition(order, OrderState.REVIEW, reason=Reason.MISMATCH)
    told.clear()
    reconcile_for(clock, order, days - 0.1)
    refund.refresh_from_db()
    assert (refund.outcome, told) == (OperationOutcome.ACCEPTED, Counter())
    reconcile_for(clock, order, 1.2)
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
    first = reconcile_for(clock, order, 1)
    assert 20 <= first <= 32  # hourly on the first day
    assert 36 <= reconcile_for(clock, order, 38) <= 50  # daily afterwards


def test_a_gateway_that_does_not_answer_ends_no_watch(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    order, refund = send("refund", shopper, gateway, 5, fails=False)
    keys = gateway.api_keys
    gateway.api_keys = ()
    reconcile_for(clock, order, 9)  # an outage, past the end of the watch
    refund.refresh_from_db()
    assert refund.outcome == OperationOutcome.ACCEPTED
    gateway.api_keys = keys
    clock.advance(HOUR)
    reconcile_for(clock, order, 1.1)
    refund.refresh_from_db()
    order.refresh_from_db()
    assert (refund.outcome, order.refunded_amount) == (OperationOutcome.DONE, 200)
