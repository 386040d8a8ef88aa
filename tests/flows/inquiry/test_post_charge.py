"""Captures, voids and refunds: accepted first, and settled by an inquiry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import EventKind, OperationOutcome, OrderState
from nexi_payments.exceptions import ExceedsRemaining
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    HOUR,
    LAG,
    SETTLE,
    inquiry_unanswered_after,
    operation_body,
    order_reply,
    prove_absent,
    prove_rejected,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

REJECTED = Reply(400, b'{"errors": [{"code": "GW0001"}]}')


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1"))
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    return order


def refunds_sent(gateway: Simulator) -> int:
    return gateway.count("/refunds")


def kinds(order: PaymentOrder) -> list[str]:
    return [event.kind for event in order.events.order_by("pk")]


def discrepancies(order: PaymentOrder) -> list[tuple[str, str, str]]:
    return [(one.kind, one.ours, one.theirs) for one in order.discrepancies.all()]


@dataclass
class Wire:
    """The first request to ``/refunds`` is lost on the way, or is late."""

    gateway: Simulator
    lost: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.handle = self.gateway.handle
        self.gateway.handle = self  # type: ignore[method-assign, assignment]

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        if url.endswith("/refunds") and not self.lost:
            self.lost.append((method, url, headers, body))
            return self.lose()
        return self.handle(method, url, headers, body)

    def lose(self) -> Reply:
        return Reply(0, fault="cut")

    def arrive(self) -> Reply:
        return self.handle(*self.lost[0])


# -- accepted, then done or failed -----------------------------------------------------


def test_accepted_is_not_done(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    operation = flows.refund(order, Decimal("2.00"))
    assert operation.outcome == OperationOutcome.ACCEPTED
    assert operation.unsettled_order_id is None
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 200)
    assert order.unsettled_since == operation.created_at
    assert order.next_poll_at is not None
    with pytest.raises(ExceedsRemaining) as error:
        flows.refund(order, Decimal("10.51"))
    assert error.value.remaining == 1050
    flows.refund(order, Decimal("10.50"))
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 1250)
    gateway.advance(60)
    flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert (order.unsettled_since, order.next_poll_at) == (None, None)


def test_a_refund_that_fails_later_is_free_again(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    inquiry_unanswered_after(gateway, "/refunds")
    operation = flows.refund(paid, Decimal("2.00"))
    assert operation.outcome == OperationOutcome.ACCEPTED
    with gateway.store.edit_operation(operation.gateway_operation_id) as record:
        for one in record["post_charge"]:
            one["outcome"] = "FAILED"
    flows.reconcile(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.result) == (
        OperationOutcome.DECLINED,
        "FAILED",
    )
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert paid.next_poll_at is None  # Nexi's final word: it is not watched


def test_one_that_is_not_listed_is_found_by_its_id(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    flows.refund(order, Decimal("2.00"))
    gateway.advance(60)
    gateway.next_reply(
        f"/orders/{order.order_id}",
        order_reply(order, operation_body(order, "EXECUTED")),
    )
    flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 0)


def test_one_that_nexi_does_not_find_stays_accepted(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """Until staff decide: its id is known, so it is never proved absent."""
    inquiry_unanswered_after(gateway, "/refunds")
    row = flows.refund(paid, Decimal("2.00"))
    for hours in (1, 20, 73):
        gateway.next_reply(f"/operations/{row.gateway_operation_id}", Reply(404))
        gateway.next_reply(
            f"/orders/{paid.order_id}",
            order_reply(paid, operation_body(paid, "EXECUTED")),
        )
        with time_travel(hours * HOUR):
            flows.reconcile(paid)
    row.refresh_from_db()
    assert (row.outcome, row.send_count) == (OperationOutcome.ACCEPTED, 1)
    assert discrepancies(paid) == [("still_pending", "refund 200", "not listed")]
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 200)


def test_nothing_left_the_machine(paid: PaymentOrder, gateway: Simulator) -> None:
    gateway.next_reply("/refunds", Reply(0, fault="refused"))
    operation = flows.refund(paid, Decimal("2.00"))
    assert operation.outcome == OperationOutcome.NOT_SENT
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert (paid.unsettled_since, paid.next_poll_at) == (None, None)


# -- an answer is lost -----------------------------------------------------------------


def test_a_lost_answer_is_found_by_kind_and_amount(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.lose_next_answer("/refunds")
    operation = flows.refund(paid, Decimal("2.00"))
    assert (operation.outcome, operation.send_count) == (OperationOutcome.DONE, 1)
    assert operation.ledger_id == operation.gateway_operation_id
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)
    assert gateway.charge_of(paid.order_id).refunded == 200


def test_a_lost_request_is_sent_once_more_with_the_same_key(
    paid: PaymentOrder, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    real = Client.refund

    def spy(self: Client, *args: Any) -> str:
        sent.append(args)
        return real(self, *args)

    monkeypatch.setattr(Client, "refund", spy)
    gateway.next_reply("/refunds", Reply(500))
    operation = flows.refund(paid, Decimal("2.00"))
    assert (operation.outcome, operation.send_count) == (OperationOutcome.IN_DOUBT, 1)
    for wait in (LAG + 1, 2 * LAG + 2, 3 * LAG + 3, SETTLE - 5):
        with time_travel(wait):
            flows.reconcile(paid)
    assert len(sent) == 1
    with time_travel(SETTLE + LAG):
        flows.reconcile(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.send_count) == (OperationOutcome.ACCEPTED, 2)
    first, second = sent
    body = OperationAmount(200, "EUR", operation.idempotency_key)
    assert first[:2] == second[:2] == (paid.gateway_operation_id, body)
    assert len(operation.idempotency_key) == 36
    # each send has its own correlation id
    assert first[2].correlation_id != second[2].correlation_id
    assert second[2].correlation_id == operation.correlation_id
    with time_travel(HOUR):
        flows.reconcile(paid)
        assert gateway.charge_of(paid.order_id).refunded == 200
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)


def test_silence_is_given_up_after_one_repetition_and_watched(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    for _ in range(2):
        gateway.next_reply("/refunds", Reply(500))
    operation = flows.refund(paid, Decimal("2.00"))
    prove_absent(paid)
    operation.refresh_from_db()
    # the inquiries before say nothing about the second send
    assert (operation.outcome, operation.send_count, operation.misses) == (
        OperationOutcome.IN_DOUBT,
        2,
        0,
    )
    prove_absent(paid, since=SETTLE + LAG)
    operation.refresh_from_db()
    assert (operation.outcome, operation.error) == (
        OperationOutcome.DECLINED,
        "unconfirmed",
    )
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert refunds_sent(gateway) == 2
    assert not Operation.objects.filter(unsettled_order_id__isnull=False).exists()
    # watched until WATCH_FOR after its send, and no longer
    assert paid.next_poll_at is not None
    with time_travel(74 * HOUR):
        flows.reconcile(paid)
    assert paid.next_poll_at is None


def test_a_refund_that_was_given_up_and_executed_counts(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    wire = Wire(gateway)
    gateway.next_reply("/refunds", REJECTED)  # to the repetition
    row = flows.refund(paid, Decimal("8.00"))
    prove_absent(paid)
    row.refresh_from_db()
    # a rejected repetition says nothing about the first send
    assert (row.outcome, row.send_count) == (OperationOutcome.IN_DOUBT, 2)
    assert row.error == "Rejected rejected GW0001"
    prove_rejected(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 800)
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("8.00"))
    prove_absent(paid, since=SETTLE + LAG)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.DECLINED
    wire.arrive()
    with time_travel(20 * HOUR):
        assert flows.reconcile().inquired == 1
    row.refresh_from_db()
    paid.refresh_from_db()
    assert row.outcome == OperationOutcome.DONE
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 800, 0)
    assert kinds(paid)[-1] == EventKind.REFUNDED
    theirs = f"REFUND EXECUTED 800 {row.gateway_operation_id}"
    assert discrepancies(paid) == [("late_execution", "refund 800 declined", theirs)]


# -- a rejection -----------------------------------------------------------------------


def test_a_rejection_is_believed_after_two_late_inquiries(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("/refunds", REJECTED)
    operation = flows.refund(paid, Decimal("2.00"))
    flows.reconcile(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.misses) == (OperationOutcome.IN_DOUBT, 0)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 200)
    prove_rejected(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.error) == (
        OperationOutcome.REJECTED,
        "Rejected rejected GW0001",
    )
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert refunds_sent(gateway) == 1


def test_a_rejected_refund_that_was_executed_counts(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """Nexi's list was behind; the money stays reserved until it is clear."""
    wire = Wire(gateway)
    wire.lose = lambda: REJECTED  # type: ignore[method-assign]
    row = flows.refund(paid, Decimal("8.00"))
    assert row.outcome == OperationOutcome.IN_DOUBT
    prove_rejected(paid)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.REJECTED
    wire.arrive()
    with time_travel(HOUR):
        flows.reconcile()
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.DONE
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 800, 0)
    assert [kind for kind, *_ in discrepancies(paid)] == ["late_execution"]


