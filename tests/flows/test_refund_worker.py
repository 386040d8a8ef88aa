"""The worker of queued refunds: looks first, sends once, waits, gives up aloud."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.flows import refund_worker
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import Discrepancy, Event, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.signals import payment_refunded, refund_failed
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    HOUR,
    MINUTE,
    reconcile_after,
    state_and_amounts,
    time_travel,
)
from tests.support.queued_refunds import (
    DUE,
    enqueue_and_die,
    enqueue_void,
    queue_of,
    refund_at_nexi,
    refund_calls,
    sent_amounts,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


@pytest.fixture
def told() -> Iterator[list[tuple[str, str, int]]]:
    """Event, reason and amount of each refund that was confirmed or given up."""
    found: list[tuple[str, str, int]] = []

    def hear(order: PaymentOrder, event: Event, **kwargs: Any) -> None:
        row = event.queued_refund if event.kind == "refund_failed" else event.operation
        found.append((event.kind, event.reason, row.amount))  # type: ignore[union-attr, arg-type]

    for signal in (payment_refunded, refund_failed):
        signal.connect(hear)
    yield found
    for signal in (payment_refunded, refund_failed):
        signal.disconnect(hear)


def open_discrepancies(order: PaymentOrder) -> list[tuple[str, str, str]]:
    rows = order.discrepancies.filter(resolved_at=None).order_by("pk")
    return list(rows.values_list("kind", "ours", "theirs"))


# -- the inquiry before it -----------------------------------------------------------


def test_it_looks_before_it_sends(paid: PaymentOrder, gateway: Simulator) -> None:
    enqueue_and_die(paid, "5.00")
    before = len(gateway.calls)
    reconcile_after(DUE)
    asked = [(call.method, call.path.split("/")[-1]) for call in gateway.calls]
    assert asked[before:] == [
        ("GET", paid.order_id),
        ("POST", "refunds"),
        ("GET", paid.order_id),
    ]


def test_what_was_refunded_at_nexi_meanwhile_is_not_refunded_again(
    paid: PaymentOrder, gateway: Simulator, told: list[Any]
) -> None:
    enqueue_and_die(paid, "12.00", key="return 17")
    refund_at_nexi(paid, 1250)
    before = len(refund_calls(gateway))
    counts = reconcile_after(DUE)
    assert (counts.refunds_sent, counts.refunds_given_up) == (0, 1)
    assert len(refund_calls(gateway)) == before
    paid.refresh_from_db()
    assert state_and_amounts(paid) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert (paid.queued_amount, queue_of(paid)) == (0, [("given_up", 1200)])
    assert told == [
        ("refunded", "", 1250),
        ("refund_failed", "not_possible", 1200),
    ]
    assert open_discrepancies(paid) == [
        ("refund_failed", "refund 1200", "refund 1200 not_possible")
    ]
    assert reconcile_after(HOUR).refunds_given_up == 0


def test_what_is_more_than_is_left_is_given_up(
    paid: PaymentOrder, gateway: Simulator, told: list[Any]
) -> None:
    enqueue_and_die(paid, "4.00")
    enqueue_and_die(paid, "6.00")
    refund_at_nexi(paid, 500)
    reconcile_after(DUE)
    assert queue_of(paid) == [("sent", 400), ("given_up", 600)]
    assert told[1:] == [
        ("refunded", "", 400),
        ("refund_failed", "nothing_left", 600),
    ]
    paid.refresh_from_db()
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 900, 0)
    assert (paid.queued_amount, flows.available(paid).refund) == (0, 350)


def test_while_a_refund_at_nexi_may_still_fail_it_waits(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    enqueue_and_die(order, "10.00")
    refund_at_nexi(order, 500)
    before = len(refund_calls(gateway))
    assert reconcile_after(DUE).refunds_given_up == 0
    row = order.queued_refunds.get()
    assert (row.state, row.error, row.attempts) == ("queued", "OrderBusy", 1)
    assert len(refund_calls(gateway)) == before


# -- it waits ------------------------------------------------------------------------


def test_while_nexi_does_not_answer_it_waits_longer_and_longer(
    paid: PaymentOrder, gateway: Simulator, told: list[Any]
) -> None:
    with time_travel(0) as traveller:
        row = enqueue_and_die(paid, "5.00")
        pauses = []
        for _ in range(6):
            row.refresh_from_db()
            assert row.next_attempt_at is not None
            traveller.move_to(row.next_attempt_at + timedelta(milliseconds=1))
            gateway.next_reply(f"/orders/{paid.order_id}", Reply(500))
            started = timezone.now()
            assert flows.reconcile().refunds_sent == 0
            row.refresh_from_db()
            assert row.next_attempt_at is not None
            pauses.append(round((row.next_attempt_at - started) / timedelta(minutes=1)))
        assert pauses == [1, 2, 5, 15, 60, 60]
        assert (row.error, row.attempts) == ("GatewayUnavailable", 6)
        assert (refund_calls(gateway), told) == ([], [])
        traveller.shift(HOUR + 1)
        assert flows.reconcile().refunds_sent == 1
    assert (sent_amounts(paid, gateway), told) == ([500], [("refunded", "", 500)])


def test_what_was_not_sent_is_queued_again(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """No byte has left: another operation may follow."""
    row = enqueue_and_die(paid, "5.00")
    gateway.next_reply("/refunds", Reply(0, fault="refused"))
    counts = reconcile_after(DUE)
    assert counts.refunds_sent == 0
    first = paid.operations.get(kind="refund")
    assert first.outcome == OperationOutcome.NOT_SENT
    row.refresh_from_db()
    paid.refresh_from_db()
    assert (row.state, row.operation, row.error) == ("queued", None, "NotSent")
    assert (paid.queued_amount, paid.refunding_amount) == (500, 0)
    assert reconcile_after(DUE + MINUTE + 1).refunds_sent == 1
    second = paid.operations.filter(kind="refund").last()
    assert second is not None
    assert (second.outcome, second.idempotency_key) == ("done", first.idempotency_key)
    row.refresh_from_db()
    paid.refresh_from_db()
    assert (row.state, row.operation, paid.refunded_amount) == ("sent", second, 500)


def test_during_an_outage_nothing_is_asked(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    row = enqueue_and_die(paid, "5.00")
    outage = TerminalOutage.objects.create(
        terminal=paid.terminal, since=timezone.now(), status=401
    )
    before = len(gateway.calls)
    with time_travel(DUE):
        assert refund_worker.send_due() == (0, 0)
    row.refresh_from_db()
    assert (row.state, row.error) == ("queued", "TerminalUnavailable")
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - timezone.now() < timedelta(seconds=DUE + MINUTE)
    assert len(gateway.calls) == before
    outage.delete()
    assert reconcile_after(DUE + MINUTE + 1).refunds_sent == 1


def test_a_terminal_that_is_not_in_the_settings_is_named(
    paid: PaymentOrder,
    gateway: Simulator,
    change_settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    row = enqueue_and_die(paid, "5.00")
    PaymentOrder.objects.filter(pk=paid.pk).update(terminal="gone")
    with caplog.at_level(logging.CRITICAL), time_travel(DUE):
        assert refund_worker.send_due() == (0, 0)
    assert "terminal gone is not in the settings: 1 queued refunds" in caplog.text
    row.refresh_from_db()
    assert (row.state, row.error) == ("queued", "TerminalNotConfigured")
    assert refund_calls(gateway) == []


def test_a_busy_payment_is_waited_for(paid: PaymentOrder, gateway: Simulator) -> None:
    """A refund in doubt holds the payment's only place for an operation."""
    gateway.next_reply("/refunds", Reply(0, fault="cut"))
    assert flows.refund(paid, Decimal("1.00")).outcome == OperationOutcome.IN_DOUBT
    row = enqueue_and_die(paid, "5.00")
    reconcile_after(DUE)
    row.refresh_from_db()
    assert (row.state, row.error) == ("queued", "OrderBusy")
    assert len(refund_calls(gateway)) == 1


