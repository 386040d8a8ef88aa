"""Cancelling a capture on its day: sent once, settled by an inquiry."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import AmbiguousCapture, ExceedsRemaining, InvalidState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.signals import capture_cancelled, payment_authorized
from nexi_payments.simulator import Reply, Simulator
from tests.simulator.merchant_client import MerchantClient, idempotency_header
from tests.support.in_doubt import (
    DAY,
    HOUR,
    prove_rejected,
    reconcile_after,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
CANCELS = "POST /operations/{id}/cancels"


def captures(order: PaymentOrder) -> list[Operation]:
    """The confirmed captures that are not cancelled."""
    order.refresh_from_db()
    return [one.operation for one in flows.available(order).effective_captures]


def cancellable_today(order: PaymentOrder) -> list[int | None]:
    made = flows.available(order).captures
    return [one.cancel for one in made if one.is_of_today]


@pytest.fixture
def captured(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1", terminal="manual"))
    flows.capture(order)
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    return order


@pytest.fixture
def in_parts(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-2", terminal="manual"))
    flows.capture(order, Decimal("5.00"))
    flows.capture(order, Decimal("3.00"))
    return order


def test_the_only_capture_is_taken_back(
    captured: PaymentOrder, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    keys: list[str] = []
    handle = gateway.handle

    def noting(method: str, url: str, headers: Any, *rest: Any) -> Reply:
        if url.endswith("/cancels"):
            keys.append(headers["Idempotency-Key"])
        return handle(method, url, headers, *rest)

    monkeypatch.setattr(gateway, "handle", noting)
    for signal in (capture_cancelled, payment_authorized):
        signal.connect(lambda event, **kw: told.append(event.kind), weak=False)
    operation = flows.cancel_capture(captured)
    assert (operation.kind, operation.outcome) == (
        OperationKind.CANCEL,
        OperationOutcome.DONE,
    )
    assert operation.amount == 1250
    assert len(operation.idempotency_key) == 36
    assert keys == [operation.idempotency_key]
    assert operation.capture == captured.operations.get(kind=OperationKind.CAPTURE)
    assert state_and_amounts(captured) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert captured.reason == Reason.CAPTURE_CANCELLED
    assert captured.live_reference == "R-1"
    assert captured.next_poll_at is not None
    assert gateway.charge_of(captured.order_id).captured == 0
    assert gateway.counts[CANCELS] == 1
    assert told == ["capture_cancelled", "authorized"]
    for signal in (capture_cancelled, payment_authorized):
        signal.receivers.clear()
        signal.sender_receivers_cache.clear()


def test_what_was_taken_back_is_captured_again(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    flows.cancel_capture(captured)
    flows.capture(captured, Decimal("10.00"))
    assert state_and_amounts(captured) == (OrderState.PAID, 1000, 0, 0, 0)
    assert gateway.charge_of(captured.order_id).captured == 1000
    assert [one.amount for one in captures(captured)] == [1000]
    flows.refund(captured)
    # 2.50 are held
    assert state_and_amounts(captured) == (OrderState.AUTHORIZED, 1000, 0, 1000, 0)
    assert gateway.charge_of(captured.order_id).net == 0


def test_what_was_taken_back_is_released(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    flows.cancel_capture(captured)
    flows.void(captured)
    assert state_and_amounts(captured) == (OrderState.VOIDED, 0, 0, 0, 0)
    assert gateway.charge_of(captured.order_id).voided


def test_of_several_captures_one_is_named(
    in_parts: PaymentOrder, gateway: Simulator
) -> None:
    with pytest.raises(AmbiguousCapture):
        flows.cancel_capture(in_parts)
    first, second = captures(in_parts)
    flows.cancel_capture(in_parts, first)
    assert state_and_amounts(in_parts) == (OrderState.PAID, 300, 0, 0, 0)
    assert flows.available(in_parts).capture == 950
    assert captures(in_parts) == [second]
    assert gateway.charge_of(in_parts.order_id).captured == 300
    with pytest.raises(ExceedsRemaining):
        flows.cancel_capture(in_parts, first)
    assert gateway.counts[CANCELS] == 1


def test_the_last_cancel_after_a_refund_leaves_the_rest_held(
    in_parts: PaymentOrder,
) -> None:
    first, second = captures(in_parts)
    flows.refund(in_parts, capture=first)
    flows.cancel_capture(in_parts, second)
    assert state_and_amounts(in_parts) == (OrderState.AUTHORIZED, 500, 0, 500, 0)
    assert (flows.available(in_parts).capture, in_parts.reason) == (
        750,
        Reason.CAPTURE_CANCELLED,
    )


def test_what_was_refunded_in_part_is_not_cancelled(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    flows.refund(captured, Decimal("0.01"))
    with pytest.raises(ExceedsRemaining) as error:
        flows.cancel_capture(captured)
    assert error.value.remaining == 1249
    assert gateway.counts[CANCELS] == 0


def test_what_was_booked_at_once_is_refunded_instead(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    with pytest.raises(InvalidState):
        flows.cancel_capture(order)
    assert gateway.counts[CANCELS] == 0


def test_the_capture_of_another_payment_is_refused(
    captured: PaymentOrder, in_parts: PaymentOrder
) -> None:
    [foreign] = captures(captured)
    with pytest.raises(InvalidState):
        flows.cancel_capture(in_parts, foreign)


def test_the_day_after_it_is_too_late(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    assert cancellable_today(captured) == [1250]
    gateway.advance(DAY)
    with time_travel(DAY):
        assert cancellable_today(captured) == []
        operation = flows.cancel_capture(captured)
        assert (operation.outcome, operation.http_status, operation.error) == (
            OperationOutcome.IN_DOUBT,
            400,
            "Rejected rejected PS0002",
        )
        prove_rejected(captured)
        operation.refresh_from_db()
        assert operation.outcome == OperationOutcome.REJECTED
        assert state_and_amounts(captured) == (OrderState.PAID, 1250, 0, 0, 0)
        flows.refund(captured)


def test_twice_the_same_decision_cancels_once(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    one = flows.cancel_capture(captured, nonce="n")
    assert flows.cancel_capture(captured, nonce="n") == one
    assert gateway.counts[CANCELS] == 1


def test_while_it_is_open_nothing_is_refunded(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    gateway.fail_next("cancels", status=500)
    operation = flows.cancel_capture(captured)
    assert operation.outcome == OperationOutcome.IN_DOUBT
    assert state_and_amounts(captured) == (OrderState.PAID, 1250, 0, 0, 1250)
    assert flows.available(captured).refund == 0
    with pytest.raises(ExceedsRemaining):
        flows.refund(captured, Decimal("0.01"))


def test_a_lost_answer_is_found_in_a_look_up(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    gateway.lose_next_answer("cancels")
    operation = flows.cancel_capture(captured)
    assert operation.outcome == OperationOutcome.DONE
    assert operation.gateway_operation_id
    assert state_and_amounts(captured) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert gateway.counts[CANCELS] == 1


def test_in_doubt_it_is_never_sent_again(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    gateway.fail_next("cancels", status=500)
    flows.cancel_capture(captured)
    for hours in range(1, 8):
        reconcile_after(hours * HOUR)
    assert gateway.counts[CANCELS] == 1
    assert state_and_amounts(captured) == (OrderState.PAID, 1250, 0, 0, 0)
    operation = captured.operations.get(kind=OperationKind.CANCEL)
    assert (operation.outcome, operation.error) == (
        OperationOutcome.DECLINED,
        "unconfirmed",
    )


def test_a_cancel_that_shows_up_late_is_taken(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("cancels", Reply(0, fault="cut"))
    flows.cancel_capture(captured)
    [made] = captures(captured)
    arrived = MerchantClient(gateway).call(
        "POST",
        f"/operations/{made.gateway_operation_id}/cancels",
        {},
        idempotency_header(),
    )
    assert arrived.status == 200
    reconcile_after(HOUR)
    assert state_and_amounts(captured) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert gateway.counts[CANCELS] == 2  # ours, and the one that arrives late


def test_nothing_left_this_machine(captured: PaymentOrder, gateway: Simulator) -> None:
    gateway.next_reply("cancels", Reply(503, fault="refused"))
    operation = flows.cancel_capture(captured)
    assert operation.outcome == OperationOutcome.NOT_SENT
    assert state_and_amounts(captured) == (OrderState.PAID, 1250, 0, 0, 0)
