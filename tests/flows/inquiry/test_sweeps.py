"""Sweeps of Nexi's list: when, over which time, and what waits for them."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.enums import OrderState
from nexi_payments.flows.inquiry import listing, query, sweeps, windows
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.gateway.client import Client
from nexi_payments.models import Discrepancy, Operation, PaymentOrder
from nexi_payments.models.bookkeeping import SweepCursor, TerminalOutage
from nexi_payments.simulator import Reply, Simulator
from tests.support.backups import Backup, forget
from tests.support.contracts import MONTHLY, Clock, make_contract
from tests.support.in_doubt import DAY, HOUR, MINUTE, state_and_amounts
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

search = sweeps.search  # the gateway fixture has another in its place
LIST = "GET /orders"


@pytest.fixture(autouse=True)
def one_terminal(
    change_settings: Any, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_settings(TERMINALS={"default": {"ENVIRONMENT": "simulator"}})
    monkeypatch.setattr(sweeps, "search", search)


def test_a_charge_that_we_do_not_know_comes_back(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    known = shopper.pay(new_order())
    lost = shopper.pay(new_order(reference="R-7"))
    declined = shopper.pay(new_order(), "declined")
    forget(lost)
    forget(declined)
    counts = flows.reconcile()
    assert (counts.orphans, counts.inquired, counts.review) == (1, 1, 0)
    order = PaymentOrder.objects.exclude(pk=known.pk).get()
    assert (order.order_id, order.state, order.captured_amount, order.reference) == (
        lost.order_id,
        OrderState.REVIEW,
        1250,
        "R-7",
    )
    record = Discrepancy.objects.get()
    assert (record.kind, record.order) == ("unknown_charge", order)
    clock.advance(HOUR)
    assert flows.reconcile().orphans == 0
    assert Discrepancy.objects.count() == 1


def test_orders_of_others_are_none_of_ours(
    shopper: Shopper, gateway: Simulator, settings: Any
) -> None:
    forget(shopper.pay(new_order()))
    settings.SECRET_KEY = "another installation"
    assert sweeps.sweep() == 0
    assert PaymentOrder.objects.count() == 0


def test_every_ten_minutes_once(gateway: Simulator, clock: Clock) -> None:
    for wait, calls in ((0, 1), (9 * MINUTE, 1), (2 * MINUTE, 2), (0, 2)):
        clock.advance(wait)
        sweeps.sweep()
        assert gateway.counts[LIST] == calls


def test_windows_overlap_and_lack_nothing(
    gateway: Simulator, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = spy_on_windows(monkeypatch)
    first = timezone.now()
    sweeps.sweep()
    clock.advance(3 * DAY)
    sweeps.sweep()
    (one, _), (two, end) = asked
    assert abs(one - (first - timedelta(days=1))) < timedelta(seconds=5)
    assert abs(two - (first - timedelta(hours=2))) < timedelta(seconds=5)
    assert end >= timezone.now() - timedelta(seconds=5)
    # more than Nexi answers at once, without a gap
    asked.clear()
    clock.advance(70 * DAY)
    sweeps.sweep()
    asked.sort()
    assert [end - start <= timedelta(days=30) for start, end in asked] == [True] * 3
    assert [one[1] for one in asked[:-1]] == [one[0] for one in asked[1:]]


def spy_on_windows(monkeypatch: pytest.MonkeyPatch) -> list[tuple[datetime, datetime]]:
    asked: list[tuple[datetime, datetime]] = []
    real = Client.orders

    def spy(self: Client, trace: Any, **window: Any) -> Any:
        asked.append((window["since"], window["until"]))
        return real(self, trace, **window)

    monkeypatch.setattr(Client, "orders", spy)
    return asked


def test_a_full_page_is_asked_for_in_halves(
    shopper: Shopper, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shopper.pay(new_order())
    clock.advance(3000)
    second = shopper.pay(new_order())
    for order in (first, second):
        forget(order)
    monkeypatch.setattr(windows, "PAGE_SIZE", 2)
    asked = spy_on_windows(monkeypatch)
    terminal = conf.current().terminal("default")
    now = timezone.now()
    found = [
        one.listed.order_id
        for one in listing.find_differences(terminal, now - timedelta(days=1))
    ]
    assert sorted(found) == sorted([first.order_id, second.order_id])
    assert len(asked) > 1
    assert list(listing.find_differences(terminal, now, now)) == []


def test_a_gateway_that_does_not_answer_is_swept_again(
    shopper: Shopper, gateway: Simulator
) -> None:
    forget(shopper.pay(new_order()))
    gateway.next_reply(LIST.split()[1], Reply(503))
    assert sweeps.sweep() == 0
    assert SweepCursor.objects.get().swept_at is None
    assert sweeps.sweep() == 1
    assert SweepCursor.objects.get().swept_at is not None


@pytest.mark.parametrize("settle_after", [900, 90])
def test_one_worker_sweeps_and_a_dead_one_delays_one_sweep(
    gateway: Simulator,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    change_settings: Any,
    settle_after: int,
) -> None:
    change_settings(SETTLE_AFTER=settle_after)
    terminal = conf.current().terminal("default")

    def killed(*args: Any) -> int:
        # another worker comes along while this one sweeps
        assert sweeps.sweep_terminal(terminal) is None
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "search", killed)
    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep()
    monkeypatch.setattr(sweeps, "search", search)
    clock.advance(0.009 * settle_after * MINUTE)
    assert not sweeps.is_fresh(terminal)
    clock.advance(0.003 * settle_after * MINUTE)
    assert sweeps.is_fresh(terminal)
    assert gateway.counts[LIST] == 1


def test_a_broken_row_does_not_block_the_others(
    shopper: Shopper, caplog: pytest.LogCaptureFixture
) -> None:
    broken, order = new_order(), new_order()
    backup = Backup.take()
    for one in (broken, order):
        shopper.pay(one)
    backup.restore()
    PaymentOrder.objects.filter(pk=broken.pk).update(channel="pigeon")
    counts = flows.reconcile()
    assert (counts.orphans, counts.paid) == (2, 1)
    assert state_and_amounts(order)[0] == OrderState.PAID
    assert ("nexi_payments.sweeps", logging.ERROR, f"order {broken.order_id}") in (
        caplog.record_tuples
    )


# -- what waits for a sweep ------------------------------------------------------------


def test_an_order_that_was_paid_after_the_backup_does_not_expire(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    order = new_order(reference="R-1")
    flows.reconcile()
    backup = Backup.take()
    shopper.pay(order)
    backup.restore()
    clock.advance(31 * MINUTE)
    gateway.next_reply(LIST.split()[1], Reply(503))
    assert flows.reconcile().failed == 0
    assert state_and_amounts(order)[0] == OrderState.INIT
    clock.advance(MINUTE)
    counts = flows.reconcile()
    assert (counts.orphans, counts.paid, counts.failed) == (1, 1, 0)
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    assert not Discrepancy.objects.exists()


def test_an_order_that_is_pending_after_the_backup_does_not_expire(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    order = new_order()
    flows.reconcile()
    backup = Backup.take()
    gateway.state.pending_seconds = 10 * HOUR
    shopper.pay(order, "pending_then_paid")
    backup.restore()
    clock.advance(31 * MINUTE)
    counts = flows.reconcile()
    assert (counts.orphans, counts.failed) == (1, 0)
    assert state_and_amounts(order)[0] == OrderState.PAYING
    clock.advance(10 * HOUR)
    assert flows.reconcile(order).paid == 1


def test_an_order_never_paid_costs_no_call_of_its_own(
    gateway: Simulator, clock: Clock
) -> None:
    orders = [new_order() for _ in range(5)]
    clock.advance(31 * MINUTE)
    assert flows.reconcile().failed == 5
    assert gateway.counts == {LIST: 1}
    assert {one.state for one in PaymentOrder.objects.all()} == {OrderState.FAILED}
    assert not Operation.objects.filter(order__in=orders).exists()


def test_an_order_waits_for_the_sweep_after_its_end(
    gateway: Simulator, clock: Clock
) -> None:
    order = new_order()
    clock.advance(29 * MINUTE)
    flows.reconcile()
    clock.advance(2 * MINUTE)
    assert flows.reconcile().failed == 0
    order.refresh_from_db()
    swept_at = SweepCursor.objects.get().swept_at
    assert swept_at is not None
    assert (order.state, order.next_poll_at) == (
        OrderState.INIT,
        swept_at + timedelta(minutes=10),
    )
    clock.advance(8 * MINUTE)
    assert flows.reconcile().failed == 1


def test_a_person_who_asks_does_not_wait(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    unpaid, order = new_order(), new_order()
    backup = Backup.take()
    shopper.pay(order)
    backup.restore()
    clock.advance(31 * MINUTE)
    gateway.next_reply("/orders/", Reply(503))
    assert flows.reconcile(unpaid).unanswered == 1
    assert state_and_amounts(unpaid)[0] == OrderState.INIT
    assert flows.reconcile(unpaid).failed == 1
    assert flows.reconcile(order).paid == 1
    assert gateway.counts[LIST] == 0


def test_a_person_who_asks_fails_nothing_that_nexi_is_deciding(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    order, refused = new_order(), new_order()
    backup = Backup.take()
    gateway.state.pending_seconds = 10 * HOUR
    shopper.pay(order, "pending_then_paid")
    shopper.pay(refused, "declined")
    backup.restore()
    clock.advance(31 * MINUTE)
    assert flows.reconcile(order).failed == 0
    assert state_and_amounts(order)[0] == OrderState.PAYING
    assert flows.reconcile(refused).failed == 1
    refused.refresh_from_db()
    assert (refused.state, refused.reason) == (OrderState.FAILED, "declined")
    clock.advance(10 * HOUR)
    assert flows.reconcile(order).paid == 1


@pytest.mark.parametrize("paid", [True, False])
def test_a_person_who_asks_does_not_touch_what_a_shopper_began_meanwhile(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    paid: bool,
) -> None:
    order = new_order()
    clock.advance(31 * MINUTE)
    asked = PaymentOrder.objects.get(pk=order.pk)
    find_at_nexi = query.find_at_nexi

    def begun_meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(query, "find_at_nexi", find_at_nexi)
        expires_at = timezone.now() + timedelta(minutes=30)  # the shop prolonged it
        PaymentOrder.objects.update(expires_at=expires_at)
        shopper.pay(order) if paid else shopper.start(order)
        return find_at_nexi(*args)

    monkeypatch.setattr(query, "find_at_nexi", begun_meanwhile)
    assert flows.reconcile(asked).failed == 0
    order.refresh_from_db()
    assert order.state == (OrderState.PAID if paid else OrderState.AWAITING_3DS)
    assert not order.operations.filter(outcome="in_doubt").exists()


def test_an_init_whose_answer_was_lost_and_that_nexi_charged_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    """Our database says that 3-D Secure was begun: this is no backup."""
    order = new_order()
    backup = Backup.take()
    shopper.pay(order)
    backup.restore()
    Operation.objects.create(
        order=order,
        kind="authentication",
        unsettled_order_id=order.pk,
        correlation_id="",
        created_at=timezone.now(),
        sent_at=timezone.now(),
    )
    flows.reconcile()
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, "unexpected_charge")


def test_due_charges_wait_for_a_sweep(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + MINUTE)
    gateway.next_reply(LIST.split()[1], Reply(503))
    assert flows.charge_due() == flows.RecurringCounts(skipped=1)
    assert gateway.counts["POST /orders/mit"] == 0
    assert (
        "nexi_payments.recurring",
        logging.WARNING,
        "terminal default: 1 due charges wait for a sweep",
    ) in caplog.record_tuples
    contract.refresh_from_db()
    assert contract.next_charge_at is not None
    wait = contract.next_charge_at - timezone.now()
    assert timedelta(0) < wait <= timedelta(seconds=30)
    clock.advance(MINUTE)
    # alone, without a reconciler: it sweeps
    assert flows.charge_due() == flows.RecurringCounts(charged=1)
    assert gateway.counts["POST /orders/mit"] == 1


def test_a_failed_sweep_within_the_hour_holds_back_nothing(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY - 30 * MINUTE)
    sweeps.sweep()
    clock.advance(31 * MINUTE)
    gateway.next_reply(LIST.split()[1], Reply(503))
    assert flows.charge_due() == flows.RecurringCounts(charged=1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_is_an_outage(gateway: Simulator, status: int) -> None:
    gateway.next_reply("/orders", Reply(status))
    assert sweeps.sweep() == 0
    assert not TerminalOutage.objects.exists()  # only this request was rejected
    terminal_outages.accepted_probes.clear()
    gateway.api_keys = ()
    assert sweeps.sweep() == 0
    outage = TerminalOutage.objects.get()
    assert (outage.terminal, outage.status) == ("default", 401)
