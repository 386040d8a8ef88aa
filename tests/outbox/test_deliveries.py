"""Deliveries: an event that fails holds back its own order and no other."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from nexi_payments import delivery_workers, doctor, outbox
from nexi_payments.flows.ledger import discrepancies, transitions
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.signals import (
    discrepancy_found,
    payment_captured,
)
from tests.support.clerk import ORDERS_URL, PERMISSIONS, Clerk, follow_redirect
from tests.support.in_doubt import time_travel
from tests.support.outbox import (
    Shop,
    connected,
    new_orders,
    pks_by_order,
    write_due_events,
)

pytestmark = pytest.mark.django_db(transaction=True)


# -- one after the other ---------------------------------------------------------------


def test_events_behind_failing_ones_do_not_fill_a_window(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH_SIZE", 3)
    failing, well = new_orders(5), new_orders(2)
    write_due_events(failing, 4, timezone.now() - timedelta(minutes=1))
    events = write_due_events(well, 4)
    shop.errors = {order.pk: RuntimeError("closed") for order in failing}
    assert outbox.deliver_due() == 8
    assert shop.heard == pks_by_order(events)
    assert len(shop.calls) == 8 + 5  # the first of each failing order, once
    assert Event.objects.filter(deliver_at__isnull=False).count() == 20


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), BaseException()])
def test_whatever_a_receiver_raises_fails_its_event_only(
    shop: Shop, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    broken, well = new_orders(2)
    [event, _] = write_due_events([broken, well], 1)
    shop.errors = {broken.pk: error}
    assert outbox.deliver_due() == 1
    assert list(shop.heard) == [well.pk]
    event.refresh_from_db()
    assert (event.attempts, event.delivered_at) == (1, None)
    assert f"raised {type(error).__name__} for captured of order" in caplog.text
    shop.errors.clear()
    with time_travel(6):
        assert outbox.deliver_due() == 1


def test_ctrl_c_ends_the_process(shop: Shop) -> None:
    [order] = new_orders(1)
    [event] = write_due_events([order], 1)
    shop.errors = {order.pk: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        outbox.deliver_due()
    event.refresh_from_db()
    assert event.attempts == 0  # due again when the lease ends
    shop.errors.clear()
    with time_travel(31):
        assert outbox.deliver_due() == 1


def test_a_failure_after_the_lease_changes_nothing(shop: Shop) -> None:
    """Another process took the event over, and has delivered it."""
    [order] = new_orders(1)
    [event] = write_due_events([order], 1)
    assert outbox.lease(event)
    Event.objects.filter(pk=event.pk).update(deliver_at=None, attempts=1)
    shop.errors = {order.pk: RuntimeError("late")}
    assert not outbox.deliver(event)
    event.refresh_from_db()
    assert (event.deliver_at, event.attempts) == (None, 1)


class SlowReceiver:
    """It takes a second longer than the lease of an event."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.heard: list[int] = []

    def __call__(self, event: Event, **kwargs: Any) -> None:
        self.heard.append(event.pk)
        self.clock.shift(26)


def test_a_new_event_is_not_delivered_after_its_lease() -> None:
    """The receiver of the first event of a commit takes longer than the lease."""
    [order] = new_orders(1)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        slow = SlowReceiver(clock)
        with connected(payment_captured, slow):
            with transaction.atomic():
                for _ in range(2):
                    transitions.write_event(order, "captured", source="paid")
            first, second = Event.objects.order_by("pk")
            assert slow.heard == [first.pk]
            assert outbox.deliver_due() == 1
    assert slow.heard == [first.pk, second.pk]


def test_two_processes_do_not_lease_the_same_event() -> None:
    write_due_events(new_orders(1), 1)
    [mine] = outbox.due_events(timezone.now())
    [theirs] = outbox.due_events(timezone.now())
    assert outbox.lease(theirs)
    assert not outbox.lease(mine)


def in_this_thread() -> int:
    return outbox.deliver_due()


def in_threads() -> int:
    return delivery_workers.run_pass(lambda: None)[1]


@pytest.mark.parametrize("deliver", [in_this_thread, in_threads])
def test_an_event_that_another_process_took_meanwhile_is_left_to_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, deliver: Callable[[], int]
) -> None:
    monkeypatch.setattr(delivery_workers, "_SLOTS", 1)
    first, second = write_due_events(new_orders(2), 1)

    def take_second(sender: Any, event: Event, **kwargs: Any) -> None:
        assert event.pk == first.pk
        [theirs] = Event.objects.filter(pk=second.pk)
        assert outbox.lease(theirs)

    with connected(payment_captured, take_second):
        assert deliver() == 1
    assert dict(shop.calls) == {first.pk: 1}


def test_a_discrepancy_receiver_that_exits_is_logged(
    order: PaymentOrder, caplog: pytest.LogCaptureFixture
) -> None:
    def leave(sender: Any, **kwargs: Any) -> None:
        raise SystemExit

    with connected(discrepancy_found, leave):
        discrepancies.record(order, "mismatch", "1", "2")
    assert "raised for a discrepancy" in caplog.text


# -- what staff and operators see ------------------------------------------------------


