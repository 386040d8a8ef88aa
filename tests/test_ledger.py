"""The one road: claim, send once, settle whatever happens."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from nexi_payments import states
from nexi_payments.exceptions import OrderBusy, OutcomeNotRecorded, UnknownOutcome
from nexi_payments.flows import ledger, verdicts
from nexi_payments.flows.ledger import Actor, Claim, Settlement
from nexi_payments.models import Event, Operation, PaymentOrder
from tests.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

PAYING = Claim(states.INIT, states.PAYING)
PAID = Settlement(states.DONE, states.PAID, order={"captured_amount": 1250})


def perform(order: PaymentOrder, send: Any, **changes: Any) -> Any:
    options = {
        "claim": PAYING,
        "conclude": lambda answer: PAID,
        "after": verdicts.after_charge,
        **changes,
    }
    return ledger.perform(order, states.MOTO, send=send, amount=order.amount, **options)


def test_the_intent_is_on_disk_before_the_request_leaves(order: PaymentOrder) -> None:
    seen: list[Any] = []

    def send(operation: Operation) -> str:
        assert not connection.in_atomic_block
        row = Operation.objects.get(pk=operation.pk)
        seen.append((row.outcome, row.open_slot, row.amount, row.order.state))
        return "answer"

    assert perform(order, send, actor=Actor(address="192.0.2.1")) == "answer"
    assert seen == [("open", order.pk, 1250, "paying")]
    operation = order.operations.get()
    assert (operation.outcome, operation.open_slot) == ("done", None)
    assert operation.settled_at is not None
    assert operation.address == "192.0.2.1"
    assert order.state == states.PAID
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (states.PAID, 1250)


def test_a_wrong_state_sends_nothing(order: PaymentOrder) -> None:
    with pytest.raises(OrderBusy):
        perform(order, pytest.fail, claim=Claim(states.VALIDATED, states.PAYING))
    assert not order.operations.exists()
    order.refresh_from_db()
    assert order.state == states.INIT


def test_an_unsettled_operation_keeps_others_out(order: PaymentOrder) -> None:
    def nested(operation: Operation) -> str:
        with pytest.raises(OrderBusy):
            perform(order, pytest.fail, claim=Claim(states.PAYING))
        return "answer"

    perform(order, nested)
    assert order.operations.count() == 1


@pytest.mark.parametrize("error", [UnknownOutcome("x"), KeyboardInterrupt(), OSError()])
def test_an_error_leaves_the_charge_in_doubt_and_goes_on(
    order: PaymentOrder, error: BaseException
) -> None:
    def send(operation: Operation) -> None:
        raise error

    with pytest.raises(type(error)):
        perform(order, send)
    operation = order.operations.get()
    assert (operation.outcome, operation.open_slot) == ("in_doubt", order.pk)
    order.refresh_from_db()
    assert order.state == states.PAYING


def test_a_defect_in_the_table_leaves_the_charge_in_doubt(order: PaymentOrder) -> None:
    def broken(answer: str) -> Settlement:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        perform(order, lambda operation: "answer", conclude=broken)
    assert order.operations.get().outcome == states.IN_DOUBT


def test_a_late_answer_cannot_undo_a_reconciliation(order: PaymentOrder) -> None:
    def slow(operation: Operation) -> str:
        other = PaymentOrder.objects.get(pk=order.pk)
        refused = Settlement(states.DECLINED, states.FAILED, "unconfirmed")
        assert ledger.conclude(other, refused)
        return "answer"

    perform(order, slow)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, "unconfirmed")
    assert order.operations.get().outcome == states.DECLINED


def test_a_conclusion_on_a_changed_order_writes_nothing(order: PaymentOrder) -> None:
    stale = PaymentOrder.objects.get(pk=order.pk)
    perform(order, lambda operation: "answer")
    before = list(Event.objects.values())
    refused = Settlement(states.DECLINED, states.FAILED, "expired")
    assert not ledger.conclude(stale, refused)
    assert stale.state == states.PAID
    assert list(Event.objects.values()) == before


def test_the_final_commit_fails(
    order: PaymentOrder, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def locked(*args: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(ledger, "_close", locked)
    with pytest.raises(OutcomeNotRecorded) as caught:
        perform(order, lambda operation: "answer")
    operation = order.operations.get()
    assert caught.value.correlation_id == operation.correlation_id
    assert caught.value.__context__ is None
    order.refresh_from_db()
    assert order.state == states.PAYING  # the mark stays: reconciliation finds out
    critical = [r.getMessage() for r in caplog.records if r.levelname == "CRITICAL"]
    assert len(critical) == 1
    assert operation.correlation_id in critical[0]
    assert order.order_id in critical[0]


def test_inside_a_transaction_is_a_loud_error(order: PaymentOrder) -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        perform(order, pytest.fail)
    assert not order.operations.exists()


def test_thirty_at_once_send_once() -> None:
    order = new_order()
    sent: list[int] = []
    outcomes: list[str] = []
    start = threading.Barrier(30)

    def work() -> None:
        mine = PaymentOrder.objects.get(pk=order.pk)
        start.wait()
        try:
            perform(mine, lambda operation: sent.append(1))
            outcomes.append("sent")
        except OrderBusy:
            outcomes.append("busy")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == [1]
    assert sorted(outcomes) == ["busy"] * 29 + ["sent"]
    assert order.operations.count() == 1