# -- a process that pauses -------------------------------------------------------------


class PausedSender(Wire):
    """The process pauses before its first byte. The reconciler does its work meanwhile.

    ``rounds``: how often it proves that nothing arrived: the first time it sends once
    more, the second time it gives up. ``ends``: what becomes of the paused request.
    """

    order: PaymentOrder
    rounds: int
    executes: bool

    def lose(self) -> Reply:
        other = PaymentOrder.objects.get(pk=self.order.pk)
        for count in range(self.rounds):
            prove_absent(other, since=(count + 1) * 2 * SETTLE)
        return self.arrive() if self.executes else Reply(0, fault="refused")


def test_not_sent_says_nothing_about_the_repetition(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    sender = PausedSender(gateway)
    sender.order, sender.rounds, sender.executes = paid, 1, False
    row = flows.refund(paid, Decimal("8.00"), nonce="n-1")
    assert (row.outcome, row.send_count) == (OperationOutcome.ACCEPTED, 2)
    with time_travel(HOUR):
        flows.reconcile(paid)
        assert gateway.charge_of(paid.order_id).refunded == 800
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 800, 0)
    # the clerk repeats: it is the same refund
    assert flows.refund(paid, Decimal("8.00"), nonce="n-1") == row
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("8.00"))


def test_not_sent_does_not_end_a_repetition_without_an_answer(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """The repetition was executed, and its answer is lost: the money is reserved."""
    sender = PausedSender(gateway)
    sender.order, sender.rounds, sender.executes = paid, 1, False
    gateway.lose_next_answer("/refunds")
    row = flows.refund(paid, Decimal("8.00"))
    assert (row.outcome, row.send_count) == (OperationOutcome.ACCEPTED, 2)
    assert row.result == "PENDING"  # found by an inquiry
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 800)
    with time_travel(HOUR):
        flows.reconcile(paid)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.DONE
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 800, 0)


def test_accepted_counts_even_after_it_was_given_up(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    sender = PausedSender(gateway)
    sender.order, sender.rounds, sender.executes = paid, 2, True
    gateway.next_reply("/refunds", Reply(500))  # to the repetition
    row = flows.refund(paid, Decimal("8.00"))
    assert (row.outcome, row.send_count) == (OperationOutcome.DONE, 2)
    # by its own answer, not by the watch of what was given up
    assert (row.http_status, discrepancies(paid)) == (200, [])
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 800, 0)
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("8.00"))
    assert gateway.charge_of(paid.order_id).refunded == 800
