"""Captures, voids and refunds: totals from the ledger, no double refund."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import (
    AmountChanged,
    ExceedsRemaining,
    InvalidAmount,
    InvalidState,
    OrderBusy,
    TerminalUnavailable,
)
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.signals import payment_captured, payment_paid
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    inquiry_unanswered_after,
    prove_rejected,
    state_and_amounts,
)
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


# -- capture -------------------------------------------------------------------------


def test_the_whole_amount_is_captured(held: PaymentOrder, gateway: Simulator) -> None:
    operation = flows.capture(held)
    assert (operation.kind, operation.outcome) == (
        OperationKind.CAPTURE,
        OperationOutcome.DONE,
    )
    assert operation.amount == 1250
    assert operation.target_operation_id == held.gateway_operation_id
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)
    assert gateway.charge_of(held.order_id).captured == 1250
    assert (held.unsettled_since, held.next_poll_at) == (None, None)
    assert [event.to_state for event in held.events.all()][-2:] == [
        OrderState.AUTHORIZED,
        OrderState.PAID,
    ]


def test_several_parts_are_captured(held: PaymentOrder, gateway: Simulator) -> None:
    flows.capture(held, Decimal("5.00"), expected_remaining=Decimal("12.50"))
    assert state_and_amounts(held) == (OrderState.PAID, 500, 0, 0, 0)
    flows.capture(held, Decimal("2.50"), expected_remaining=Decimal("7.50"))
    assert state_and_amounts(held) == (OrderState.PAID, 750, 0, 0, 0)
    with pytest.raises(ExceedsRemaining) as error:
        flows.capture(held, Decimal("5.01"))
    assert error.value.remaining == 500
    assert state_and_amounts(held) == (OrderState.PAID, 750, 0, 0, 0)
    flows.capture(held)
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)
    with pytest.raises(ExceedsRemaining):
        flows.capture(held)
    assert gateway.charge_of(held.order_id).captured == 1250
    assert len(calls(gateway, "/captures")) == 3


def test_the_shop_is_told_of_each_part(held: PaymentOrder, gateway: Simulator) -> None:
    told: list[tuple[str, int, int]] = []

    def hear(order: PaymentOrder, event: Event, **kwargs: Any) -> None:
        assert event.operation is not None
        told.append((event.kind, event.operation.amount or 0, order.captured_amount))

    for signal in (payment_paid, payment_captured):
        signal.connect(hear)
    flows.capture(held, Decimal("5.00"))
    flows.capture(held, Decimal("2.50"))
    gateway.fail_next("/captures", status=400, body=b'{"errors": []}')
    assert flows.capture(held).outcome == OperationOutcome.IN_DOUBT
    prove_rejected(held)
    flows.capture(held)
    for signal in (payment_paid, payment_captured):
        signal.disconnect(hear)
    assert told == [("paid", 500, 500), ("captured", 250, 750), ("captured", 500, 1250)]
    last = held.events.last()
    assert last is not None
    assert (last.from_state, last.to_state) == (OrderState.PAID, OrderState.PAID)
    assert last.delivered_at is not None


def test_what_was_booked_at_once_is_not_captured(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    with pytest.raises(InvalidState):
        flows.capture(paid)
    assert calls(gateway, "/captures") == []


# -- void ----------------------------------------------------------------------------


def test_a_hold_is_released(held: PaymentOrder, gateway: Simulator) -> None:
    operation = flows.void(held)
    assert (operation.kind, operation.outcome, operation.result) == (
        OperationKind.VOID,
        OperationOutcome.DONE,
        "VOIDED",
    )
    assert state_and_amounts(held) == (OrderState.VOIDED, 0, 0, 0, 0)
    assert held.live_reference is None
    assert gateway.charge_of(held.order_id).voided
    # at Nexi a void is a refund of the whole authorization
    (call,) = calls(gateway, "/refunds")
    assert call.path == f"/operations/{held.gateway_operation_id}/refunds"


def test_what_was_captured_in_part_is_not_voided(
    held: PaymentOrder, gateway: Simulator
) -> None:
    flows.capture(held, Decimal("1.00"))
    with pytest.raises(InvalidState):
        flows.void(held)
    assert calls(gateway, "/refunds") == []
    assert state_and_amounts(held) == (OrderState.PAID, 100, 0, 0, 0)


def test_a_capture_waits_for_a_void_on_its_way(
    held: PaymentOrder, gateway: Simulator
) -> None:
    inquiry_unanswered_after(gateway, "/refunds")
    operation = flows.void(held)
    assert operation.outcome == OperationOutcome.ACCEPTED
    with pytest.raises(OrderBusy):
        flows.capture(held)
    assert calls(gateway, "/captures") == []
    flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.VOIDED, 0, 0, 0, 0)


# -- refund --------------------------------------------------------------------------


def test_all_of_it_is_given_back(paid: PaymentOrder, gateway: Simulator) -> None:
    operation = flows.refund(paid, expected_remaining=Decimal("12.50"))
    assert (operation.outcome, operation.amount) == (OperationOutcome.DONE, 1250)
    assert operation.target_operation_id == paid.gateway_operation_id
    assert state_and_amounts(paid) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert paid.refunded_at is not None
    assert paid.live_reference is None
    assert gateway.charge_of(paid.order_id).net == 0
    with pytest.raises(InvalidState):
        flows.refund(paid)


def test_parts_are_given_back_and_told(paid: PaymentOrder, gateway: Simulator) -> None:
    flows.refund(paid, Decimal("2.00"))
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)
    event = paid.events.last()
    assert event is not None
    assert (event.kind, event.from_state, event.to_state) == (
        OrderState.REFUNDED,
        OrderState.PAID,
        OrderState.PAID,
    )
    assert event.delivered_at is not None
    with pytest.raises(ExceedsRemaining) as error:
        flows.refund(paid, Decimal("10.51"))
    assert error.value.remaining == 1050
    flows.refund(paid, Decimal("10.50"))
    assert state_and_amounts(paid) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert gateway.charge_of(paid.order_id).refunded == 1250


def test_a_stale_form_is_refused(paid: PaymentOrder, gateway: Simulator) -> None:
    flows.refund(paid, Decimal("2.00"), expected_remaining=Decimal("12.50"))
    with pytest.raises(AmountChanged) as error:
        flows.refund(paid, Decimal("2.00"), expected_remaining=Decimal("12.50"))
    assert error.value.remaining == 1050
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)
    assert len(calls(gateway, "/refunds")) == 1


def test_one_decision_is_one_refund(paid: PaymentOrder, gateway: Simulator) -> None:
    first = flows.refund(paid, Decimal("2.00"), nonce="a" * 32)
    again = flows.refund(paid, Decimal("2.00"), nonce="a" * 32)
    assert first.pk == again.pk
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 200, 0)
    assert len(calls(gateway, "/refunds")) == 1


@pytest.mark.parametrize("verb", [flows.refund, flows.void, flows.cancel_capture])
def test_a_decision_is_of_one_kind(
    held: PaymentOrder, gateway: Simulator, verb: Any
) -> None:
    capture = flows.capture(held, nonce="n")
    before = len(gateway.calls)
    with pytest.raises(InvalidState):
        verb(held, nonce="n")
    assert len(gateway.calls) == before
    assert flows.capture(held, nonce="n") == capture
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)


def test_a_nonce_belongs_to_one_payment(
    shopper: Shopper, paid: PaymentOrder, gateway: Simulator
) -> None:
    flows.refund(paid, Decimal("2.00"), nonce="n")
    other = shopper.pay(new_order())
    with pytest.raises(InvalidState):
        flows.refund(other, Decimal("2.00"), nonce="n")
    assert other.operations.filter(kind=OperationKind.REFUND).count() == 0
    assert len(calls(gateway, "/refunds")) == 1


def test_captures_are_refunded_one_by_one(
    held: PaymentOrder, gateway: Simulator
) -> None:
    first = flows.capture(held, Decimal("5.00"))
    second = flows.capture(held, Decimal("7.50"))
    with pytest.raises(ExceedsRemaining) as error:
        flows.refund(held, Decimal("8.00"), capture=second)
    assert error.value.remaining == 750
    with pytest.raises(ExceedsRemaining):
        flows.refund(held, Decimal("8.00"))  # no capture is that large: no split
    with pytest.raises(ExceedsRemaining):
        flows.refund(held)  # of which one?
    assert calls(gateway, "/refunds") == []
    back = flows.refund(held, Decimal("6.00"), capture=second)
    assert back.target_operation_id == second.gateway_operation_id
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 600, 0)
    back = flows.refund(held, Decimal("5.00"))  # the first whose rest is enough
    assert back.target_operation_id == first.gateway_operation_id
    flows.refund(held)  # only one has a rest
    assert state_and_amounts(held) == (OrderState.REFUNDED, 1250, 0, 1250, 0)
    assert gateway.charge_of(held.order_id).net == 0


# -- a part was captured and refunded: the rest is held --------------------------------


@pytest.fixture
def rest_held(shopper: Shopper) -> PaymentOrder:
    """Of 100.00, 30.00 were captured and refunded."""
    amount = Decimal("100.00")
    order = shopper.pay(new_order(reference="R-3", terminal="manual", amount=amount))
    flows.capture(order, Decimal("30.00"))
    flows.refund(order, Decimal("30.00"))
    assert state_and_amounts(order) == (OrderState.AUTHORIZED, 3000, 0, 3000, 0)
    now = flows.available(order)
    assert (now.capture, now.void, now.refund) == (7000, 7000, None)
    assert order.live_reference == "R-3"
    return order


def test_the_rest_is_captured(rest_held: PaymentOrder, gateway: Simulator) -> None:
    with pytest.raises(ExceedsRemaining) as error:
        flows.capture(rest_held, Decimal("70.01"))
    assert error.value.remaining == 7000
    operation = flows.capture(rest_held)
    assert (operation.outcome, operation.amount) == (OperationOutcome.DONE, 7000)
    assert state_and_amounts(rest_held) == (OrderState.PAID, 10000, 0, 3000, 0)
    assert gateway.charge_of(rest_held.order_id).net == 7000
    assert flows.available(rest_held).refund == 7000


def test_the_rest_is_voided(rest_held: PaymentOrder, gateway: Simulator) -> None:
    """The simulator voids whole authorizations only: its part is played here."""
    made = {"operationId": "void-1", "operationTime": "2026-11-30 10:00:00.000"}
    gateway.next_reply("/refunds", Reply(200, json.dumps(made).encode()))
    operation = flows.void(rest_held)
    assert (operation.outcome, operation.amount) == (OperationOutcome.ACCEPTED, 7000)
    assert calls(gateway, "/refunds")[-1].path == (
        f"/operations/{rest_held.gateway_operation_id}/refunds"
    )
    assert state_and_amounts(rest_held) == (OrderState.AUTHORIZED, 3000, 0, 3000, 0)
    with gateway.store.edit_payment(rest_held.gateway_operation_id) as record:
        record["post_charge"].append(
            {
                **record["post_charge"][-1],
                "id": "void-1",
                "target": rest_held.gateway_operation_id,
                "amount": "7000",
                "outcome": "VOIDED",
            }
        )
    flows.reconcile(rest_held)
    operation.refresh_from_db()
    assert operation.outcome == OperationOutcome.DONE
    assert state_and_amounts(rest_held) == (OrderState.REFUNDED, 3000, 0, 3000, 0)
    assert (rest_held.released_amount, rest_held.live_reference) == (7000, None)


def test_amounts_that_cannot_be(paid: PaymentOrder, gateway: Simulator) -> None:
    for amount in (Decimal("0"), Decimal("-1"), Decimal("1.001"), Decimal("NaN")):
        with pytest.raises(InvalidAmount):
            flows.refund(paid, amount)
    assert calls(gateway, "/refunds") == []
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)


def test_a_terminal_whose_key_is_refused(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    terminal_outages.record(paid.terminal, 401)
    with pytest.raises(TerminalUnavailable):
        flows.refund(paid)
    assert calls(gateway, "/refunds") == []
