"""Accepted is not done: what becomes of captures and refunds, ours and others'."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import conf, flows, states
from nexi_payments.exceptions import (
    MoreThanLeft,
)
from nexi_payments.flows import confirmations
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Part
from nexi_payments.gateway.results import OperationResult, OrderResult
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.doubt import later, sums
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1"))
    assert sums(order) == (states.PAID, 1250, 0, 0, 0)
    return order


@pytest.fixture
def held(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-2", terminal="manual"))
    assert sums(order) == (states.AUTHORIZED, 0, 0, 0, 0)
    return order


def calls(gateway: Simulator, what: str) -> list[Any]:
    return [call for call in gateway.calls if call.path.endswith(what)]


# -- Nexi takes its time, or says nothing ----------------------------------------------


def test_accepted_is_not_done(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    operation = flows.refund(order, Decimal("2.00"))
    assert operation.outcome == states.ACCEPTED
    assert operation.open_slot is None
    assert sums(order) == (states.PAID, 1250, 0, 0, 200)
    assert order.unsettled_since == operation.created_at
    assert order.due_at is not None
    with pytest.raises(MoreThanLeft) as error:
        flows.refund(order, Decimal("10.51"))
    assert error.value.left == 1050
    flows.refund(order, Decimal("10.50"))
    assert sums(order) == (states.PAID, 1250, 0, 0, 1250)
    gateway.advance(60)
    flows.reconcile(order)
    assert sums(order) == (states.REFUNDED, 1250, 0, 1250, 0)
    assert (order.unsettled_since, order.due_at) == (None, None)


def test_a_refund_that_fails_later_is_free_again(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("/orders/", Reply(500))
    operation = flows.refund(paid, Decimal("2.00"))
    assert operation.outcome == states.ACCEPTED
    failed = gateway.record(paid.order_id)
    for one in failed["later"]:
        one["outcome"] = "FAILED"
    with gateway.store.edit_any(operation.gateway_operation_id) as record:
        record["later"] = failed["later"]
    flows.reconcile(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.result) == (states.DECLINED, "FAILED")
    assert sums(paid) == (states.PAID, 1250, 0, 0, 0)


def test_a_lost_answer_is_found_by_kind_and_amount(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.lose_next_answer("/refunds")
    operation = flows.refund(paid, Decimal("2.00"))
    assert (operation.outcome, operation.sends) == (states.DONE, 1)
    assert sums(paid) == (states.PAID, 1250, 0, 200, 0)
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
    # the look inside the request has repeated it at once
    assert operation.sends == 2
    first, second = sent
    assert (
        first[:2]
        == second[:2]
        == (
            paid.gateway_operation_id,
            Part(200, "EUR", operation.idempotency_key),
        )
    )
    assert len(operation.idempotency_key) == 36
    # a correlation id is another for each send
    assert first[2].correlation_id != second[2].correlation_id
    assert second[2].correlation_id == operation.correlation_id
    flows.reconcile(paid)
    assert sums(paid) == (states.PAID, 1250, 0, 200, 0)
    assert gateway.charge_of(paid.order_id).refunded == 200


def test_a_refusal_is_looked_into(paid: PaymentOrder, gateway: Simulator) -> None:
    body = b'{"errors": [{"code": "PS0029", "description": "too much"}]}'
    reply = Reply(400, body, {"Content-Type": "application/json"})
    gateway.next_reply("/refunds", reply)
    operation = flows.refund(paid, Decimal("2.00"))
    assert (operation.outcome, operation.error) == (
        states.DECLINED,
        "Refused refused PS0029",
    )
    assert sums(paid) == (states.PAID, 1250, 0, 0, 0)
    assert len(calls(gateway, "/refunds")) == 1


def test_nothing_left_the_machine(paid: PaymentOrder, gateway: Simulator) -> None:
    gateway.next_reply("/refunds", Reply(0, fault="refused"))
    operation = flows.refund(paid, Decimal("2.00"))
    assert operation.outcome == states.NOT_SENT
    assert sums(paid) == (states.PAID, 1250, 0, 0, 0)
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
    assert (operation.outcome, operation.sends) == (states.IN_DOUBT, 4)
    assert sums(paid) == (states.PAID, 1250, 0, 0, 200)
    with later(1801):
        flows.reconcile(paid)
    operation.refresh_from_db()
    assert (operation.outcome, operation.error) == (states.DECLINED, "unconfirmed")
    assert sums(paid) == (states.PAID, 1250, 0, 0, 0)
    assert Operation.objects.filter(open_slot__isnull=False).count() == 0


def look(order: PaymentOrder, *found: OperationResult) -> None:
    """A look-up that shows these operations, and nobody to ask further."""
    answer = OrderResult(order_id=order.order_id, operations=found)
    client = conf.client(conf.current().terminal(order.terminal))
    confirmations.confirm(order, answer, client, Deadline(5))


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
        assert sums(order) == (states.PAID, 1250, 0, 0, 200), odd
    assert {one.kind for one in order.breaks.all()} == {"mismatch", "unknown_result"}
    # not in the list: asked for by its own address, where it is pending
    look(order)
    assert sums(order) == (states.PAID, 1250, 0, 0, 200)
    gateway.advance(60)
    look(order)
    assert sums(order) == (states.PAID, 1250, 0, 200, 0)


def test_an_accepted_refund_that_nobody_knows(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    row = flows.refund(paid, Decimal("2.00"))
    Operation.objects.filter(pk=row.pk).update(outcome=states.ACCEPTED)
    gateway.next_reply(f"/operations/{row.gateway_operation_id}", Reply(404))
    look(paid)
    row.refresh_from_db()
    assert row.outcome == states.ACCEPTED


def test_a_refused_repetition_says_nothing_about_the_first_send(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """The first one is still on its way: given up, the money could go back twice."""
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
    assert (row.outcome, row.sends) == (states.IN_DOUBT, 2)
    assert row.error == "Refused refused PS0027"
    for _ in range(3):
        flows.reconcile(paid)
    row.refresh_from_db()
    assert (row.outcome, row.sends) == (states.IN_DOUBT, 4)
    assert sums(paid) == (states.PAID, 1250, 0, 0, 800)
    with pytest.raises(MoreThanLeft):
        flows.refund(paid, Decimal("8.00"))
    handle(*on_its_way[0])  # it arrives
    flows.reconcile(paid)
    row.refresh_from_db()
    assert row.outcome == states.DONE
    assert sums(paid) == (states.PAID, 1250, 0, 800, 0)
    charge = gateway.charge_of(paid.order_id)
    assert charge is not None
    assert charge.refunded == 800


# -- made at Nexi ----------------------------------------------------------------------


def test_a_refund_made_at_nexi_is_taken_over_once(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    client = conf.client(conf.current().terminal(paid.terminal))
    new_id = client.refund(
        paid.gateway_operation_id, Part(300, "EUR", "elsewhere"), conf.trace()
    )
    flows.reconcile(paid)
    flows.reconcile(paid)
    assert sums(paid) == (states.PAID, 1250, 0, 300, 0)
    row = paid.operations.get(kind=states.REFUND)
    assert (row.gateway_operation_id, row.outcome, row.actor) == (
        new_id,
        states.DONE,
        None,
    )
    with pytest.raises(MoreThanLeft):
        flows.refund(paid, Decimal("9.51"))


def test_one_of_the_same_amount_that_never_left_is_another(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("/refunds", Reply(0, fault="refused"))
    assert flows.refund(paid, Decimal("3.00")).outcome == states.NOT_SENT
    client = conf.client(conf.current().terminal(paid.terminal))
    part = Part(300, "EUR", "elsewhere")
    client.refund(paid.gateway_operation_id, part, conf.trace())
    flows.reconcile(paid)
    assert sums(paid) == (states.PAID, 1250, 0, 300, 0)
    assert [row.outcome for row in paid.operations.filter(kind=states.REFUND)] == [
        states.NOT_SENT,
        states.DONE,
    ]


def test_more_than_there_is_becomes_a_disagreement(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    odd = OperationResult(
        operation_id="odd", type="REFUND", result="EXECUTED", amount=9999
    )
    look = OrderResult(order_id=paid.order_id, operations=(odd,))
    for _ in range(2):
        confirmations.confirm(paid, look, None, Deadline(1))  # type: ignore[arg-type]
    assert sums(paid) == (states.PAID, 1250, 0, 0, 0)
    assert paid.breaks.get().kind == "made_at_nexi"
