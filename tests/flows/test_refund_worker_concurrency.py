"""Workers, requests and people at once, and a restore: a queued refund is sent once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import conf, flows
from nexi_payments.exceptions import (
    ExceedsRemaining,
    InvalidState,
    OrderBusy,
    RefundKeyInUse,
)
from nexi_payments.flows import refund_worker
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import PaymentOrder, QueuedRefund
from nexi_payments.simulator import Simulator
from tests.flows.test_refund_worker import open_discrepancies, paid
from tests.support.concurrency import run_concurrently
from tests.support.in_doubt import MINUTE, reconcile_after, time_travel
from tests.support.queued_refunds import (
    DUE,
    enqueue_and_die,
    queue_of,
    refund_calls,
    sent_amounts,
)
from tests.support.shopper import Shopper, new_order

assert paid  # the fixture

pytestmark = pytest.mark.django_db(transaction=True)


def test_eight_workers_send_once(paid: PaymentOrder, gateway: Simulator) -> None:
    enqueue_and_die(paid, "5.00")
    with time_travel(DUE):
        run_concurrently(8, lambda n: refund_worker.send_due())
    assert (sent_amounts(paid, gateway), queue_of(paid)) == ([500], [("sent", 500)])


def test_eight_that_ignore_the_lease_send_once(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """A worker whose lease is over, beside its successor."""
    pk = enqueue_and_die(paid, "5.00").pk
    run_concurrently(8, lambda n: refund_worker.send(QueuedRefund.objects.get(pk=pk)))
    assert (sent_amounts(paid, gateway), queue_of(paid)) == ([500], [("sent", 500)])


def test_many_queue_more_than_there_is(paid: PaymentOrder, gateway: Simulator) -> None:
    def enqueue(n: int) -> QueuedRefund:
        order = PaymentOrder.objects.get(pk=paid.pk)
        return enqueue_and_die(order, "4.00")

    got = run_concurrently(8, enqueue, (ExceedsRemaining, OrderBusy))
    done = [one for one in got if isinstance(one, QueuedRefund)]
    paid.refresh_from_db()
    assert 1 <= len(done) <= 3, got
    assert paid.queued_amount == 400 * len(done)
    for _ in range(3):
        reconcile_after(DUE + 2 * MINUTE)
    assert sent_amounts(paid, gateway) == [400] * len(done)


def test_one_key_at_once_is_one_refund(paid: PaymentOrder, gateway: Simulator) -> None:
    def enqueue(n: int) -> int:
        order = PaymentOrder.objects.get(pk=paid.pk)
        return enqueue_and_die(order, "4.00", key="return 17").pk

    got = run_concurrently(8, enqueue, (OrderBusy,))
    assert len({one for one in got if one is not OrderBusy}) == 1
    assert queue_of(paid) == [("queued", 400)]


def test_one_key_at_once_for_two_payments(
    paid: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    other = shopper.pay(new_order(reference="R-2"))

    def enqueue(n: int) -> int:
        order = PaymentOrder.objects.get(pk=(paid, other)[n % 2].pk)
        return enqueue_and_die(order, "4.00", key="return 17").order_id

    got = run_concurrently(8, enqueue, (OrderBusy, RefundKeyInUse))
    assert len({one for one in got if isinstance(one, int)}) == 1, got
    assert queue_of(paid) + queue_of(other) == [("queued", 400)]
    for order in (paid, other):
        order.refresh_from_db()
        assert order.queued_amount == 400 * len(queue_of(order))


def test_refunds_and_queued_refunds_at_once(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    def act(n: int) -> Any:
        order = PaymentOrder.objects.get(pk=paid.pk)
        verb = flows.enqueue_refund if n % 2 else flows.refund
        return verb(order, Decimal("3.00"))

    refusals = (ExceedsRemaining, InvalidState, OrderBusy)
    run_concurrently(10, act, refusals)
    for minutes in range(1, 5):
        reconcile_after(DUE + minutes * MINUTE)
    paid.refresh_from_db()
    amounts = sent_amounts(paid, gateway)
    assert set(amounts) == {300}
    assert len(amounts) <= 4
    assert paid.refunded_amount == 300 * len(amounts)
    assert (paid.queued_amount, paid.refunding_amount) == (0, 0)
    assert {state for state, _amount in queue_of(paid)} <= {"sent"}


def test_the_worker_and_a_person_who_withdraws(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    pk = enqueue_and_die(paid, "5.00").pk

    def act(n: int) -> Any:
        row = QueuedRefund.objects.get(pk=pk)
        return flows.withdraw_refund(row) if n % 2 else refund_worker.send(row)

    run_concurrently(6, act, (InvalidState,))
    (state, amount), sent = queue_of(paid)[0], len(refund_calls(gateway))
    assert (state, amount, sent) in (("sent", 500, 1), ("withdrawn", 500, 0))


def test_after_a_restore_nexi_executes_it_once(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """The backup has the row as queued, and Nexi has executed it since: the operation
    has the key of then."""
    row = enqueue_and_die(paid, "5.00")
    client = conf.client(conf.current().terminal(paid.terminal))
    part = OperationAmount(500, "EUR", row.idempotency_key)
    client.refund(paid.gateway_operation_id, part, conf.call_context())
    with time_travel(DUE):
        flows.reconcile()
        assert gateway.charge_of(paid.order_id).refunded == 500
    assert len(refund_calls(gateway)) == 2
    kinds = [kind for kind, _ours, _theirs in open_discrepancies(paid)]
    assert kinds == ["same_id"]