# -- after the request ---------------------------------------------------------------


def test_a_lost_answer_is_watched_and_never_queued_again(
    paid: PaymentOrder, gateway: Simulator, told: list[Any]
) -> None:
    row = enqueue_and_die(paid, "5.00")
    gateway.next_reply("/refunds", Reply(0, fault="cut"))
    assert reconcile_after(DUE).refunds_sent == 1
    row.refresh_from_db()
    assert row.operation is not None
    assert (row.state, row.operation.outcome) == ("sent", "in_doubt")
    for minutes in range(1, 30):
        reconcile_after(minutes * MINUTE)
    row.refresh_from_db()
    assert row.operation is not None
    assert (row.state, row.operation.outcome) == ("sent", "done")
    assert paid.operations.filter(kind="refund").count() == 1
    paid.refresh_from_db()
    assert (paid.refunded_amount, told) == (500, [("refunded", "", 500)])


def test_what_nexi_rejects_is_given_up(
    paid: PaymentOrder, gateway: Simulator, told: list[Any]
) -> None:
    row = enqueue_and_die(paid, "5.00")
    gateway.fail_next("/refunds", status=400, body=b'{"errors": []}')
    reconcile_after(DUE)
    for minutes in range(1, 20):
        reconcile_after(minutes * MINUTE)
    row.refresh_from_db()
    assert row.operation is not None
    assert (row.state, row.failure) == ("given_up", "rejected")
    assert row.operation.outcome == OperationOutcome.REJECTED
    event = paid.events.get(kind="refund_failed")
    assert (event.operation, event.queued_refund) == (row.operation, row)
    assert told == [("refund_failed", "rejected", 500)]
    assert open_discrepancies(paid) == [
        ("refund_failed", "refund 500", "refund 500 rejected")
    ]
    paid.refresh_from_db()
    assert (paid.queued_amount, flows.available(paid).refund) == (0, 1250)
    assert len(refund_calls(gateway)) == 1


