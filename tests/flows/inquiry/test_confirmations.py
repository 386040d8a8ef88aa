"""Captures and refunds are accepted first and settled by an inquiry: ours, and those
made at Nexi."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import conf, flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import (
    ExceedsRemaining,
)
from nexi_payments.flows.inquiry import confirmations
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.gateway.responses import OperationResult, OrderResult
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import state_and_amounts, time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1"))
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    return order


@pytest.fixture
def held(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-2", terminal="manual"))
    assert state_and_amounts(order) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    return order


def calls(gateway: Simulator, what: str) -> list[Any]:
    return [call for call in gateway.calls if call.path.endswith(what)]


# -- late or missing responses ---------------------------------------------------------


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
    gateway.next_reply("/orders/", Reply(500))
    operation = flows.refund(paid, Decimal("2.00"))
    assert operation.outcome == OperationOutcome.ACCEPTED
    failed = gateway.record(paid.order_id)
    for one in failed["post_charge"]:
        one["outcome"] = "FAILED"
    with gateway.store.edit_operation(operation.gateway_operation_id) as record:
        record["post_charge"] = failed["post_charge"]
    flows.reconcile(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.result) == (
        OperationOutcome.DECLINED,
        "FAILED",
    )
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)


def test_a_lost_answer_is_found_by_kind_and_amount(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.lose_next_answer("/refunds")
    operation = flows.refund(paid, Decimal("2.00"))
    assert (operation.outcome, operation.send_count) == (OperationOutcome.DONE, 1)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)
    assert gateway.charge_of(paid.order_id).refunded == 200


def test_a_request_that_got_lost_is_repeated_with_the_same_key(
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
    # the inquiry inside the request has resent it at once
    assert operation.send_count == 2
    first, second = sent
    assert (
        first[:2]
        == second[:2]
        == (
            paid.gateway_operation_id,
            OperationAmount(200, "EUR", operation.idempotency_key),
        )
    )
    assert len(operation.idempotency_key) == 36
    # each send has its own correlation id
    assert first[2].correlation_id != second[2].correlation_id
    assert second[2].correlation_id == operation.correlation_id
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)
    assert gateway.charge_of(paid.order_id).refunded == 200


def test_a_refusal_is_looked_into(paid: PaymentOrder, gateway: Simulator) -> None:
    body = b'{"errors": [{"code": "PS0029", "description": "too much"}]}'
    reply = Reply(400, body, {"Content-Type": "application/json"})
    gateway.next_reply("/refunds", reply)
    operation = flows.refund(paid, Decimal("2.00"))
    assert (operation.outcome, operation.error) == (
        OperationOutcome.REJECTED,
        "Rejected rejected PS0029",
    )
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert len(calls(gateway, "/refunds")) == 1


def test_nothing_left_the_machine(paid: PaymentOrder, gateway: Simulator) -> None:
    gateway.next_reply("/refunds", Reply(0, fault="refused"))
    operation = flows.refund(paid, Decimal("2.00"))
    assert operation.outcome == OperationOutcome.NOT_SENT
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert paid.unsettled_since is None


def test_silence_is_given_up_only_with_time_and_looks(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    for _ in range(4):
        gateway.next_reply("/refunds", Reply(500))
    operation = flows.refund(paid, Decimal("2.00"))
    for _ in range(5):
        flows.reconcile(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.send_count) == (OperationOutcome.IN_DOUBT, 4)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 200)
    with time_travel(1801):
        flows.reconcile(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.error) == (
        OperationOutcome.DECLINED,
        "unconfirmed",
    )
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert Operation.objects.filter(unsettled_order_id__isnull=False).count() == 0


def look(order: PaymentOrder, *found: OperationResult) -> None:
    """Applies a response with these operations; no further request is answered."""
    answer = OrderResult(order_id=order.order_id, operations=found)
    client = conf.client(conf.current().terminal(order.terminal))
    confirmations.settle_post_charge(order, answer, client, Deadline(5))


def test_what_a_look_may_show_of_an_accepted_refund(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    row = flows.refund(order, Decimal("2.00"))
    ours = OperationResult(
        operation_id=row.gateway_operation_id, type="REFUND", amount=200
    )
    for odd in (
        replace(ours, result="EXECUTED", amount=300),
        replace(ours, result="FOO"),
        replace(ours, result="PENDING"),
        replace(ours, result="THREEDS_VALIDATED"),
        replace(ours, result="EXECUTED", type="CAPTURE"),
    ):
        look(order, odd)
        assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 200), odd
    assert {one.kind for one in order.discrepancies.all()} == {
        "mismatch",
        "unknown_result",
    }
    # not in the list: inquired by its id, where it is pending
    look(order)
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 200)
    gateway.advance(60)
    look(order)
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 0)


def test_an_accepted_refund_that_nobody_knows(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    row = flows.refund(paid, Decimal("2.00"))
    Operation.objects.filter(pk=row.pk).update(outcome=OperationOutcome.ACCEPTED)
    gateway.next_reply(f"/operations/{row.gateway_operation_id}", Reply(404))
    look(paid)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.ACCEPTED


def test_a_refused_repetition_says_nothing_about_the_first_send(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """The first send is still under way: giving up would allow a second refund."""
    handle, on_its_way = gateway.handle, []

    def late(*call: Any) -> Reply:
        if call[1].endswith("/refunds") and not on_its_way:
            on_its_way.append(call)
            return Reply(0, fault="cut")
        return handle(*call)

    gateway.handle = late  # type: ignore[method-assign]
    body = b'{"errors": [{"code": "PS0027"}]}'
    for _ in range(3):
        refused = Reply(400, body, {"Content-Type": "application/json"})
        gateway.next_reply("/refunds", refused)
    row = flows.refund(paid, Decimal("8.00"))
    assert (row.outcome, row.send_count) == (OperationOutcome.IN_DOUBT, 2)
    assert row.error == "Rejected rejected PS0027"
    for _ in range(3):
        flows.reconcile(paid)
    row.refresh_from_db()
    assert (row.outcome, row.send_count) == (OperationOutcome.IN_DOUBT, 4)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 800)
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("8.00"))
    handle(*on_its_way[0])  # it arrives
    flows.reconcile(paid)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.DONE
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 800, 0)
    charge = gateway.charge_of(paid.order_id)
    assert charge is not None
    assert charge.refunded == 800


# -- made at Nexi ----------------------------------------------------------------------


def test_a_refund_made_at_nexi_is_taken_over_once(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    client = conf.client(conf.current().terminal(paid.terminal))
    new_id = client.refund(
        paid.gateway_operation_id,
        OperationAmount(300, "EUR", "elsewhere"),
        conf.call_context(),
    )
    flows.reconcile(paid)
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 300, 0)
    row = paid.operations.get(kind=OperationKind.REFUND)
    assert (row.gateway_operation_id, row.outcome, row.actor) == (
        new_id,
        OperationOutcome.DONE,
        None,
    )
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("9.51"))


def test_one_of_the_same_amount_that_never_left_is_another(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("/refunds", Reply(0, fault="refused"))
    assert flows.refund(paid, Decimal("3.00")).outcome == OperationOutcome.NOT_SENT
    client = conf.client(conf.current().terminal(paid.terminal))
    part = OperationAmount(300, "EUR", "elsewhere")
    client.refund(paid.gateway_operation_id, part, conf.call_context())
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 300, 0)
    assert [
        row.outcome for row in paid.operations.filter(kind=OperationKind.REFUND)
    ] == [
        OperationOutcome.NOT_SENT,
        OperationOutcome.DONE,
    ]


def test_more_than_there_is_becomes_a_disagreement(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    odd = OperationResult(
        operation_id="odd", type="REFUND", result="EXECUTED", amount=9999
    )
    look = OrderResult(order_id=paid.order_id, operations=(odd,))
    for _ in range(2):
        confirmations.settle_post_charge(paid, look, None, Deadline(1))  # type: ignore[arg-type]
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert paid.discrepancies.get().kind == "made_at_nexi"
