"""Captures, voids and refunds: one road, sums from the ledger, nothing given twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows, states
from nexi_payments.exceptions import (
    AmountChanged,
    InvalidAmount,
    MoreThanLeft,
    OrderBusy,
    TerminalUnavailable,
    WrongState,
)
from nexi_payments.flows import alarms
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.signals import payment_captured, payment_paid
from nexi_payments.simulator import Reply, Simulator
from tests.doubt import sums
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


# -- capture -------------------------------------------------------------------------


def test_the_whole_amount_is_captured(held: PaymentOrder, gateway: Simulator) -> None:
    operation = flows.capture(held)
    assert (operation.kind, operation.outcome) == (states.CAPTURE, states.DONE)
    assert operation.amount == 1250
    assert operation.target == held.gateway_operation_id
    assert sums(held) == (states.PAID, 1250, 0, 0, 0)
    assert gateway.charge_of(held.order_id).captured == 1250
    assert (held.unsettled_since, held.due_at) == (None, None)
    assert [event.to_state for event in held.events.all()][-2:] == [
        states.AUTHORIZED,
        states.PAID,
    ]


def test_several_parts_are_captured(held: PaymentOrder, gateway: Simulator) -> None:
    flows.capture(held, Decimal("5.00"), seen=Decimal("12.50"))
    assert sums(held) == (states.PAID, 500, 0, 0, 0)
    flows.capture(held, Decimal("2.50"), seen=Decimal("7.50"))
    assert sums(held) == (states.PAID, 750, 0, 0, 0)
    with pytest.raises(MoreThanLeft) as error:
        flows.capture(held, Decimal("5.01"))
    assert error.value.left == 500
    assert sums(held) == (states.PAID, 750, 0, 0, 0)
    flows.capture(held)
    assert sums(held) == (states.PAID, 1250, 0, 0, 0)
    with pytest.raises(MoreThanLeft):
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
    assert flows.capture(held).outcome == states.DECLINED
    flows.capture(held)
    for signal in (payment_paid, payment_captured):
        signal.disconnect(hear)
    assert told == [("paid", 500, 500), ("captured", 250, 750), ("captured", 500, 1250)]
    last = held.events.last()
    assert last is not None
    assert (last.from_state, last.to_state) == (states.PAID, states.PAID)
    assert last.delivered_at is not None


def test_what_was_booked_at_once_is_not_captured(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    with pytest.raises(WrongState):
        flows.capture(paid)
    assert calls(gateway, "/captures") == []


# -- void ----------------------------------------------------------------------------


def test_a_hold_is_released(held: PaymentOrder, gateway: Simulator) -> None:
    operation = flows.void(held)
    assert (operation.kind, operation.outcome, operation.result) == (
        states.VOID,
        states.DONE,
        "VOIDED",
    )
    assert sums(held) == (states.VOIDED, 0, 0, 0, 0)
    assert held.live_reference is None
    assert gateway.charge_of(held.order_id).voided
    # Nexi's way: a refund of all of it, on the authorization
    (call,) = calls(gateway, "/refunds")
    assert call.path == f"/operations/{held.gateway_operation_id}/refunds"


def test_what_was_captured_in_part_is_not_voided(
    held: PaymentOrder, gateway: Simulator
) -> None:
    flows.capture(held, Decimal("1.00"))
    with pytest.raises(WrongState):
        flows.void(held)
    assert calls(gateway, "/refunds") == []
    assert sums(held) == (states.PAID, 100, 0, 0, 0)


def test_a_capture_waits_for_a_void_on_its_way(
    held: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("/orders/", Reply(500))
    operation = flows.void(held)
    assert operation.outcome == states.ACCEPTED
    with pytest.raises(OrderBusy):
        flows.capture(held)
    assert calls(gateway, "/captures") == []
    flows.reconcile(held)
    assert sums(held) == (states.VOIDED, 0, 0, 0, 0)


# -- refund --------------------------------------------------------------------------


def test_all_of_it_is_given_back(paid: PaymentOrder, gateway: Simulator) -> None:
    operation = flows.refund(paid, seen=Decimal("12.50"))
    assert (operation.outcome, operation.amount) == (states.DONE, 1250)
    assert operation.target == paid.gateway_operation_id
    assert sums(paid) == (states.REFUNDED, 1250, 0, 1250, 0)
    assert paid.refunded_at is not None
    assert paid.live_reference is None
    assert gateway.charge_of(paid.order_id).net == 0
    with pytest.raises(WrongState):
        flows.refund(paid)


def test_parts_are_given_back_and_told(paid: PaymentOrder, gateway: Simulator) -> None:
    flows.refund(paid, Decimal("2.00"))
    assert sums(paid) == (states.PAID, 1250, 0, 200, 0)
    event = paid.events.last()
    assert event is not None
    assert (event.kind, event.from_state, event.to_state) == (
        states.REFUNDED,
        states.PAID,
        states.PAID,
    )
    assert event.delivered_at is not None
    with pytest.raises(MoreThanLeft) as error:
        flows.refund(paid, Decimal("10.51"))
    assert error.value.left == 1050
    flows.refund(paid, Decimal("10.50"))
    assert sums(paid) == (states.REFUNDED, 1250, 0, 1250, 0)
    assert gateway.charge_of(paid.order_id).refunded == 1250


def test_a_stale_form_is_refused(paid: PaymentOrder, gateway: Simulator) -> None:
    flows.refund(paid, Decimal("2.00"), seen=Decimal("12.50"))
    with pytest.raises(AmountChanged) as error:
        flows.refund(paid, Decimal("2.00"), seen=Decimal("12.50"))
    assert error.value.left == 1050
    assert sums(paid) == (states.PAID, 1250, 0, 200, 0)
    assert len(calls(gateway, "/refunds")) == 1


def test_one_decision_is_one_refund(paid: PaymentOrder, gateway: Simulator) -> None:
    first = flows.refund(paid, Decimal("2.00"), nonce="a" * 32)
    again = flows.refund(paid, Decimal("2.00"), nonce="a" * 32)
    assert first.pk == again.pk
    assert sums(paid) == (states.PAID, 1250, 0, 200, 0)
    assert len(calls(gateway, "/refunds")) == 1


def test_captures_are_refunded_one_by_one(
    held: PaymentOrder, gateway: Simulator
) -> None:
    first = flows.capture(held, Decimal("5.00"))
    second = flows.capture(held, Decimal("7.50"))
    with pytest.raises(MoreThanLeft) as error:
        flows.refund(held, Decimal("8.00"), capture=second)
    assert error.value.left == 750
    with pytest.raises(MoreThanLeft):
        flows.refund(held, Decimal("8.00"))  # no capture is that large: no split
    with pytest.raises(MoreThanLeft):
        flows.refund(held)  # of which one?
    assert calls(gateway, "/refunds") == []
    back = flows.refund(held, Decimal("6.00"), capture=second)
    assert back.target == second.gateway_operation_id
    assert sums(held) == (states.PAID, 1250, 0, 600, 0)
    back = flows.refund(held, Decimal("5.00"))  # the first whose rest is enough
    assert back.target == first.gateway_operation_id
    flows.refund(held)  # only one has a rest
    assert sums(held) == (states.REFUNDED, 1250, 0, 1250, 0)
    assert gateway.charge_of(held.order_id).net == 0


def test_amounts_that_cannot_be(paid: PaymentOrder, gateway: Simulator) -> None:
    for amount in (Decimal("0"), Decimal("-1"), Decimal("1.001"), Decimal("NaN")):
        with pytest.raises(InvalidAmount):
            flows.refund(paid, amount)
    assert calls(gateway, "/refunds") == []
    assert sums(paid) == (states.PAID, 1250, 0, 0, 0)


def test_a_terminal_whose_key_is_refused(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    alarms.raise_for(paid.terminal, 401)
    with pytest.raises(TerminalUnavailable):
        flows.refund(paid)
    assert calls(gateway, "/refunds") == []