def test_what_is_executed_after_all_was_sent(
    paid: PaymentOrder, gateway: Simulator, told: list[Any]
) -> None:
    row = enqueue_and_die(paid, "5.00")
    handle = gateway.handle
    held: list[Any] = []

    def holding(method: str, url: str, *rest: Any) -> Reply:
        if not url.endswith("/refunds"):
            return handle(method, url, *rest)
        held.append((method, url, *rest))
        return Reply(400, b'{"errors": []}')

    gateway.handle = holding  # type: ignore[method-assign]
    reconcile_after(DUE)
    for minutes in range(1, 20):
        reconcile_after(minutes * MINUTE)
    row.refresh_from_db()
    assert row.state == "given_up"
    handle(*held[0])  # Nexi executes it late
    for hours in range(1, 80, 4):
        reconcile_after(hours * HOUR)
    row.refresh_from_db()
    paid.refresh_from_db()
    assert (row.state, row.failure, paid.refunded_amount) == ("sent", "", 500)
    assert told[-1] == ("refunded", "", 500)
    kinds = [kind for kind, _ours, _theirs in open_discrepancies(paid)]
    assert kinds == ["refund_failed", "late_execution"]
    assert len(held) == 1


def test_a_void_that_was_captured_meanwhile_is_given_up(
    shopper: Shopper, gateway: Simulator, told: list[Any]
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    enqueue_void(order)
    client = conf.client(conf.current().terminal(order.terminal))
    part = OperationAmount(1250, "EUR", "back-office")
    client.capture(order.gateway_operation_id, part, conf.call_context())
    reconcile_after(DUE)
    order.refresh_from_db()
    assert (queue_of(order), refund_calls(gateway)) == ([("given_up", 1250)], [])
    assert told == [("refund_failed", "not_possible", 1250)]
    assert flows.available(order).refund == 1250


# -- the attempt after the commit ----------------------------------------------------


def test_after_the_commit_a_failure_is_left_to_the_worker(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply(f"/orders/{paid.order_id}", Reply(500))
    row = flows.enqueue_refund(paid, Decimal("5.00"))
    row.refresh_from_db()
    assert (row.state, row.error, row.attempts) == ("queued", "GatewayUnavailable", 1)
    assert reconcile_after(MINUTE + 1).refunds_sent == 1
    assert sent_amounts(paid, gateway) == [500]


def test_a_long_transaction_leaves_it_to_the_worker(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    with time_travel(0) as traveller, transaction.atomic():
        flows.enqueue_refund(paid, Decimal("5.00"))
        traveller.shift(9)
    assert (queue_of(paid), refund_calls(gateway)) == ([("queued", 500)], [])
    assert reconcile_after(2 * DUE).refunds_sent == 1


def test_an_error_that_nobody_expects_ends_neither_the_pass_nor_the_refund(
    paid: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    other = shopper.pay(new_order(reference="R-2"))
    broken, good = enqueue_and_die(paid, "5.00"), enqueue_and_die(other, "1.00")
    handle = gateway.handle

    def failing(method: str, url: str, *rest: Any) -> Reply:
        if method == "GET" and url.endswith(paid.order_id):
            raise RuntimeError("a defect of ours")
        return handle(method, url, *rest)

    gateway.handle = failing  # type: ignore[method-assign]
    assert reconcile_after(DUE).refunds_sent == 1
    for row in (broken, good):
        row.refresh_from_db()
    assert (broken.state, broken.attempts, good.state) == ("queued", 1, "sent")
    assert Discrepancy.objects.count() == 0
