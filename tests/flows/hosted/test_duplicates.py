"""``DUPLICATES = "refund"``: money that came twice is refunded automatically, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import OperationalError, connection

from nexi_payments import flows
from nexi_payments.enums import OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import InvalidState
from nexi_payments.models import Discrepancy, Operation, PaymentOrder, QueuedRefund
from nexi_payments.signals import (
    payment_duplicate,
    payment_needs_review,
    payment_paid,
    payment_refunded,
    payment_voided,
    refund_failed,
)
from nexi_payments.simulator import Reply
from tests.flows.hosted.test_money_safety import page_reply, while_asked
from tests.support.death import Death
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import (
    HOUR,
    MINUTE,
    operation_body,
    order_reply,
    reconcile_after,
    time_travel,
)
from tests.support.queued_refunds import refund_at_nexi, refund_calls
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def refunding(shopper: HostedShopper, settings: Any) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals(DUPLICATES="refund")


@pytest.fixture
def told() -> Iterator[list[tuple[str, int]]]:
    """The signals, each with the key of its order."""
    heard: list[tuple[str, int]] = []

    def hear(order: PaymentOrder, event: Any, **kwargs: Any) -> None:
        heard.append((event.kind, order.pk))

    signals = (
        payment_paid,
        payment_needs_review,
        payment_duplicate,
        payment_refunded,
        payment_voided,
        refund_failed,
    )
    for signal in signals:
        signal.connect(hear)
    yield heard
    for signal in signals:
        signal.disconnect(hear)


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def rows(order: PaymentOrder) -> list[tuple[str, str, int, str]]:
    found = order.queued_refunds.order_by("pk")
    return list(found.values_list("kind", "state", "amount", "failure"))


def two(shopper: HostedShopper, method: str = "PAYPAL") -> list[PaymentOrder]:
    """A page that was replaced, and the one that was paid in its place."""
    first = shopper.go(new_order(terminal="methods", reference="A-1"), method)
    second = shopper.go(first, "BANCOMATPAY")
    second = shopper.act(second)
    assert second.state == OrderState.PAID
    return [fresh(first), second]


def books(shopper: HostedShopper, *orders: PaymentOrder) -> list[tuple[int, int]]:
    """Captured and refunded at Nexi, after ours were compared with it."""
    found = []
    for order in orders:
        mine = fresh(order)
        with time_travel(10 * HOUR):
            one = shopper.gateway.charge_of(order.order_id)
        found.append((one.captured, one.refunded))
        assert found[-1] == (mine.captured_amount, mine.refunded_amount)
    return found


def test_a_duplicate_is_refunded(
    shopper: HostedShopper, told: list[tuple[str, int]]
) -> None:
    late, paid = two(shopper)
    shopper.act(late, comes_back=False)
    counts = reconcile_after(2 * MINUTE)
    assert (counts.refunds_sent, counts.refunds_given_up) == (1, 0)
    late = fresh(late)
    assert (late.state, late.queued_amount) == (OrderState.REFUNDED, 0)
    assert rows(late) == [("refund", "sent", 1250, "")]
    assert late.queued_refunds.get().key == f"duplicate:{late.order_id}"
    assert fresh(paid).state == OrderState.PAID
    assert rows(paid) == []
    assert books(shopper, late, paid) == [(1250, 1250), (1250, 0)]
    kinds = list(late.events.order_by("pk").values_list("kind", flat=True))
    assert kinds[-4:] == ["review", "duplicate", "refund_queued", "refunded"]
    # of the refund the shop is told nothing: it was never told of the payment
    assert told == [("paid", paid.pk), ("review", late.pk), ("duplicate", late.pk)]
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    reconcile_after(HOUR)
    assert len(refund_calls(shopper.gateway)) == 1


def test_a_person_decides_unless_the_setting_says_so(
    shopper: HostedShopper, settings: Any
) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals(DUPLICATES="review")
    late, _ = two(shopper)
    shopper.act(late, comes_back=False)
    reconcile_after(2 * MINUTE)
    assert (fresh(late).state, rows(late)) == (OrderState.REVIEW, [])
    assert refund_calls(shopper.gateway) == []


def test_a_refund_by_hand_of_a_duplicate_is_not_told_either(
    shopper: HostedShopper, settings: Any, told: list[tuple[str, int]]
) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals(DUPLICATES="review")
    late, paid = two(shopper)
    shopper.act(late, comes_back=False)
    reconcile_after(2 * MINUTE)
    flows.refund(fresh(late))
    assert fresh(late).state == OrderState.REFUNDED
    assert told == [("paid", paid.pk), ("review", late.pk), ("duplicate", late.pk)]
    flows.refund(fresh(paid))
    assert told[3:] == [("refunded", paid.pk)]


def test_what_is_only_held_is_voided(
    shopper: HostedShopper, told: list[tuple[str, int]]
) -> None:
    late, paid = two(shopper, "GOOGLEPAY")
    path = f"/orders/{late.order_id}"
    for _ in range(3):  # the inquiry that finds it, and those before the void
        shopper.gateway.next_reply(path, page_reply(late, "AUTHORIZED"))
    shopper.gateway.next_reply(
        "/refunds", Reply(200, b'{"operationId": "void-1", "operationTime": "x"}')
    )
    charge = operation_body(late, "VOIDED", operationId=f"op-{late.pk}-0")
    void = operation_body(late, "VOIDED", operationId="void-1", operationType="REFUND")
    shopper.gateway.next_reply(path, order_reply(late, charge, void))
    reconcile_after(2 * MINUTE)
    assert rows(late) == [("void", "sent", 1250, "")]
    assert fresh(late).state == OrderState.VOIDED
    assert told == [("paid", paid.pk), ("review", late.pk), ("duplicate", late.pk)]


def test_what_was_captured_meanwhile_is_refunded(shopper: HostedShopper) -> None:
    late, _ = two(shopper)
    shopper.gateway.next_reply(
        f"/orders/{late.order_id}", page_reply(late, "AUTHORIZED")
    )
    shopper.gateway.next_reply("/refunds", Reply(500))  # not reached
    late_op = f"op-{late.pk}-0"
    with pausing_worker():
        reconcile_after(2 * MINUTE)
    assert rows(late) == [("void", "queued", 1250, "")]
    path = f"/orders/{late.order_id}"
    status = {"authorizedAmount": "1250", "capturedAmount": "1250"}
    captured = page_reply(late, "EXECUTED", status=status)
    for _ in range(2):
        shopper.gateway.next_reply(path, captured)
    reconcile_after(3 * MINUTE)
    [row] = rows(late)
    assert row[:3] == ("refund", "sent", 1250)
    operation = Operation.objects.get(order=late, kind="refund")
    assert operation.target_operation_id == late_op


@contextmanager
def pausing_worker() -> Iterator[None]:
    """The worker of the queue does not get the database meanwhile."""

    def execute(run: Any, sql: str, *rest: Any) -> Any:
        quoted = sql.replace("`", '"')  # MariaDB
        if 'next_attempt_at" <=' in quoted and sql.startswith("SELECT"):
            raise OperationalError("busy")
        return run(sql, *rest)

    with suppress(OperationalError), connection.execute_wrapper(execute):
        yield


# -- doubts: staff decide -------------------------------------------------------------


def queued(shopper: HostedShopper) -> list[PaymentOrder]:
    """A duplicate whose refund is queued, and the payment."""
    late, paid = two(shopper)
    shopper.act(late, comes_back=False)
    with pausing_worker():
        reconcile_after(2 * MINUTE)
    assert rows(late) == [("refund", "queued", 1250, "")]
    assert fresh(late).queued_amount == 1250
    return [fresh(late), fresh(paid)]


@pytest.mark.parametrize("where", ["here", "at Nexi"])
def test_the_other_payment_was_refunded_meanwhile(
    shopper: HostedShopper, told: list[tuple[str, int]], where: str
) -> None:
    late, paid = queued(shopper)
    if where == "here":
        flows.refund(paid)
    else:
        refund_at_nexi(paid, 1250)
    before = len(refund_calls(shopper.gateway))
    counts = reconcile_after(3 * MINUTE)
    assert (counts.refunds_sent, counts.refunds_given_up) == (0, 1)
    assert rows(late) == [("refund", "given_up", 1250, "only_payment")]
    late = fresh(late)
    assert (late.state, late.reason) == (OrderState.REVIEW, Reason.REFERENCE_TAKEN)
    assert late.queued_amount == 0
    assert len(refund_calls(shopper.gateway)) == before
    assert ("refund_failed", late.pk) in told
    reconcile_after(HOUR)
    assert len(rows(late)) == 1
    assert flows.available(fresh(late)).refund == 1250  # by a person


def test_the_other_payment_is_being_refunded(shopper: HostedShopper) -> None:
    late, paid = queued(shopper)
    flows.enqueue_refund(paid)
    reconcile_after(3 * MINUTE)
    assert rows(late) == [("refund", "given_up", 1250, "only_payment")]


def test_the_other_payment_is_refunded_at_the_same_moment(
    shopper: HostedShopper,
) -> None:
    """The claim holds only while the other payment is as it was looked at."""
    late, paid = queued(shopper)
    looks: list[str] = []

    def refund_the_other() -> None:
        looks.append("own")
        flows.refund(fresh(paid))

    # the worker looks at the duplicate, at the payment, at the duplicate again
    path = f"/orders/{late.order_id}"
    while_asked(shopper, path, lambda: while_asked(shopper, path, refund_the_other))
    reconcile_after(3 * MINUTE)
    assert looks == ["own"]
    assert rows(late) == [("refund", "queued", 1250, "")]
    assert late.queued_refunds.get().error == "OrderBusy"
    reconcile_after(10 * MINUTE)
    assert rows(late) == [("refund", "given_up", 1250, "only_payment")]
    assert books(shopper, late, paid) == [(1250, 0), (1250, 1250)]


@pytest.mark.parametrize("which", [0, 1])
def test_without_a_good_answer_about_both_it_waits(
    shopper: HostedShopper, which: int
) -> None:
    orders = queued(shopper)
    path = f"/orders/{orders[which].order_id}"
    shopper.gateway.next_reply(path, Reply(503))
    shopper.gateway.next_reply(path, Reply(503))
    counts = reconcile_after(3 * MINUTE)
    assert (counts.refunds_sent, counts.refunds_given_up) == (0, 0)
    assert rows(orders[0]) == [("refund", "queued", 1250, "")]
    assert refund_calls(shopper.gateway) == []
    reconcile_after(20 * MINUTE)
    reconcile_after(40 * MINUTE)
    assert rows(orders[0]) == [("refund", "sent", 1250, "")]
    assert books(shopper, *orders) == [(1250, 1250), (1250, 0)]


def test_in_doubt_it_is_watched_and_never_sent_as_another(
    shopper: HostedShopper,
) -> None:
    late, paid = queued(shopper)
    shopper.gateway.next_reply("/refunds", None)  # executed, the response is lost
    shopper.gateway.next_reply(f"/orders/{late.order_id}", Reply(503))
    reconcile_after(3 * MINUTE)
    for minutes in (4, 6, 10, 20, 40, 90):
        reconcile_after(minutes * MINUTE)
    assert rows(late) == [("refund", "sent", 1250, "")]
    assert QueuedRefund.objects.count() == 1
    assert Operation.objects.filter(kind="refund").count() == 1
    assert fresh(late).state == OrderState.REFUNDED
    assert books(shopper, late, paid) == [(1250, 1250), (1250, 0)]


def test_a_method_without_refunds_is_for_a_person(shopper: HostedShopper) -> None:
    late, _ = two(shopper, "MYBANK")
    shopper.act(late, comes_back=False)
    reconcile_after(2 * MINUTE)
    assert (fresh(late).state, rows(late)) == (OrderState.REVIEW, [])
    with pytest.raises(InvalidState):
        flows.refund(fresh(late))
    assert refund_calls(shopper.gateway) == []


def test_what_was_withdrawn_is_not_queued_again(shopper: HostedShopper) -> None:
    late, _ = queued(shopper)
    flows.withdraw_refund(late.queued_refunds.get(), reason="goods for both")
    for minutes in (3, 5, 60):
        reconcile_after(minutes * MINUTE)
    assert rows(late) == [("refund", "withdrawn", 1250, "")]
    assert fresh(late).state == OrderState.REVIEW
    assert refund_calls(shopper.gateway) == []


def test_after_a_cancel_only_beside_another_payment(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    flows.cancel(order)
    shopper.act(order, comes_back=False)
    reconcile_after(2 * MINUTE)
    assert fresh(order).reason == Reason.CHARGED_AFTER_CANCEL
    assert rows(order) == []


# -- killed between any two steps ------------------------------------------------------


@pytest.mark.seen_on("sqlite")
def test_killed_before_any_step(shopper: HostedShopper) -> None:
    """From the inquiry that finds the duplicate to the one that shows its refund."""
    steps = 0
    while True:
        reference = f"K-{steps}"
        first = shopper.go(new_order(terminal="methods", reference=reference))
        paid = shopper.act(shopper.go(first, "BANCOMATPAY"))
        assert paid.state == OrderState.PAID
        shopper.act(first, comes_back=False)
        before = len(refund_calls(shopper.gateway))
        died = Death(shopper.gateway, steps).run(lambda: reconcile_after(2 * MINUTE))
        for minutes in (6, 12, 20, 30, 60, 120):
            reconcile_after(minutes * MINUTE)
        assert rows(first) == [("refund", "sent", 1250, "")], steps
        refund = Operation.objects.get(order=first, kind="refund")
        assert refund.outcome == OperationOutcome.DONE, steps
        assert fresh(first).state == OrderState.REFUNDED, steps
        assert books(shopper, first, paid) == [(1250, 1250), (1250, 0)], steps
        assert len(refund_calls(shopper.gateway)) - before in (1, 2), steps
        steps += 7 if steps > 20 else 1
        if not died:
            break
    assert steps > 40
