"""Charges that we did not ask for: their money is refunded, and staff decide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import (
    OperationKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.exceptions import ExceedsRemaining, GatewayDisagrees, InvalidState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    MINUTE,
    charge_at_gateway,
    operation_body,
    reconcile_after,
    state_and_amounts,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def unexpected(shopper: Shopper, gateway: Simulator) -> PaymentOrder:
    """Charged while the shopper was at the issuer: we have sent no charge."""
    order = new_order(reference="R-1")
    shopper.start(order)
    order.refresh_from_db()
    charge_at_gateway(gateway, order)
    reconcile_after(31 * MINUTE)
    assert state_and_amounts(order) == (OrderState.REVIEW, 1250, 0, 0, 0)
    assert order.reason == Reason.UNEXPECTED_CHARGE
    return order


def kinds(order: PaymentOrder) -> list[tuple[str, int | None, str]]:
    """The operations that move money: kind, amount and outcome."""
    rows = order.operations.exclude(kind=OperationKind.AUTHENTICATION)
    return [(row.kind, row.amount, row.outcome) for row in rows.order_by("pk")]


def test_it_has_a_row_that_was_never_sent(unexpected: PaymentOrder) -> None:
    row = unexpected.operations.get(kind=OperationKind.PAYMENT)
    assert (row.amount, row.outcome, row.result) == (1250, "done", "EXECUTED")
    assert (row.sent_at, row.correlation_id) == (None, "")
    assert row.ledger_id == unexpected.gateway_operation_id
    record = unexpected.discrepancies.get()
    assert (record.kind, record.ours, record.theirs) == (
        "unexpected_charge",
        "no charge was sent",
        f"AUTHORIZATION EXECUTED 1250 {unexpected.gateway_operation_id}",
    )


def test_all_of_it_is_refunded_and_the_review_ends(
    unexpected: PaymentOrder, gateway: Simulator
) -> None:
    operation = flows.refund(unexpected)
    assert (operation.kind, operation.outcome) == (OperationKind.REFUND, "done")
    assert state_and_amounts(unexpected) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert (unexpected.live_reference, unexpected.unsettled_since) == (None, None)
    assert gateway.charge_of(unexpected.order_id).net == 0
    assert kinds(unexpected) == [("payment", 1250, "done"), ("refund", 1250, "done")]


def test_a_part_of_it_is_refunded_under_review(unexpected: PaymentOrder) -> None:
    flows.refund(unexpected, Decimal("2.00"))
    assert state_and_amounts(unexpected) == (OrderState.REVIEW, 1250, 0, 200, 0)
    flows.refund(unexpected)
    assert state_and_amounts(unexpected) == (OrderState.REFUNDED, 1250, 0, 1250, 0)


def test_a_person_accepts_it_and_it_is_refunded_later(
    unexpected: PaymentOrder, gateway: Simulator
) -> None:
    with pytest.raises(GatewayDisagrees) as error:
        flows.resolve(unexpected, "failed", reason="we have sent no charge")
    assert error.value.verdict == "charged"
    flows.resolve(unexpected, "paid", reason="the goods are sent")
    assert state_and_amounts(unexpected) == (OrderState.PAID, 1250, 0, 0, 0)
    assert unexpected.live_reference == "R-1"
    assert unexpected.discrepancies.get().resolved_at is not None
    flows.refund(unexpected)
    assert state_and_amounts(unexpected) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert gateway.charge_of(unexpected.order_id).net == 0


def test_one_that_is_only_held_is_voided(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order(terminal="manual")
    shopper.start(order)
    order.refresh_from_db()
    charge_at_gateway(gateway, order, "AUTHORIZED")
    reconcile_after(31 * MINUTE)
    assert state_and_amounts(order) == (OrderState.REVIEW, 0, 0, 0, 0)
    assert flows.available(order).void == 1250
    with pytest.raises(InvalidState):
        flows.refund(order)
    flows.void(order)
    assert state_and_amounts(order) == (OrderState.VOIDED, 0, 0, 0, 0)
    assert gateway.charge_of(order.order_id).voided


# -- two charges -----------------------------------------------------------------------


class SecondCharge:
    """Nexi lists one more charge of the order, and takes refunds of it."""

    def __init__(
        self, gateway: Simulator, order: PaymentOrder, result: str = "EXECUTED"
    ) -> None:
        self.operations = [operation_body(order, result, operationId="second")]
        self.order, self.handle = order, gateway.handle
        gateway.handle = self  # type: ignore[method-assign, assignment]

    @property
    def refunds(self) -> list[str]:
        return [one["operationAmount"] for one in self.operations[1:]]

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        if url.endswith("/operations/second/refunds"):
            return self._refund(json.loads(body)["amount"])
        reply = self.handle(method, url, headers, body)
        if method != "GET" or not url.endswith(f"/orders/{self.order.order_id}"):
            return reply
        response = json.loads(reply.body)
        response["operations"] += self.operations
        return Reply(200, json.dumps(response).encode(), reply.headers)

    def _refund(self, amount: str) -> Reply:
        is_held = self.operations[0]["operationResult"] == "AUTHORIZED"
        made = operation_body(
            self.order,
            "VOIDED" if is_held else "EXECUTED",
            operationId=f"back-{len(self.operations)}",
            operationType="REFUND",
            operationAmount=amount,
        )
        self.operations.append(made)
        body = {"operationId": made["operationId"], "operationTime": "x"}
        return Reply(200, json.dumps(body).encode())


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


@pytest.fixture
def second(paid: PaymentOrder, gateway: Simulator) -> SecondCharge:
    found = SecondCharge(gateway, paid)
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.REVIEW, 2500, 0, 0, 0)
    assert paid.reason == "two_authorizations"
    assert kinds(paid) == [
        ("validation", None, "done"),
        ("payment", 1250, "done"),
        ("payment", 1250, "done"),
    ]
    return found


def test_two_charges_are_named_one_by_one(
    paid: PaymentOrder, second: SecondCharge, gateway: Simulator
) -> None:
    with pytest.raises(ExceedsRemaining) as error:
        flows.refund(paid)  # of which one?
    assert error.value.remaining == 1250
    ours, theirs = (one.operation for one in flows.available(paid).captures)
    assert (ours.gateway_operation_id, theirs.gateway_operation_id) == (
        paid.gateway_operation_id,
        "second",
    )
    operation = flows.refund(paid, capture=theirs)
    assert (operation.target_operation_id, operation.amount) == ("second", 1250)
    assert second.refunds == ["1250"]
    assert state_and_amounts(paid) == (OrderState.REVIEW, 2500, 0, 1250, 0)
    assert gateway.charge_of(paid.order_id).net == 1250


def test_one_of_two_charges_is_refunded_and_the_other_is_kept(
    paid: PaymentOrder, second: SecondCharge
) -> None:
    with pytest.raises(GatewayDisagrees) as error:
        flows.resolve(paid, "paid", reason="charged twice")
    assert error.value.verdict == "too_much"
    theirs = flows.available(paid).captures[1].operation
    flows.refund(paid, capture=theirs)
    flows.resolve(paid, "paid", reason="the second one is refunded")
    assert state_and_amounts(paid) == (OrderState.PAID, 2500, 0, 1250, 0)
    operation = flows.refund(paid, Decimal("2.00"))  # only one has a rest
    assert operation.target_operation_id == paid.gateway_operation_id
    assert state_and_amounts(paid) == (OrderState.PAID, 2500, 0, 1450, 0)


def test_both_charges_are_refunded_and_the_review_ends(
    paid: PaymentOrder, second: SecondCharge, gateway: Simulator
) -> None:
    for one in flows.available(paid).captures:
        flows.refund(paid, capture=one.operation)
    assert state_and_amounts(paid) == (OrderState.REFUNDED, 2500, 0, 2500, 0)
    assert second.refunds == ["1250"]
    assert gateway.charge_of(paid.order_id).net == 0
    outcomes = {row.outcome for row in paid.operations.all()}
    assert outcomes == {OperationOutcome.DONE}


def test_a_refund_before_the_second_charge_was_of_the_first(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    flows.refund(paid, Decimal("2.00"))
    SecondCharge(gateway, paid)
    flows.reconcile(paid)
    assert state_and_amounts(paid) == (OrderState.REVIEW, 2500, 0, 200, 0)
    assert [one.remaining for one in flows.available(paid).captures] == [1050, 1250]


def test_a_charge_is_not_cancelled(paid: PaymentOrder, second: SecondCharge) -> None:
    flows.refund(paid, capture=flows.available(paid).captures[1].operation)
    flows.resolve(paid, "paid", reason="the second one is refunded")
    ours: Any = flows.available(paid).captures[0]
    assert ours.cancel is None
    with pytest.raises(InvalidState):
        flows.cancel_capture(paid, ours.operation)


def test_two_held_charges_are_voided_one_by_one(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    second = SecondCharge(gateway, order, "AUTHORIZED")
    flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.REVIEW, 0, 0, 0, 0)
    assert order.reason == Reason.TWO_AUTHORIZATIONS
    first = flows.void(order)
    assert (first.amount, first.outcome) == (1250, "done")
    assert first.target_operation_id == order.gateway_operation_id
    assert (second.refunds, order.state) == ([], OrderState.REVIEW)
    assert flows.available(order).void == 1250
    other = flows.void(order)
    assert (other.amount, other.outcome) == (1250, "done")
    assert (other.target_operation_id, second.refunds) == ("second", ["1250"])
    assert state_and_amounts(order) == (OrderState.VOIDED, 0, 0, 0, 0)
    assert (order.authorized_amount, order.released_amount) == (2500, 2500)
