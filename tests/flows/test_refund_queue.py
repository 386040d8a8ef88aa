"""``enqueue_refund``: in the shop's transaction, reserved, idempotent by its key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test import TestCase

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    ExceedsRemaining,
    InvalidAmount,
    InvalidState,
    OrderBusy,
    RefundKeyInUse,
)
from nexi_payments.flows import confirmed_captures
from nexi_payments.models import Event, PaymentOrder, QueuedRefund
from nexi_payments.signals import payment_refunded
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import reconcile_after, state_and_amounts
from tests.support.queued_refunds import (
    DUE,
    enqueue_and_die,
    enqueue_void,
    queue_of,
    refund_calls,
    sent_amounts,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


@pytest.fixture
def told() -> Iterator[list[tuple[int, int]]]:
    """Amount and sum of each refund that the shop is told of."""
    found: list[tuple[int, int]] = []

    def hear(order: PaymentOrder, event: Event, **kwargs: Any) -> None:
        assert event.operation is not None
        found.append((event.operation.amount or 0, order.refunded_amount))

    payment_refunded.connect(hear)
    yield found
    payment_refunded.disconnect(hear)


# -- the transaction -----------------------------------------------------------------


def test_nothing_is_sent_before_the_commit(
    paid: PaymentOrder, gateway: Simulator, told: list[Any]
) -> None:
    asked = len(gateway.calls)
    with transaction.atomic():
        refund = flows.enqueue_refund(paid, Decimal("5.00"), reason="broken")
        assert len(gateway.calls) == asked  # not even an inquiry
        assert (refund.state, refund.amount, told) == ("queued", 500, [])
    assert sent_amounts(paid, gateway) == [500]
    refund.refresh_from_db()
    paid.refresh_from_db()
    assert refund.state == "sent"
    assert refund.operation is not None
    assert (refund.operation.kind, refund.operation.outcome) == ("refund", "done")
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 500, 0)
    assert (paid.queued_amount, told) == (0, [(500, 500)])


@transaction.atomic
def enqueue_and_fail(order: PaymentOrder) -> None:
    flows.enqueue_refund(order)
    raise ZeroDivisionError


def test_a_rolled_back_transaction_leaves_no_refund(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    with pytest.raises(ZeroDivisionError):
        enqueue_and_fail(paid)
    assert (refund_calls(gateway), QueuedRefund.objects.count()) == ([], 0)
    paid.refresh_from_db()
    assert (paid.queued_amount, flows.available(paid).refund) == (0, 1250)
    assert not paid.events.filter(kind="refund_queued").exists()
    assert reconcile_after(DUE).refunds_sent == 0


def test_a_rolled_back_savepoint_leaves_no_refund(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError):
            enqueue_and_fail(paid)
        flows.enqueue_refund(paid, Decimal("1.00"))
    assert queue_of(paid) == [("sent", 100)]
    assert len(refund_calls(gateway)) == 1


def test_without_a_transaction_it_is_sent_at_once(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    flows.enqueue_refund(paid)
    paid.refresh_from_db()
    assert paid.state == OrderState.REFUNDED
    assert gateway.charge_of(paid.order_id).refunded == 1250


@pytest.mark.django_db(transaction=False)
def test_a_test_case_of_a_shop_may_run_the_hooks(
    shopper: Shopper, gateway: Simulator
) -> None:
    paid = shopper.pay(new_order())
    with TestCase.captureOnCommitCallbacks(execute=True):
        flows.enqueue_refund(paid, Decimal("5.00"))
        assert refund_calls(gateway) == []
    assert sent_amounts(paid, gateway) == [500]


@pytest.fixture
def open_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A transaction is open in a second database of the host, as with
    ``ATOMIC_REQUESTS`` in both."""
    settings = {**connection.settings_dict, "NAME": ":memory:"}
    monkeypatch.setitem(connections.databases, "other", settings)
    other = DatabaseWrapper(settings, "other")
    other.in_atomic_block = True
    connections["other"] = other
    yield
    del connections["other"]


