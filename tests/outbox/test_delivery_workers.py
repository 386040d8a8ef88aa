"""Deliveries in threads: a receiver that hangs holds back its own order only."""

from __future__ import annotations

import io
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from nexi_payments import delivery_workers, flows, outbox
from nexi_payments.delivery_workers import DeliveryWorkers
from nexi_payments.enums import OrderState
from nexi_payments.flows.ledger import discrepancies
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.signals import (
    discrepancy_found,
    payment_failed,
    payment_paid,
)
from nexi_payments.simulator import Simulator
from tests.support.contracts import MONTHLY, Clock, make_contract
from tests.support.in_doubt import DAY
from tests.support.outbox import (
    Shop,
    connected,
    new_orders,
    pks_by_order,
    write_due_events,
)
from tests.support.shopper import Shopper, new_order
from tests.support.waiting import await_event

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]


def test_hanging_receivers_and_many_events_in_order(shop: Shop) -> None:
    """Scaled down from benchmarks/deliveries.py: 100 hang, 10,000 are delivered."""
    stuck, well = new_orders(10), new_orders(20)
    write_due_events(stuck, 3, timezone.now() - timedelta(minutes=1))
    events = write_due_events(well, 10)
    shop.hanging = {order.pk for order in stuck}
    with delivery_workers.watching() as workers:
        await_event(lambda: shop.total() == len(events))  # while ten hang
        await_event(lambda: len(shop.calls) == len(events) + len(stuck))
        assert workers.pop_delivered() <= len(events)
        assert shop.heard == pks_by_order(events)
        shop.release.set()
        await_event(lambda: shop.total() == len(events) + 3 * len(stuck))
    assert max(shop.calls.values()) == 1
    assert not Event.objects.filter(deliver_at__isnull=False).exists()
    assert threading.current_thread() not in shop.threads


