"""Operations after the charge match ours by order, currency, amount and id."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import conf, flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.flows.inquiry import confirmations
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.responses import OperationResult, OrderResult
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import operation_body, order_reply, state_and_amounts
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

ELSEWHERE = OperationResult(
    operation_id="n-1", type="REFUND", result="EXECUTED", amount=200
)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def look(order: PaymentOrder, *found: OperationResult) -> None:
    answer = OrderResult(order_id=order.order_id, operations=found)
    client = conf.client(conf.current().terminal(order.terminal))
    confirmations.settle_post_charge(order, answer, client, Deadline(5))


def disagreements(order: PaymentOrder) -> list[tuple[str, str]]:
    return [(one.kind, one.theirs) for one in order.discrepancies.order_by("id")]


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"order_id": "ANOTHER"}, "orderId"),
        ({"currency": "USD"}, "operationCurrency"),
        ({"amount": None, "invalid_members": ("amount",)}, "operationAmount"),
    ],
)
def test_what_is_not_ours_is_not_adopted(
    paid: PaymentOrder, change: dict[str, Any], member: str
) -> None:
    for _ in range(2):
        look(paid, replace(ELSEWHERE, **change))
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert not paid.operations.filter(kind=OperationKind.REFUND).exists()
    assert disagreements(paid) == [("mismatch", f"{member} of REFUND n-1")]
    # the same with matching or absent members is
    look(paid, replace(ELSEWHERE, order_id=paid.order_id, currency="EUR"))
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"orderId": "ANOTHER"},
        {"operationCurrency": "USD"},
        {"operationAmount": "9999.00"},
    ],
)
def test_what_is_not_ours_confirms_nothing(
    shopper: Shopper, gateway: Simulator, change: dict[str, Any]
) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    row = flows.refund(order, Decimal("2.00"))
    assert row.outcome == OperationOutcome.ACCEPTED
    entry = {
        **operation_body(order, "EXECUTED"),
        "operationId": row.gateway_operation_id,
        "operationType": "REFUND",
        "operationAmount": "200",
        **change,
    }
    gateway.next_reply(
        f"/orders/{order.order_id}",
        order_reply(order, operation_body(order, "EXECUTED"), entry),
    )
    gateway.next_reply("/operations/", details_of(entry))
    flows.reconcile(order)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.ACCEPTED
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 200)
    assert {kind for kind, _ in disagreements(order)} == {"mismatch"}


def details_of(entry: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(entry).encode())


def test_an_entry_that_cannot_be_read_is_no_absence(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """Otherwise the request would be sent again, and given up in the end."""
    unreadable = replace(ELSEWHERE, amount=None, invalid_members=("amount",))
    row = Operation.objects.create(
        order=paid,
        kind=OperationKind.REFUND,
        outcome=OperationOutcome.IN_DOUBT,
        unsettled_order_id=paid.pk,
        amount=200,
        correlation_id="c-1",
        idempotency_key="k-1",
        target_operation_id=paid.gateway_operation_id,
        created_at=paid.created_at,
    )
    look(paid, unreadable)
    row.refresh_from_db()
    assert (row.outcome, row.send_count) == (OperationOutcome.IN_DOUBT, 1)
    assert not [call for call in gateway.calls if call.path.endswith("/refunds")]
    look(paid)
    row.refresh_from_db()
    assert (row.outcome, row.send_count) == (OperationOutcome.ACCEPTED, 2)


def test_one_id_is_one_refund_of_one_order(
    shopper: Shopper, gateway: Simulator, paid: PaymentOrder
) -> None:
    first = flows.refund(paid, Decimal("2.00"))
    assert first.outcome == OperationOutcome.DONE
    gateway.next_reply(
        "/refunds", details_of({"operationId": first.gateway_operation_id})
    )
    second = flows.refund(paid, Decimal("2.00"))
    assert (second.outcome, second.gateway_operation_id) == (
        OperationOutcome.ACCEPTED,
        first.gateway_operation_id,
    )
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 200)
    theirs = f"REFUND {first.gateway_operation_id}"
    assert disagreements(paid) == [("same_id", theirs)]
    # listed with another order it is not adopted there
    other = shopper.pay(new_order(reference="R-2"))
    look(other, replace(ELSEWHERE, operation_id=first.gateway_operation_id))
    assert state_and_amounts(other) == (OrderState.PAID, 1250, 0, 0, 0)
    assert disagreements(other) == [
        ("same_id", f"REFUND 200 {first.gateway_operation_id}")
    ]


def test_the_id_of_the_charge_is_no_refund(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply(
        "/refunds", details_of({"operationId": paid.gateway_operation_id})
    )
    gateway.next_reply(
        "/operations/",
        details_of(
            {
                "operationId": paid.gateway_operation_id,
                "operationResult": "EXECUTED",
                "operationAmount": "1250",
            }
        ),
    )
    row = flows.refund(paid)
    assert row.outcome == OperationOutcome.ACCEPTED
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 1250)
    assert disagreements(paid) == [("same_id", f" {paid.gateway_operation_id}")]
