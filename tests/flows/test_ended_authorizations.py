"""Authorizations that end at Nexi: voided there, or lapsed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import ExceedsRemaining, InvalidState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    MINUTE,
    charge_at_gateway,
    prove_absent,
    reconcile_after,
    state_and_amounts,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

CAPTURES = "POST /operations/{id}/captures"
ENDS = pytest.mark.parametrize("word", ["EXPIRED", "VOIDED"])
DAY = 24 * 60 * MINUTE


@pytest.fixture
def held(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1", terminal="manual"))


@ENDS
def test_one_of_which_nothing_was_captured(
    held: PaymentOrder, gateway: Simulator, word: str
) -> None:
    charge_at_gateway(gateway, held, word)
    reconcile_after(DAY + MINUTE)
    assert state_and_amounts(held) == (OrderState.VOIDED, 0, 0, 0, 0)
    assert held.reason == Reason.LAPSED
    assert (held.live_reference, held.next_poll_at) == (None, None)
    now = flows.available(held)
    assert (now.capture, now.void, now.refund) == (None, None, None)
    event = held.events.last()
    assert event is not None
    assert (event.kind, event.from_state) == ("voided", "authorized")
    assert not held.discrepancies.exists()


@ENDS
def test_the_look_before_a_capture_finds_it(
    held: PaymentOrder, gateway: Simulator, word: str
) -> None:
    charge_at_gateway(gateway, held, word)
    with pytest.raises(InvalidState):
        flows.capture(held)
    assert state_and_amounts(held) == (OrderState.VOIDED, 0, 0, 0, 0)
    assert gateway.count(CAPTURES) == 0


@ENDS
def test_one_of_which_a_part_was_captured(
    held: PaymentOrder, gateway: Simulator, word: str
) -> None:
    """What was captured stays; the rest is not held any more."""
    flows.capture(held, Decimal("5.00"))
    charge_at_gateway(gateway, held, word)
    flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.PAID, 500, 0, 0, 0)
    assert held.released_amount == 1250
    with pytest.raises(ExceedsRemaining) as error:
        flows.capture(held, Decimal("0.01"))
    assert error.value.remaining == 0
    flows.refund(held)
    assert state_and_amounts(held) == (OrderState.REFUNDED, 500, 0, 500, 0)


@ENDS
def test_it_ends_a_capture_in_doubt(
    held: PaymentOrder, gateway: Simulator, word: str
) -> None:
    gateway.next_reply("/captures", Reply(500))
    operation = flows.capture(held)
    assert operation.outcome == OperationOutcome.IN_DOUBT
    charge_at_gateway(gateway, held, word)
    flows.reconcile(held)
    # the capture may still have been executed before
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 1250, 0, 0)
    assert held.released_amount == 1250
    prove_absent(held)  # not sent once more: nothing is held
    assert state_and_amounts(held) == (OrderState.VOIDED, 0, 0, 0, 0)
    assert held.reason == Reason.LAPSED
    operation = held.operations.get(kind=OperationKind.CAPTURE)
    assert (operation.outcome, operation.error) == ("declined", "unconfirmed")
    assert gateway.count(CAPTURES) == 1