@pytest.mark.usefixtures("impatient")
def test_a_pass_does_not_wait_for_a_receiver_that_hangs(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, well = new_orders(2)
    first, _, *_ = write_due_events([stuck, well], 2)
    shop.hanging = {stuck.pk}
    out = io.StringIO()
    call_command("nexi_reconcile", stdout=out)  # returns while it hangs
    assert " delivered=2 " in out.getvalue()
    [record] = [one for one in caplog.records if one.name == "nexi_payments.outbox"]
    name = "tests.support.outbox.Shop.__call__"
    text = f"receiver {name} of captured for order {stuck.order_id} hangs;"
    text += " next attempt in 5 s"
    assert (record.message, record.levelno) == (text, logging.ERROR)
    first.refresh_from_db()
    assert (first.attempts, first.delivered_at) == (1, None)
    assert first.failed_receivers == f"{name}: has not returned"
    assert first.deliver_at is not None
    assert first.deliver_at > timezone.now()
    shop.release.set()  # it returns after all, and was no failure
    await_event(lambda: Event.objects.filter(pk=first.pk, deliver_at=None).exists())
    assert shop.calls[first.pk] == 1


def test_an_email_does_not_wait_for_a_receiver_that_hangs(
    shopper: Shopper, change_settings: Any, mailoutbox: list[Any]
) -> None:
    change_settings(TOTAL_TIMEOUT=1, MAILS=["receipt"])
    release = threading.Event()

    def hang(sender: Any, **kwargs: Any) -> None:
        release.wait()

    order = shopper.pay(new_order(customer={"email": "giulia@example.com"}))
    mailoutbox.clear()
    paid = order.events.filter(kind="paid")
    paid.update(deliver_at=timezone.now(), emailed_at=None, attempts=0)
    with connected(payment_paid, hang):
        delivery_workers.run_pass(lambda: None)
        [mail] = mailoutbox
        assert mail.to == ["giulia@example.com"]
        assert paid.get().attempts == 1
        release.set()
        await_event(lambda: paid.get().deliver_at is None)
    assert len(mailoutbox) == 1


@pytest.mark.usefixtures("impatient")
def test_a_receiver_that_hangs_is_not_called_again_meanwhile(shop: Shop) -> None:
    [order] = new_orders(1)
    [event] = write_due_events([order], 1)
    shop.hanging = {order.pk}
    with delivery_workers.watching():
        await_event(lambda: Event.objects.get(pk=event.pk).attempts == 1)
        Event.objects.filter(pk=event.pk).update(deliver_at=timezone.now())
        await_event(lambda: Event.objects.get(pk=event.pk).attempts == 2)
        assert shop.calls[event.pk] == 1


@pytest.mark.usefixtures("impatient")
def test_a_later_pass_does_not_call_a_receiver_that_still_hangs(shop: Shop) -> None:
    """A Celery worker makes a pass a minute, in one process."""
    [stuck] = new_orders(1)
    [event] = write_due_events([stuck], 1)
    shop.hanging = {stuck.pk}
    for attempts in (1, 2, 3):
        delivery_workers.run_pass(lambda: None)
        event.refresh_from_db()
        assert event.attempts == attempts
        Event.objects.filter(pk=event.pk).update(deliver_at=timezone.now())
    assert dict(shop.calls) == {event.pk: 1}
    shop.release.set()
    await_event(lambda: Event.objects.filter(pk=event.pk, deliver_at=None).exists())


def test_a_pass_delivers_all_that_is_due(shop: Shop) -> None:
    """Also what becomes due while the last call of the first round returns."""
    events = write_due_events(new_orders(2), 40)
    assert delivery_workers.run_pass(lambda: None) == (None, len(events))
    assert shop.heard == pks_by_order(events)


def test_a_pass_that_fails_leaves_no_thread(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads() -> set[threading.Thread]:
        return {one for one in threading.enumerate() if one.name == "nexi-delivery"}

    before = threads()
    for _ in range(3):
        [event] = write_due_events(new_orders(1), 1)
        answers = iter([[event]])

        def due(until: Any, order_id: Any, answers: Any = answers) -> list[Event]:
            found: list[Event] | None = next(answers, None)
            if found is None:
                raise OperationalError("gone")
            return found

        with monkeypatch.context() as change:
            change.setattr(outbox, "due_events", due)
            with pytest.raises(OperationalError):
                delivery_workers.run_pass(lambda: None)
    await_event(lambda: threads() <= before)


def test_with_too_many_hanging_receivers_a_pass_still_ends(
    shop: Shop,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(delivery_workers, "_MAX_RUNNING", 2)
    orders = new_orders(4)
    write_due_events(orders, 1)
    shop.hanging = {order.pk for order in orders}
    _, delivered = delivery_workers.run_pass(lambda: None)
    assert (delivered, len(shop.calls)) == (0, 2)
    text = "2 receivers hang: this process delivers no more signals"
    assert [one.message for one in caplog.records if one.levelno == 50] == [text]


def test_the_reconciling_thread_calls_no_receiver(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(expires_in=0.001)
    heard: list[tuple[str, str]] = []

    def hear(sender: Any, **kwargs: Any) -> None:
        about = kwargs.get("order") or kwargs["discrepancy"]
        heard.append((str(about.pk), threading.current_thread().name))

    def work() -> None:
        flows.reconcile()
        row = discrepancies.record(order, "mismatch", "1", "2")
        assert heard == []
        assert row is None or row.pk

    time.sleep(0.01)
    with connected(payment_failed, hear), connected(discrepancy_found, hear):
        _, delivered = delivery_workers.run_pass(work)
    found = order.discrepancies.get()
    assert sorted(heard) == sorted(
        [(str(order.pk), "nexi-delivery"), (str(found.pk), "nexi-delivery")]
    )
    assert delivered == 1
    order.refresh_from_db()
    assert order.state == OrderState.FAILED


@pytest.mark.usefixtures("impatient")
def test_a_discrepancy_receiver_that_hangs_does_not_hold_a_pass(
    order: PaymentOrder,
) -> None:
    release = threading.Event()

    def hang(sender: Any, **kwargs: Any) -> None:
        release.wait()

    with connected(discrepancy_found, hang):
        started = time.monotonic()
        delivery_workers.run_pass(
            partial(discrepancies.record, order, "mismatch", "1", "2")
        )
        assert time.monotonic() - started < 5
        release.set()


def test_charges_that_are_due_are_delivered_by_threads(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    out = io.StringIO()
    call_command("nexi_charge_due", stdout=out)
    assert out.getvalue().startswith("charged=1 ")
    charge = PaymentOrder.objects.get(contract=contract, channel="mit")
    paid = charge.events.get(kind="paid")
    assert (paid.deliver_at, paid.attempts) == (None, 1)


def test_an_error_in_a_delivery_thread_is_logged(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    [order] = new_orders(1)
    write_due_events([order], 1)
    shop.errors = {order.pk: KeyboardInterrupt()}
    assert delivery_workers.run_pass(lambda: None) == (None, 0)
    assert "a delivery failed" in caplog.text


def test_the_loop_survives_its_database(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    [order] = new_orders(1)
    write_due_events([order], 1)
    find = outbox.due_events
    failures = [OperationalError("away")]

    def due_events(until: Any, order_id: Any) -> list[Event]:
        if failures:
            raise failures.pop()
        return find(until, order_id)

    monkeypatch.setattr(delivery_workers, "_ERROR_PAUSE", 0.01)
    monkeypatch.setattr(outbox, "due_events", due_events)
    with delivery_workers.watching():
        await_event(lambda: shop.total() == 1)
    assert "the delivery of signals failed" in caplog.text


def test_more_calls_at_once_than_threads_are_kept() -> None:
    workers = DeliveryWorkers()
    release = threading.Event()
    for _ in range(12):
        workers.submit(release.wait)
    names = [one.name for one in threading.enumerate()]
    assert names.count("nexi-delivery") >= 12
    release.set()
    workers.close(5)
    await_event(
        lambda: "nexi-delivery" not in {one.name for one in threading.enumerate()}
    )


def test_watching_is_not_held_by_a_receiver(demo_tables: Path, tmp_path: Path) -> None:
    """``nexi_reconcile --watch`` as a process, in a shop whose receiver hangs."""
    shutil.copy(demo_tables, tmp_path / "watch.sqlite3")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'watch.sqlite3'}",
        "NEXI_SIMULATOR_STATE": str(tmp_path / "simulator.sqlite3"),
        # an order expires after a sweep: ten "minutes" are half a second
        "NEXI_SETTLE_AFTER": "0.75",
    }
    # the second one expires in a later pass, while the first receiver hangs
    program = (
        "import sys, time\n"
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "from nexi_payments.signals import payment_failed\n"
        "def hang(sender, order, **kwargs):\n"
        "    print('hangs', order.reference, flush=True)\n"
        "    time.sleep(3600)\n"
        "payment_failed.connect(hang)\n"
        "from decimal import Decimal; from nexi_payments import flows\n"
        "for number in (1, 2):\n"
        "    flows.create_order(amount=Decimal('1'), currency='EUR',"
        " expires_in=2.5 * number - 2.49, reference=f'R-{number}')\n"
        "call_command('nexi_reconcile', '--watch', '--interval', '0.2')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert sum(" failed=1 " in line for line in lines) == 2
    assert [line for line in lines if line.startswith("hangs")] == [
        "hangs R-1\n",
        "hangs R-2\n",
    ]
    process.terminate()
    assert process.wait(timeout=20) == 0
    process.stdout.close()
