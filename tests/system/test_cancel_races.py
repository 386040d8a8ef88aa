"""A shop cancels while the shopper pays: either cancelled or charged, never both."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState, Reason
from nexi_payments.exceptions import AlreadyCharged, OrderBusy
from nexi_payments.models import PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from tests.support.concurrency import run_concurrently
from tests.support.shopper import Shopper, new_order, parse_form

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = (OrderBusy, AlreadyCharged)
ROUNDS = range(6)


def cancel_beside(gateway: Simulator, order: PaymentOrder, act: Any) -> bool:
    """Two cancels and ``act`` at once. Whether the cancels were done."""

    def run(place: int) -> Any:
        if place == 1:
            act()
            return None
        return flows.cancel(PaymentOrder.objects.get(pk=order.pk)).is_cancelled

    results = [one for one in run_concurrently(3, run, REFUSED) if one is not None]
    assert set(results) == {True} or set(results) <= set(REFUSED)
    return results[0] is True


def assert_one_outcome(gateway: Simulator, *, cancelled: bool) -> None:
    rows = list(PaymentOrder.objects.all())
    charges = sum(gateway.charge_count(one.order_id) for one in rows)
    if cancelled:
        assert charges == 0
        assert {one.state for one in rows} == {OrderState.FAILED}
        assert not SealedCard.objects.exists()
        assert not any(one.accepts_card for one in rows)
    else:
        assert charges == 1
        assert [one.state for one in rows].count(OrderState.PAID) == 1
        assert not any(one.is_cancelled for one in rows)


@pytest.mark.parametrize("round_", ROUNDS)
@pytest.mark.parametrize("terminal", ["default", "two"])
def test_beside_the_return_from_the_issuer(
    gateway: Simulator, terminal: str, round_: int
) -> None:
    shopper = Shopper(gateway)
    form = shopper.start(new_order(reference="R", terminal=terminal))
    order = PaymentOrder.objects.get()
    answer = shopper.answer_challenge(form)
    cancelled = cancel_beside(
        gateway, order, lambda: Shopper(gateway).return_from_issuer(form, answer)
    )
    assert_one_outcome(gateway, cancelled=cancelled)


@pytest.mark.parametrize("round_", ROUNDS)
def test_beside_a_card_without_a_challenge(gateway: Simulator, round_: int) -> None:
    order = new_order(reference="R")

    def pay() -> None:
        shopper = Shopper(gateway)
        response = shopper.submit_card(order, "frictionless")
        if response.status_code == 200:
            form = parse_form(response)
            shopper.return_from_issuer(form, shopper.answer_challenge(form))

    cancelled = cancel_beside(gateway, order, pay)
    assert_one_outcome(gateway, cancelled=cancelled)


@pytest.mark.parametrize("round_", ROUNDS)
def test_beside_another_card_on_the_page_of_a_failed_attempt(
    gateway: Simulator, round_: int
) -> None:
    """The new attempt does not exist yet when the cancel begins."""
    failed = Shopper(gateway).pay(new_order(reference="R"), "declined")
    cancelled = cancel_beside(
        gateway, failed, lambda: Shopper(gateway).submit_card(failed)
    )
    assert cancelled
    for one in PaymentOrder.objects.all():
        assert (one.state, one.live_reference) == (OrderState.FAILED, None)
        assert one.reason in (Reason.DECLINED, Reason.CANCELLED)
        assert one.is_cancelled
    assert not SealedCard.objects.exists()
