"""Money that appears after an attempt had ended: paid, or a duplicate for a person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import EventKind, OperationOutcome, OrderState, Reason
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    HOUR,
    MINUTE,
    charge_at_gateway,
    payment_in_doubt,
    prove_absent,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

PAID = (OrderState.PAID, Reason.LATE_CHARGE, "L")
DUPLICATE = (OrderState.REVIEW, Reason.REFERENCE_TAKEN, None)


@pytest.fixture
def late(shopper: Shopper) -> PaymentOrder:
    """An attempt that was given up; Nexi executes it later."""
    order = payment_in_doubt(shopper, reference="L")
    prove_absent(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.UNCONFIRMED)
    return order


def charge_late(gateway: Simulator, order: PaymentOrder) -> tuple[str, str, str | None]:
    """State, reason and live reference after the inquiry that shows the charge."""
    charge_at_gateway(gateway, order)
    with time_travel(3 * HOUR):
        flows.reconcile(order)
    order.refresh_from_db()
    return order.state, order.reason, order.live_reference


def kinds(order: PaymentOrder) -> list[str]:
    return [event.kind for event in order.events.order_by("pk")]


def discrepancies(order: PaymentOrder) -> list[tuple[str, str, str]]:
    return [(one.kind, one.ours, one.theirs) for one in order.discrepancies.all()]


def test_without_another_attempt_it_is_paid(
    late: PaymentOrder, gateway: Simulator
) -> None:
    assert charge_late(gateway, late) == PAID
    assert kinds(late)[-2:] == ["failed", "paid"]
    assert discrepancies(late) == []


def test_without_a_reference_it_is_paid(shopper: Shopper, gateway: Simulator) -> None:
    order = payment_in_doubt(shopper)
    prove_absent(order)
    state, reason, _ = charge_late(gateway, order)
    assert (state, reason) == (OrderState.PAID, Reason.LATE_CHARGE)


def test_an_attempt_without_a_card_is_superseded(
    late: PaymentOrder, gateway: Simulator
) -> None:
    other = new_order(reference="L")
    assert charge_late(gateway, late) == PAID
    other.refresh_from_db()
    assert (other.state, other.reason) == (OrderState.FAILED, Reason.SUPERSEDED)


def test_an_attempt_at_the_issuer_is_superseded_with_its_card(
    late: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order(reference="L"))
    other = PaymentOrder.objects.latest("pk")
    assert other.state == OrderState.AWAITING_3DS
    assert charge_late(gateway, late) == PAID
    other.refresh_from_db()
    assert (other.state, other.reason) == (OrderState.FAILED, Reason.SUPERSEDED)
    # the shopper comes back: nothing is charged
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert gateway.count("/payment") == 1  # that of the first attempt


def test_an_attempt_that_is_being_paid_is_waited_for(
    late: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    other = payment_in_doubt(shopper, reference="L")
    charge_at_gateway(gateway, late)
    before = PaymentOrder.objects.get(pk=late.pk)
    with time_travel(HOUR):
        flows.reconcile(late)
    assert (late.state, late.version) == (OrderState.FAILED, before.version)
    # the whole reading is discarded, its changes of operations included
    assert late.operations.get(kind="payment").outcome == OperationOutcome.DECLINED
    assert not late.discrepancies.exists()
    # it ends without money: then the late money is the payment
    prove_absent(other)
    assert other.state == OrderState.FAILED
    assert charge_late(gateway, late) == PAID


def test_inquiries_that_wait_for_another_attempt_become_rarer(
    late: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    payment_in_doubt(shopper, reference="L")
    charge_at_gateway(gateway, late)
    PaymentOrder.objects.filter(pk=late.pk).update(poll_count=0)
    pauses = []
    for _ in range(6):
        late.refresh_from_db()
        with time_travel(0):
            before = timezone.now()
            flows.reconcile(late)
            assert late.next_poll_at is not None
            pauses.append(round((late.next_poll_at - before).total_seconds() / MINUTE))
    assert (late.state, late.poll_count) == (OrderState.FAILED, 6)
    assert pauses == [2, 5, 15, 15, 15, 15]


def test_the_attempt_that_was_waited_for_is_paid(
    late: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    other = payment_in_doubt(shopper, reference="L")
    charge_at_gateway(gateway, other)
    with time_travel(HOUR):
        flows.reconcile(other)
    assert other.state == OrderState.PAID
    assert charge_late(gateway, late) == DUPLICATE


@pytest.mark.parametrize("terminal", ["default", "manual"])
def test_beside_a_payment_it_is_a_duplicate(
    late: PaymentOrder, shopper: Shopper, gateway: Simulator, terminal: str
) -> None:
    other = shopper.pay(new_order(reference="L", terminal=terminal), "frictionless")
    assert other.state in (OrderState.PAID, OrderState.AUTHORIZED)
    assert charge_late(gateway, late) == DUPLICATE
    assert kinds(late)[-2:] == ["review", EventKind.DUPLICATE]
    assert discrepancies(late) == [
        ("reference_taken", "charged late", "another payment of this purchase")
    ]
    held = (other.state, other.live_reference)
    other.refresh_from_db()
    assert (other.state, other.live_reference) == held
    # said once, however often Nexi is asked
    flows.reconcile(late)
    assert kinds(late).count(EventKind.DUPLICATE) == 1
    assert late.discrepancies.count() == 1


@pytest.mark.parametrize("give_back", [flows.refund, flows.void])
def test_beside_a_payment_that_was_given_back_it_is_a_duplicate(
    late: PaymentOrder, shopper: Shopper, gateway: Simulator, give_back: Any
) -> None:
    """A sibling has had money: the shop may have cancelled the purchase."""
    terminal = "default" if give_back is flows.refund else "manual"
    other = shopper.pay(new_order(reference="L", terminal=terminal), "frictionless")
    give_back(other)
    assert other.state in (OrderState.REFUNDED, OrderState.VOIDED)
    assert charge_late(gateway, late) == DUPLICATE


def test_beside_an_attempt_under_review_it_is_a_duplicate(
    late: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order(reference="L"))
    other = PaymentOrder.objects.latest("pk")
    gateway.next_reply("/payment", Reply(200, b'{"operation": {"orderId": "ANOTHER"}}'))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    other.refresh_from_db()
    assert (other.state, other.live_reference) == (OrderState.REVIEW, "L")
    assert charge_late(gateway, late) == DUPLICATE
    assert discrepancies(late)[0][2] == (
        "another payment of this purchase is under review"
    )


def test_beside_a_failed_attempt_it_is_paid(
    late: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    other = shopper.pay(new_order(reference="L"), "declined")
    assert other.state == OrderState.FAILED
    assert charge_late(gateway, late) == PAID


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(Decimal("12.50"), PAID), (Decimal("9.00"), DUPLICATE)],
)
@pytest.mark.parametrize("reason", [Reason.SUPERSEDED, Reason.DECLINED])
def test_an_attempt_that_was_replaced_is_paid_if_the_amount_is_the_same(
    late: PaymentOrder,
    gateway: Simulator,
    amount: Decimal,
    expected: tuple[str, str, str | None],
    reason: str,
) -> None:
    """The basket has changed: what Nexi charged is not what the shopper owes."""
    PaymentOrder.objects.filter(pk=late.pk).update(reason=reason)
    other = new_order(reference="L", amount=amount)
    assert charge_late(gateway, late) == expected
    other.refresh_from_db()
    kept = expected == DUPLICATE
    assert other.state == (OrderState.INIT if kept else OrderState.FAILED)


def test_attempts_without_a_reference_belong_together_too(
    shopper: Shopper, gateway: Simulator
) -> None:
    """A card that is posted to a failed order makes another attempt of it."""
    first = payment_in_doubt(shopper)
    prove_absent(first)
    form = shopper.start(first)
    second = PaymentOrder.objects.latest("pk")
    assert second.retry_of == first
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    second.refresh_from_db()
    assert second.state == OrderState.PAID
    state, reason, _ = charge_late(gateway, first)
    assert (state, reason) == (OrderState.REVIEW, Reason.REFERENCE_TAKEN)