@pytest.mark.usefixtures("open_elsewhere")
def test_inside_a_transaction_elsewhere_it_is_left_to_the_worker(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    with transaction.atomic():
        flows.enqueue_refund(paid, Decimal("5.00"))
    assert (refund_calls(gateway), queue_of(paid)) == ([], [("queued", 500)])
    assert reconcile_after(DUE).refunds_sent == 1


# -- dies between commit and send ----------------------------------------------------


def test_a_process_that_dies_after_the_commit_loses_nothing(
    paid: PaymentOrder, gateway: Simulator, told: list[Any]
) -> None:
    enqueue_and_die(paid, "5.00")
    assert (refund_calls(gateway), queue_of(paid)) == ([], [("queued", 500)])
    assert flows.reconcile().refunds_sent == 0  # the request may still send it
    assert refund_calls(gateway) == []
    counts = reconcile_after(DUE)
    assert (counts.refunds_sent, counts.refunds_given_up) == (1, 0)
    assert (len(refund_calls(gateway)), queue_of(paid)) == (1, [("sent", 500)])
    assert told == [(500, 500)]
    assert reconcile_after(2 * DUE).refunds_sent == 0
    assert len(refund_calls(gateway)) == 1


# -- what is reserved ----------------------------------------------------------------


def test_two_cannot_exceed_what_is_there(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    enqueue_and_die(paid, "8.00")
    assert flows.available(paid).refund == 450
    assert paid.queued_amount == 800
    with pytest.raises(ExceedsRemaining) as error:
        flows.enqueue_refund(paid, Decimal("4.51"))
    assert error.value.remaining == 450
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("4.51"))
    assert (queue_of(paid), refund_calls(gateway)) == ([("queued", 800)], [])
    rest = enqueue_and_die(paid)  # the rest
    assert (rest.amount, flows.available(paid).refund) == (450, 0)
    assert reconcile_after(DUE).refunds_sent == 2
    paid.refresh_from_db()
    assert state_and_amounts(paid) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert sent_amounts(paid, gateway) == [800, 450]


def test_a_refund_that_was_judged_before_is_not_sent_beside_it(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """It was judged by the amounts of before; its claim needs their version."""
    before = len(gateway.calls)
    begun: list[bool] = []

    def queue_meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        asked = len(gateway.calls) > before
        # the last thing that the judgement reads: the confirmed captures
        if asked and not begun and re.search(r"outcome\W = .* ORDER BY", sql):
            begun.append(True)
            enqueue_and_die(PaymentOrder.objects.get(pk=paid.pk), "8.00")
        return result

    with connection.execute_wrapper(queue_meanwhile), pytest.raises(OrderBusy):
        flows.refund(paid, Decimal("12.50"))
    assert (queue_of(paid), refund_calls(gateway)) == ([("queued", 800)], [])


def test_each_capture_has_its_own(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    first = flows.capture(order, Decimal("5.00"))
    second = flows.capture(order, Decimal("2.50"))
    queued = enqueue_and_die(order, "4.00", capture=first)
    assert queued.capture == first
    now = flows.available(order)
    assert (now.refund, now.capture) == (350, 500)
    assert [one.remaining for one in now.captures] == [100, 250]
    assert [one.cancel for one in now.captures] == [0, 250]
    first.refresh_from_db()
    assert confirmed_captures.remaining_of(first) == 100
    with pytest.raises(ExceedsRemaining):
        flows.enqueue_refund(order, Decimal("1.01"), capture=first)
    with pytest.raises(ExceedsRemaining):
        flows.cancel_capture(order, first)
    enqueue_and_die(order, "2.50", capture=second)
    assert reconcile_after(DUE).refunds_sent == 2
    targets = [call.path.split("/")[-2] for call in refund_calls(gateway)]
    assert targets == [first.gateway_operation_id, second.gateway_operation_id]


def test_a_queued_void_stops_captures(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    enqueue_void(order)
    now = flows.available(order)
    assert (now.capture, now.void, now.void_pending) == (0, 0, True)
    for verb in (flows.capture, flows.void):
        with pytest.raises(OrderBusy):
            verb(order)
    assert reconcile_after(DUE).refunds_sent == 1
    order.refresh_from_db()
    assert (order.state, order.queued_amount) == (OrderState.VOIDED, 0)
    assert sent_amounts(order, gateway) == [1250]


# -- the key -------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [None, "5.00"])
def test_the_same_key_is_the_same_refund(
    paid: PaymentOrder, gateway: Simulator, amount: str | None
) -> None:
    decimal = None if amount is None else Decimal(amount)
    first = enqueue_and_die(paid, amount, key="return 17")
    assert enqueue_and_die(paid, amount, key="return 17") == first
    reconcile_after(DUE)
    again = flows.enqueue_refund(paid, decimal, key="return 17")
    assert (again, again.state) == (first, "sent")
    assert (QueuedRefund.objects.count(), len(refund_calls(gateway))) == (1, 1)
    assert paid.events.filter(kind="refund_queued").count() == 1


def test_the_same_key_for_something_else_is_an_error(
    paid: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    other = shopper.pay(new_order(reference="R-2"))
    first = enqueue_and_die(paid, "5.00", key="return 17")
    for order, amount in ((paid, "5.01"), (paid, None), (other, "5.00")):
        decimal = None if amount is None else Decimal(amount)
        with pytest.raises(RefundKeyInUse) as error:
            flows.enqueue_refund(order, decimal, key="return 17")
        assert error.value.refund == first
    assert (queue_of(paid), queue_of(other)) == ([("queued", 500)], [])
    assert refund_calls(gateway) == []
    other.refresh_from_db()
    assert other.queued_amount == 0


def test_an_error_leaves_the_transaction_of_the_shop_usable(
    paid: PaymentOrder,
) -> None:
    enqueue_and_die(paid, "5.00", key="return 17")
    with transaction.atomic():
        with pytest.raises(RefundKeyInUse):
            flows.enqueue_refund(paid, Decimal("6.00"), key="return 17")
        assert PaymentOrder.objects.filter(pk=paid.pk).exists()


# -- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"amount": Decimal("12.51")}, ExceedsRemaining),
        ({"amount": Decimal("0.00")}, InvalidAmount),
        ({"amount": Decimal("-1.00")}, InvalidAmount),
        ({"amount": Decimal("1.001")}, InvalidAmount),
        ({"reason": "4111 1111 1111 1111"}, CardDataNotAllowed),
        ({"key": "4111111111111111"}, CardDataNotAllowed),
        ({"key": "k" * 101}, ValueError),
        ({"reason": "r" * 301}, ValueError),
    ],
)
def test_what_cannot_be_refunded_is_not_queued(
    paid: PaymentOrder,
    gateway: Simulator,
    arguments: dict[str, Any],
    error: type[Exception],
) -> None:
    version = paid.version
    with pytest.raises(error):
        flows.enqueue_refund(paid, **arguments)
    paid.refresh_from_db()
    assert (queue_of(paid), paid.queued_amount, paid.version) == ([], 0, version)
    assert refund_calls(gateway) == []


def test_an_unpaid_order_is_not_refunded(order: PaymentOrder) -> None:
    with pytest.raises(InvalidState):
        flows.enqueue_refund(order)
    assert queue_of(order) == []


def test_a_capture_of_another_payment_is_not_refunded(shopper: Shopper) -> None:
    one, other = (shopper.pay(new_order(terminal="manual")) for _ in "ab")
    captures = [flows.capture(order) for order in (one, other)]
    with pytest.raises(InvalidState):
        flows.enqueue_refund(one, capture=captures[1])
    assert queue_of(one) == []


# -- who, and why --------------------------------------------------------------------


def test_history_says_who_and_why(paid: PaymentOrder, gateway: Simulator) -> None:
    anna = get_user_model().objects.create_user("anna")
    actor = flows.Actor(anna, "192.0.2.7", "request-9")
    enqueue_and_die(paid, "5.00", reason=" broken ", actor=actor)
    event = paid.events.get(kind="refund_queued")
    assert (event.actor, event.address, event.note) == (anna, "192.0.2.7", "broken")
    reconcile_after(DUE)
    operation = paid.operations.get(kind=OperationKind.REFUND)
    assert (operation.actor, operation.address) == (anna, "192.0.2.7")
    assert operation.request_id == "request-9"


# -- withdrawn -----------------------------------------------------------------------


def test_what_is_withdrawn_is_not_sent(paid: PaymentOrder, gateway: Simulator) -> None:
    refund = enqueue_and_die(paid, "5.00")
    anna = get_user_model().objects.create_user("anna")
    done = flows.withdraw_refund(refund, reason="kept", actor=flows.Actor(anna))
    assert done.state == "withdrawn"
    assert reconcile_after(DUE).refunds_sent == 0
    paid.refresh_from_db()
    assert (refund_calls(gateway), paid.queued_amount) == ([], 0)
    assert flows.available(paid).refund == 1250
    event = paid.events.get(kind="refund_withdrawn")
    assert (event.actor, event.note, event.queued_refund) == (anna, "kept", refund)
    assert flows.withdraw_refund(refund).state == "withdrawn"  # idempotent
    assert paid.events.filter(kind="refund_withdrawn").count() == 1


def test_what_was_sent_is_not_withdrawn(paid: PaymentOrder) -> None:
    refund = flows.enqueue_refund(paid, Decimal("5.00"))
    with pytest.raises(InvalidState):
        flows.withdraw_refund(refund)
    refund.refresh_from_db()
    assert refund.state == "sent"
    assert not paid.events.filter(kind="refund_withdrawn").exists()


def test_withdrawn_during_the_inquiry_nothing_is_sent(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    refund = enqueue_and_die(paid, "5.00")
    handle = gateway.handle

    def withdrawn_meanwhile(method: str, url: str, *rest: Any) -> Reply:
        reply = handle(method, url, *rest)
        if method == "GET" and not Event.objects.filter(kind="refund_withdrawn"):
            flows.withdraw_refund(QueuedRefund.objects.get(pk=refund.pk))
        return reply

    gateway.handle = withdrawn_meanwhile  # type: ignore[method-assign]
    assert reconcile_after(DUE).refunds_sent == 0
    assert (queue_of(paid), refund_calls(gateway)) == ([("withdrawn", 500)], [])
