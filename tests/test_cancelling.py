"""A capture is rolled back the day it was made: sent once, decided by a look-up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows, states
from nexi_payments.exceptions import CaptureNotNamed, MoreThanLeft, WrongState
from nexi_payments.flows import cancelling, postauth
from nexi_payments.models import PaymentOrder
from nexi_payments.signals import capture_cancelled, payment_authorized
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.states import Reason
from tests.doubt import DAY, HOUR, later, reconcile_at, sums
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
CANCELS = "POST /operations/{id}/cancels"


@pytest.fixture
def captured(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-1", terminal="manual"))
    flows.capture(order)
    assert sums(order) == (states.PAID, 1250, 0, 0, 0)
    return order


@pytest.fixture
def in_parts(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-2", terminal="manual"))
    flows.capture(order, Decimal("5.00"))
    flows.capture(order, Decimal("3.00"))
    return order


def test_the_only_capture_is_taken_back(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    told: list[Any] = []
    for signal in (capture_cancelled, payment_authorized):
        signal.connect(lambda event, **kw: told.append(event.kind), weak=False)
    operation = flows.cancel_capture(captured)
    assert (operation.kind, operation.outcome) == (states.CANCEL, states.DONE)
    assert (operation.amount, operation.idempotency_key) == (1250, "")
    assert operation.of == captured.operations.get(kind=states.CAPTURE)
    assert sums(captured) == (states.AUTHORIZED, 0, 0, 0, 0)
    assert captured.reason == Reason.CANCELLED
    assert captured.live_reference == "R-1"
    assert captured.due_at is not None
    assert gateway.charge_of(captured.order_id).captured == 0
    assert gateway.counts[CANCELS] == 1
    assert told == ["cancelled", "authorized"]
    for signal in (capture_cancelled, payment_authorized):
        signal.receivers.clear()
        signal.sender_receivers_cache.clear()


def test_what_was_taken_back_is_captured_again(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    flows.cancel_capture(captured)
    flows.capture(captured, Decimal("10.00"))
    assert sums(captured) == (states.PAID, 1000, 0, 0, 0)
    assert gateway.charge_of(captured.order_id).captured == 1000
    assert [one.amount for one in postauth.captures(captured)] == [1000]
    flows.refund(captured)
    assert sums(captured) == (states.REFUNDED, 1000, 0, 1000, 0)
    assert gateway.charge_of(captured.order_id).net == 0


def test_what_was_taken_back_is_released(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    flows.cancel_capture(captured)
    flows.void(captured)
    assert sums(captured) == (states.VOIDED, 0, 0, 0, 0)
    assert gateway.charge_of(captured.order_id).voided


def test_of_several_captures_one_is_named(
    in_parts: PaymentOrder, gateway: Simulator
) -> None:
    with pytest.raises(CaptureNotNamed):
        flows.cancel_capture(in_parts)
    first, second = postauth.captures(in_parts)
    flows.cancel_capture(in_parts, first)
    assert sums(in_parts) == (states.PAID, 300, 0, 0, 0)
    assert in_parts.left_to_capture == 950
    assert postauth.captures(in_parts) == [second]
    assert gateway.charge_of(in_parts.order_id).captured == 300
    with pytest.raises(MoreThanLeft):
        flows.cancel_capture(in_parts, first)
    assert gateway.counts[CANCELS] == 1


def test_the_last_cancel_after_a_refund_ends_it(in_parts: PaymentOrder) -> None:
    first, second = postauth.captures(in_parts)
    flows.refund(in_parts, capture=first)
    flows.cancel_capture(in_parts, second)
    assert sums(in_parts) == (states.REFUNDED, 500, 0, 500, 0)


def test_what_was_refunded_in_part_is_not_cancelled(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    flows.refund(captured, Decimal("0.01"))
    with pytest.raises(MoreThanLeft) as error:
        flows.cancel_capture(captured)
    assert error.value.left == 1249
    assert gateway.counts[CANCELS] == 0


def test_what_was_booked_at_once_is_refunded_instead(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    with pytest.raises(WrongState):
        flows.cancel_capture(order)
    assert gateway.counts[CANCELS] == 0


def test_the_capture_of_another_payment_is_refused(
    captured: PaymentOrder, in_parts: PaymentOrder
) -> None:
    [foreign] = postauth.captures(captured)
    with pytest.raises(WrongState):
        flows.cancel_capture(in_parts, foreign)


def test_the_day_after_it_is_too_late(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    assert cancelling.cancellable(captured) == postauth.captures(captured)
    gateway.advance(DAY)
    with later(DAY):
        assert cancelling.cancellable(captured) == []
        operation = flows.cancel_capture(captured)
        assert (operation.outcome, operation.http_status) == (states.DECLINED, 400)
        assert "PS0002" in operation.error
        assert sums(captured) == (states.PAID, 1250, 0, 0, 0)
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
    assert operation.outcome == states.IN_DOUBT
    assert sums(captured) == (states.PAID, 1250, 0, 0, 1250)
    assert captured.left_to_refund == 0
    with pytest.raises(MoreThanLeft):
        flows.refund(captured, Decimal("0.01"))


def test_a_lost_answer_is_found_in_a_look_up(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    gateway.lose_next_answer("cancels")
    operation = flows.cancel_capture(captured)
    assert operation.outcome == states.DONE
    assert operation.gateway_operation_id
    assert sums(captured) == (states.AUTHORIZED, 0, 0, 0, 0)
    assert gateway.counts[CANCELS] == 1


def test_in_doubt_it_is_never_sent_again(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    gateway.fail_next("cancels", status=500)
    flows.cancel_capture(captured)
    for hours in range(1, 8):
        reconcile_at(hours * HOUR)
    assert gateway.counts[CANCELS] == 1
    assert sums(captured) == (states.PAID, 1250, 0, 0, 0)
    operation = captured.operations.get(kind=states.CANCEL)
    assert (operation.outcome, operation.error) == (states.DECLINED, "unconfirmed")


def test_a_cancel_that_shows_up_late_is_taken(
    captured: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("cancels", Reply(0, fault="cut"))
    flows.cancel_capture(captured)
    [made] = postauth.captures(captured)
    with gateway.store.edit_any(made.gateway_operation_id) as record:
        gateway._later._add(record, made.gateway_operation_id, "cancels", {})
    reconcile_at(HOUR)
    assert sums(captured) == (states.AUTHORIZED, 0, 0, 0, 0)
    assert gateway.counts[CANCELS] == 1


def test_nothing_left_this_machine(captured: PaymentOrder, gateway: Simulator) -> None:
    gateway.next_reply("cancels", Reply(503, fault="refused"))
    operation = flows.cancel_capture(captured)
    assert operation.outcome == states.NOT_SENT
    assert sums(captured) == (states.PAID, 1250, 0, 0, 0)
