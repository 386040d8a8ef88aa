"""Operations after the charge match ours by order, currency, amount and id.

How entries are matched is in reading/test_matching.py. Here are responses by the whole
road, and ids of Nexi that two operations of ours would have.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    HOUR,
    operation_body,
    order_reply,
    prove_absent,
    prove_rejected,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def refund_entry(order: PaymentOrder, id_: str, **changes: Any) -> dict[str, Any]:
    return {
        **operation_body(order, "EXECUTED"),
        "operationId": id_,
        "operationType": "REFUND",
        "operationAmount": "200",
        **changes,
    }


def show(gateway: Simulator, order: PaymentOrder, *entries: dict[str, Any]) -> None:
    """The next inquiry shows the charge and these."""
    charge = operation_body(order, "EXECUTED")
    path = f"/orders/{order.order_id}"
    gateway.next_reply(path, order_reply(order, charge, *entries))


def answer_with_id(gateway: Simulator, id_: str) -> None:
    """The next refund is accepted with this id."""
    reply = Reply(200, json.dumps({"operationId": id_}).encode())
    gateway.next_reply("/refunds", reply)


def discrepancies(order: PaymentOrder) -> list[tuple[str, str, str]]:
    rows = order.discrepancies.order_by("pk")
    return [(one.kind, one.ours, one.theirs) for one in rows]


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"orderId": "ANOTHER"}, "orderId"),
        ({"operationCurrency": "USD"}, "operationCurrency"),
        ({"operationAmount": "9999.00"}, "operationAmount"),
    ],
)
def test_what_is_not_ours_is_neither_adopted_nor_confirms(
    paid: PaymentOrder, gateway: Simulator, change: dict[str, str], member: str
) -> None:
    show(gateway, paid)
    answer_with_id(gateway, "n-1")
    for _ in range(2):
        show(gateway, paid, refund_entry(paid, "n-1", **change))
    row = flows.refund(paid, Decimal("2.00"))
    flows.reconcile(paid)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.ACCEPTED
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 200)
    ours = f"{paid.order_id} EUR"
    theirs = f"{member} of REFUND n-1"
    assert discrepancies(paid) == [("mismatch", ours, theirs)]
    # the same with matching members does
    show(gateway, paid, refund_entry(paid, "n-1"))
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"orderId": "ANOTHER"},
        {"operationCurrency": "USD"},
        {"operationAmount": "9999.00"},
    ],
)
def test_a_refund_of_something_else_is_not_adopted(
    paid: PaymentOrder, gateway: Simulator, change: dict[str, str]
) -> None:
    show(gateway, paid, refund_entry(paid, "n-1", **change))
    flows.reconcile(paid)
    assert not paid.operations.filter(kind=OperationKind.REFUND).exists()
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)


def test_an_entry_that_cannot_be_read_is_no_absence(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    """Otherwise the request would be sent again, and given up in the end."""
    gateway.next_reply("/refunds", Reply(500))
    row = flows.refund(paid, Decimal("2.00"))
    for _ in range(3):
        show(gateway, paid, refund_entry(paid, "n-1", operationAmount="2,00"))
    prove_absent(paid)
    row.refresh_from_db()
    assert (row.outcome, row.send_count, row.misses) == (
        OperationOutcome.IN_DOUBT,
        1,
        0,
    )
    assert gateway.count("/refunds") == 1


def test_one_id_in_two_answers_is_one_refund(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    first = flows.refund(paid, Decimal("2.00"))
    id_ = first.gateway_operation_id
    assert (first.outcome, first.ledger_id) == (OperationOutcome.DONE, id_)
    answer_with_id(gateway, id_)
    second = flows.refund(paid, Decimal("2.00"))
    # the outcome is stored, and the amount stays reserved
    assert (second.outcome, second.gateway_operation_id, second.ledger_id) == (
        OperationOutcome.ACCEPTED,
        id_,
        None,
    )
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 200)
    assert discrepancies(paid) == [
        ("same_id", "another operation has it", f"refund {id_}")
    ]


def test_the_id_of_the_charge_is_no_refund(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    answer_with_id(gateway, paid.gateway_operation_id)
    row = flows.refund(paid)
    for hours in (1, 20):
        with time_travel(hours * HOUR):
            flows.reconcile(paid)
    row.refresh_from_db()
    assert (row.outcome, row.send_count) == (OperationOutcome.ACCEPTED, 1)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 1250)
    theirs = f"refund {paid.gateway_operation_id}"
    assert discrepancies(paid) == [("same_id", "another operation has it", theirs)]


def test_an_id_of_another_order_is_not_adopted(
    paid: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    id_ = flows.refund(paid, Decimal("2.00")).gateway_operation_id
    other = shopper.pay(new_order(reference="R-2"))
    show(gateway, other, refund_entry(other, id_))
    flows.reconcile(other)
    assert state_and_amounts(other) == (OrderState.PAID, 1250, 0, 0, 0)
    assert discrepancies(other) == [
        (
            "same_id",
            "an operation of another payment",
            f"REFUND EXECUTED 200 {id_}",
        )
    ]
    assert Operation.objects.get(ledger_id=id_).order == paid


def test_an_id_of_another_order_confirms_nothing_and_proves_nothing(
    paid: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    """Ours was rejected. An entry of its kind and amount has the id of another order's
    refund: it is not ours, and a list that shows it proves no absence."""
    id_ = flows.refund(paid, Decimal("2.00")).gateway_operation_id
    other = shopper.pay(new_order(reference="R-2"))
    gateway.next_reply("/refunds", Reply(400, b'{"errors": [{"code": "GW0001"}]}'))
    row = flows.refund(other, Decimal("2.00"))
    for _ in range(2):
        show(gateway, other, refund_entry(other, id_))
    prove_rejected(other)
    row.refresh_from_db()
    assert (row.outcome, row.misses) == (OperationOutcome.IN_DOUBT, 0)
    assert state_and_amounts(other) == (OrderState.PAID, 1250, 0, 0, 200)


def test_an_id_of_another_order_hides_nothing_else(
    paid: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    """It is shown in each inquiry, and each is written."""
    id_ = flows.refund(paid, Decimal("2.00")).gateway_operation_id
    other = shopper.pay(new_order(reference="R-2"))
    foreign = refund_entry(other, id_)
    show(gateway, other, foreign)
    flows.reconcile(other)
    show(gateway, other, foreign, refund_entry(other, "n-1"))
    flows.reconcile(other)
    assert state_and_amounts(other) == (OrderState.PAID, 1250, 0, 200, 0)
    assert [kind for kind, *_ in discrepancies(other)] == ["same_id"]


def test_our_answer_with_an_id_of_another_order_hides_nothing_else(
    paid: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    id_ = flows.refund(paid, Decimal("2.00")).gateway_operation_id
    other = shopper.pay(new_order(reference="R-2"))
    answer_with_id(gateway, id_)
    row = flows.refund(other, Decimal("2.00"))
    assert (row.outcome, row.ledger_id) == (OperationOutcome.ACCEPTED, None)
    show(gateway, other, refund_entry(other, id_), refund_entry(other, "n-1"))
    flows.reconcile(other)
    assert state_and_amounts(other) == (OrderState.PAID, 1250, 0, 200, 200)


@pytest.mark.parametrize("sent", [False, True])
def test_one_id_for_a_charge_and_its_capture_is_no_error(
    shopper: Shopper, gateway: Simulator, sent: bool
) -> None:
    """The money counts, and a person is told."""
    order = shopper.pay(new_order(reference="R-3", terminal="manual"))
    charge = operation_body(order, "AUTHORIZED")
    capture = {**operation_body(order, "EXECUTED"), "operationType": "CAPTURE"}
    path = f"/orders/{order.order_id}"
    if sent:
        answer = json.dumps({"operationId": order.gateway_operation_id})
        gateway.next_reply("/captures", Reply(200, answer.encode()))
        flows.capture(order)
    for _ in range(2):
        gateway.next_reply(path, order_reply(order, charge, capture))
        flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    row = order.operations.get(kind=OperationKind.CAPTURE)
    assert (row.gateway_operation_id, row.ledger_id) == (
        order.gateway_operation_id,
        None,
    )
    assert {kind for kind, *_ in discrepancies(order)} == {"same_id"}
