"""A reading is written whole, for the version of the order that it was read for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from nexi_payments import conf, flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import OrderBusy
from nexi_payments.flows.inquiry import apply, query
from nexi_payments.flows.inquiry.snapshot import Snapshot
from nexi_payments.flows.ledger import totals
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.responses import OperationResult, OrderResult
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    LAG,
    charge_at_gateway,
    payment_in_doubt,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def client_of(order: PaymentOrder) -> Client:
    return conf.client(conf.current().terminal(order.terminal))


def between_question_and_answer(
    gateway: Simulator, order: PaymentOrder, happens: Callable[[], Any]
) -> None:
    """``happens`` after Nexi has made its answer to the next inquiry, and before that
    arrives."""
    handle = gateway.handle
    asked: list[str] = []

    def slow(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        reply = handle(method, url, headers, body)
        if method == "GET" and url.endswith(order.order_id) and not asked:
            asked.append(url)
            happens()
        return reply

    gateway.handle = slow  # type: ignore[method-assign]


def test_an_answer_from_before_a_refund_does_not_undo_it(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    def refund() -> None:
        flows.refund(PaymentOrder.objects.get(pk=paid.pk), Decimal("2.00"))

    between_question_and_answer(gateway, paid, refund)
    inquiry = query.inquire_and_apply(paid, client_of(paid))
    assert (inquiry.answered, inquiry.applied) == (True, False)
    assert inquiry.error == "the order changed meanwhile"
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)
    row = paid.operations.get(kind=OperationKind.REFUND)
    assert row.outcome == OperationOutcome.DONE


def test_an_answer_from_before_the_settlement_of_a_charge_is_discarded(
    shopper: Shopper, gateway: Simulator
) -> None:
    """It says that nothing was charged, and it is late enough to count."""
    order = payment_in_doubt(shopper)

    def settle() -> None:
        charge_at_gateway(gateway, order)
        flows.reconcile(PaymentOrder.objects.get(pk=order.pk))

    between_question_and_answer(gateway, order, settle)
    with time_travel(LAG + 1):
        inquiry = query.inquire_and_apply(order, client_of(order))
    assert not inquiry.applied
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    charge = order.operations.get(kind=OperationKind.PAYMENT)
    assert (charge.outcome, charge.misses) == (OperationOutcome.DONE, 0)


def test_a_request_asks_again_when_the_order_changed(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    def refund() -> None:
        flows.refund(PaymentOrder.objects.get(pk=paid.pk), Decimal("2.00"))

    between_question_and_answer(gateway, paid, refund)
    assert flows.refund(paid, Decimal("3.00")).outcome == OperationOutcome.DONE
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 500, 0)


def test_an_inquiry_that_changes_nothing_leaves_the_version(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    flows.reconcile(paid)
    before = paid.version
    flows.reconcile(paid)
    assert paid.version == before
    flows.refund(paid, Decimal("2.00"))
    assert paid.version > before


def test_an_id_that_was_taken_meanwhile_writes_nothing(
    paid: PaymentOrder, shopper: Shopper
) -> None:
    """Two orders' inquiries show the same refund at the same moment."""
    other = shopper.pay(new_order(reference="R-2"))
    charge = OperationResult(
        operation_id=other.gateway_operation_id,
        type="AUTHORIZATION",
        result="EXECUTED",
        amount=1250,
    )
    refund = OperationResult(
        operation_id="r-1", type="REFUND", result="EXECUTED", amount=200
    )
    answer = OrderResult(
        order_id=other.order_id,
        amount=1250,
        currency="EUR",
        operations=(charge, refund),
    )
    snapshot = Snapshot.take(other)
    reading = snapshot.read(answer)
    assert [new.minor for new in reading.adopted] == [200]
    first = flows.refund(paid, Decimal("2.00"))
    Operation.objects.filter(pk=first.pk).update(ledger_id="r-1")
    assert apply.apply(other, snapshot, reading, answer, scheduled=False) is None
    assert state_and_amounts(other) == (OrderState.PAID, 1250, 0, 0, 0)
    assert other.version == snapshot.version
    # read again, it is a discrepancy
    again = Snapshot.take(other)
    assert [one.kind for one in again.read(answer).findings] == ["same_id"]


def test_a_reading_that_moves_the_state_needs_its_version_too(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    snapshot = Snapshot.take(order)
    answer = client_of(order).order(order.order_id, conf.call_context())
    reading = snapshot.read(answer)
    assert reading.state == OrderState.PAID
    with transaction.atomic():
        totals.update_totals(order)
    assert apply.apply(order, snapshot, reading, answer, scheduled=False) is None
    assert state_and_amounts(order) == (OrderState.PAYING, 0, 0, 0, 0)
    charge = order.operations.get(kind=OperationKind.PAYMENT)
    assert charge.outcome == OperationOutcome.IN_DOUBT


def test_a_claim_needs_the_version_that_its_inquiry_left(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """Somebody else is always faster: nothing is sent."""
    handle = gateway.handle

    def busy(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        reply = handle(method, url, headers, body)
        if method == "GET":
            gateway.handle = handle  # type: ignore[method-assign]
            flows.refund(PaymentOrder.objects.get(pk=paid.pk), Decimal("1.00"))
            gateway.handle = busy  # type: ignore[method-assign]
        return reply

    gateway.handle = busy  # type: ignore[method-assign]
    with pytest.raises(OrderBusy):
        flows.refund(paid, Decimal("3.00"))
    assert gateway.count("/refunds") == 2
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)