def test_failing_events_and_those_behind_them_are_listed(shop: Shop) -> None:
    broken, other, well = new_orders(3)
    write_due_events([broken], 3)
    write_due_events([other, well], 1)
    shop.errors = {one.pk: RuntimeError("closed") for one in (broken, other)}
    assert outbox.deliver_due() == 1
    for _ in range(2):
        Event.objects.filter(order=other).update(deliver_at=timezone.now())
        outbox.deliver_due()
    write_due_events([well], 1)  # due, and never tried

    found = [
        (one.message, one.level, one.data)
        for one in doctor.diagnose(contact_gateways=False)
        if one.section == "signals"
    ]
    lines = [
        f"order {one.order_id}: captured, undelivered for 0 min, failed attempts:"
        f" {failed}, waiting behind it: {behind},"
        " tests.support.outbox.Shop.__call__: RuntimeError"
        for one, failed, behind in ((broken, 1, 2), (other, 3, 0))
    ]
    assert found == [
        ("failing signals: 2", doctor.WARNING, {"failing": 2, "waiting": 2}),
        *((line, doctor.WARNING, {}) for line in lines),
    ]

    clerk = Clerk(*PERMISSIONS)
    page = clerk.get_text(ORDERS_URL + "review-queue/")
    assert page.count("Tell it again") == 4
    assert (
        page.count("<code>tests.support.outbox.Shop.__call__: RuntimeError</code>") == 2
    )
    assert page.count("Waits for an earlier signal of this payment.") == 2
    assert well.order_id not in page
    # the last one of an order: those before it go first
    shop.errors.clear()
    last = Event.objects.filter(order=broken).latest("pk")
    answer = clerk.post(f"{ORDERS_URL}event/{last.pk}/resend/", back="review_queue")
    page = follow_redirect(clerk, answer)
    assert "Sent again, and every receiver took it." in page
    assert page.count("Tell it again") == 1
    assert shop.heard[broken.pk] == [
        one.pk for one in Event.objects.filter(order=broken)
    ]


def test_the_receiver_that_exits_is_named(shop: Shop) -> None:
    [order] = new_orders(1)
    [event] = write_due_events([order], 1)
    shop.errors = {order.pk: SystemExit(1)}
    assert outbox.deliver_due() == 0
    event.refresh_from_db()
    assert event.failed_receivers == "tests.support.outbox.Shop.__call__: SystemExit"


def test_all_failing_receivers_are_named(shop: Shop) -> None:
    def one(sender: Any, **kwargs: Any) -> None:
        raise KeyError

    def two(sender: Any, **kwargs: Any) -> None:
        raise ValueError

    [order] = new_orders(1)
    [event] = write_due_events([order], 1)
    with connected(payment_captured, one), connected(payment_captured, two):
        assert outbox.deliver_due() == 0
    assert list(shop.heard) == [order.pk]  # the others are called
    event.refresh_from_db()
    here = f"{__name__}.test_all_failing_receivers_are_named.<locals>"
    assert event.failed_receivers == f"{here}.one: KeyError, {here}.two: ValueError"


def test_an_event_that_no_process_delivers_is_listed(shop: Shop) -> None:
    [order] = new_orders(1)
    write_due_events([order], 2, timezone.now() - timedelta(minutes=5))
    page = Clerk(*PERMISSIONS).get_text(ORDERS_URL + "review-queue/")
    assert page.count("Not sent yet: does nexi_reconcile run?") == 1
    assert page.count("Waits for an earlier signal of this payment.") == 1
    assert page.count("Tell it again") == 2


def test_without_the_permission_nothing_is_sent_again(shop: Shop) -> None:
    [order] = new_orders(1)
    [event] = write_due_events([order], 1, timezone.now() - timedelta(minutes=5))
    clerk = Clerk("view_paymentorder")
    assert "Tell it again" not in clerk.get_text(ORDERS_URL + "review-queue/")
    path = f"{ORDERS_URL}event/{event.pk}/resend/"
    assert clerk.post(path).status_code == 403
    assert dict(shop.calls) == {}
    before = event.deliver_at
    event.refresh_from_db()
    assert (event.deliver_at, event.attempts) == (before, 0)


# -- sent again ------------------------------------------------------------------------


def redeliver(*order_ids: str) -> tuple[int, str]:
    out, code = io.StringIO(), 0
    try:
        call_command("nexi_redeliver", *order_ids, stdout=out)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    return code, out.getvalue().strip()


def test_blocked_signals_are_sent_again_by_command(shop: Shop) -> None:
    one, two, well = new_orders(3)
    events = write_due_events([one, two, well], 2)
    shop.errors = {order.pk: RuntimeError("closed") for order in (one, two)}
    assert outbox.deliver_due() == 2
    assert redeliver() == (1, "delivered=0 left=4")
    shop.errors.clear()
    assert redeliver(one.order_id) == (0, "delivered=2 left=0")
    assert list(shop.heard) == [well.pk, one.pk]
    assert redeliver() == (0, "delivered=2 left=0")
    assert shop.heard == pks_by_order(events)  # each payment's in order
    assert redeliver() == (0, "delivered=0 left=0")
    with pytest.raises(CommandError, match="no such payment: nobody"):
        redeliver("nobody", one.order_id)


@pytest.mark.usefixtures("impatient")
def test_a_person_does_not_wait_for_a_receiver_that_hangs(shop: Shop) -> None:
    stuck, other = new_orders(2)
    first, _, second, _ = write_due_events([stuck, other], 2)
    shop.hanging = {stuck.pk}
    assert not delivery_workers.redeliver(second)  # the first one goes first
    assert dict(shop.calls) == {first.pk: 1}  # and no other payment's
    first.refresh_from_db()
    assert (first.attempts, first.failed_receivers) == (
        1,
        "tests.support.outbox.Shop.__call__: has not returned",
    )
