"""``operations.run``: claim, send once, settle in any case."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction

from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import OrderBusy, OutcomeNotRecorded, UnknownOutcome
from nexi_payments.flows.capture_refund import PostChargeCall
from nexi_payments.flows.contract_charges import _ContractCharge
from nexi_payments.flows.ledger import operations
from nexi_payments.flows.ledger.charge import Charge
from nexi_payments.flows.ledger.operations import OperationUpdate
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.moto import _MotoCharge
from nexi_payments.flows.three_ds import _Authentication
from nexi_payments.flows.three_ds_return import (
    _ChargeAfterValidation,
    _ChargeWithPares,
    _Validation,
)
from nexi_payments.models import Event, Operation, PaymentOrder
from tests.support.fault_injection import STORES_OUTCOME, database_fails
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

PAID = OperationUpdate(
    OperationOutcome.DONE, OrderState.PAID, order={"captured_amount": 1250}
)


@dataclass(repr=False, eq=False)
class Call(Charge):
    """A charge whose request and answer are the test's."""

    kind = OperationKind.MOTO
    source: str
    request: Callable[[Operation], Any]
    update: Callable[[Any], OperationUpdate]
    settle: Callable[[OperationUpdate], None]

    def send(self, operation: Operation) -> Any:
        return self.request(operation)

    def on_answer(self, answer: Any) -> OperationUpdate:
        return self.update(answer)

    def on_settle(self, update: OperationUpdate) -> None:
        self.settle(update)


def perform(
    order: PaymentOrder,
    send: Any,
    *,
    source: str = OrderState.INIT,
    on_answer: Any = lambda answer: PAID,
    on_settle: Any = lambda update: None,
    actor: Actor = NO_ACTOR,
) -> Call:
    nowhere: Any = None
    call = Call(order, nowhere, nowhere, actor, source, send, on_answer, on_settle)
    operations.run(call)
    return call


def test_the_intent_is_on_disk_before_the_request_leaves(order: PaymentOrder) -> None:
    seen: list[Any] = []

    def send(operation: Operation) -> str:
        assert not connection.in_atomic_block
        row = Operation.objects.get(pk=operation.pk)
        seen.append((row.outcome, row.unsettled_order_id, row.amount, row.order.state))
        return "answer"

    call = perform(order, send, actor=Actor(address="192.0.2.1"))
    assert (call.answer, call.operation) == ("answer", order.operations.get())
    assert seen == [("open", order.pk, 1250, "paying")]
    operation = order.operations.get()
    assert (operation.outcome, operation.unsettled_order_id) == ("done", None)
    assert operation.settled_at is not None
    assert operation.address == "192.0.2.1"
    assert order.state == OrderState.PAID
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)


def test_a_wrong_state_sends_nothing(order: PaymentOrder) -> None:
    with pytest.raises(OrderBusy):
        perform(order, pytest.fail, source=OrderState.VALIDATED)
    assert not order.operations.exists()
    order.refresh_from_db()
    assert order.state == OrderState.INIT


def test_an_unsettled_operation_keeps_others_out(order: PaymentOrder) -> None:
    def nested(operation: Operation) -> str:
        with pytest.raises(OrderBusy):
            perform(order, pytest.fail, source=OrderState.PAYING)
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
    assert (operation.outcome, operation.unsettled_order_id) == ("in_doubt", order.pk)
    order.refresh_from_db()
    assert order.state == OrderState.PAYING


def test_a_defect_in_the_table_leaves_the_charge_in_doubt(order: PaymentOrder) -> None:
    def broken(answer: str) -> OperationUpdate:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        perform(order, lambda operation: "answer", on_answer=broken)
    assert order.operations.get().outcome == OperationOutcome.IN_DOUBT


def test_an_error_in_the_second_commit_leaves_the_charge_in_doubt(
    order: PaymentOrder,
) -> None:
    """The instances are as the row is: the outcome is written all the same."""
    seen: list[str] = []

    def broken(update: OperationUpdate) -> None:
        seen.append(order.state)
        if update is PAID:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        perform(order, lambda operation: "answer", on_settle=broken)
    assert (seen, order.state) == ([OrderState.PAID, OrderState.PAYING], "paying")
    operation = order.operations.get()
    assert (operation.outcome, operation.error) == ("in_doubt", "ZeroDivisionError")
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAYING, 0)


def test_a_call_shows_nothing_of_itself(order: PaymentOrder) -> None:
    call = perform(order, lambda operation: "secret")
    assert re.fullmatch(r"<[\w.]+Call object at 0x\w+>", repr(call))
    calls = (_Authentication, _Validation, _ChargeWithPares, _ChargeAfterValidation)
    for kind in (*calls, _MotoCharge, _ContractCharge, PostChargeCall):
        assert kind.__repr__ is object.__repr__


def test_a_late_answer_cannot_undo_a_reconciliation(order: PaymentOrder) -> None:
    def slow(operation: Operation) -> str:
        other = PaymentOrder.objects.get(pk=order.pk)
        refused = OperationUpdate(
            OperationOutcome.DECLINED, OrderState.FAILED, "unconfirmed"
        )
        assert operations.settle_order(other, refused)
        return "answer"

    perform(order, slow)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, "unconfirmed")
    assert order.operations.get().outcome == OperationOutcome.DECLINED


def test_a_conclusion_on_a_changed_order_writes_nothing(order: PaymentOrder) -> None:
    stale = PaymentOrder.objects.get(pk=order.pk)
    perform(order, lambda operation: "answer")
    before = list(Event.objects.values())
    refused = OperationUpdate(OperationOutcome.DECLINED, OrderState.FAILED, "expired")
    assert not operations.settle_order(stale, refused)
    assert stale.state == OrderState.PAID
    assert list(Event.objects.values()) == before


def test_the_final_commit_fails(order: PaymentOrder, caplog: Any) -> None:
    with database_fails(*STORES_OUTCOME), pytest.raises(OutcomeNotRecorded) as caught:
        perform(order, lambda operation: "answer")
    operation = order.operations.get()
    assert caught.value.correlation_id == operation.correlation_id
    assert caught.value.__context__ is None
    order.refresh_from_db()
    assert order.state == OrderState.PAYING  # the mark stays: reconciliation finds out
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
    results: list[str] = []
    start = threading.Barrier(30)

    def work() -> None:
        mine = PaymentOrder.objects.get(pk=order.pk)
        start.wait()
        try:
            perform(mine, lambda operation: sent.append(1))
            results.append("sent")
        except OrderBusy:
            results.append("busy")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == [1]
    assert sorted(results) == ["busy"] * 29 + ["sent"]
    assert order.operations.count() == 1
