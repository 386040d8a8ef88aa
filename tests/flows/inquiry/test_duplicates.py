"""Money that appears after an attempt had failed, beside another attempt."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import EventKind, OrderState, Reason
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.signals import payment_duplicate, payment_needs_review
from nexi_payments.simulator import Simulator
from tests.support.in_doubt import (
    HOUR,
    MINUTE,
    charge_at_gateway,
    payment_in_doubt,
    time_travel,
)
from tests.support.outbox import connected
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


class Shop:
    """A shop that notes each signal."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []

    def __call__(self, order: PaymentOrder, event: Event, **kwargs: Any) -> None:
        self.heard.append((event.kind, order.order_id, order.state))


def given_up(shopper: Shopper, **facts: Any) -> PaymentOrder:
    """A payment without an answer, and three late inquiries that did not find it."""
    order = payment_in_doubt(shopper, **facts)
    for wait in (1.1 * MINUTE, 2.2 * MINUTE, 16 * MINUTE):
        inquire_after(wait, order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.UNCONFIRMED)
    return order


def inquire_after(seconds: float, order: PaymentOrder) -> None:
    with time_travel(seconds):
        flows.reconcile(order)
    order.refresh_from_db()


def test_beside_a_paid_attempt_the_shop_hears_once_that_it_is_a_duplicate(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = given_up(shopper, reference="L")
    other = shopper.pay(new_order(reference="L"), "frictionless")
    charge_at_gateway(gateway, order)
    shop = Shop()
    with connected(payment_needs_review, shop), connected(payment_duplicate, shop):
        inquire_after(3 * HOUR, order)
        inquire_after(4 * HOUR, order)
    assert shop.heard == [
        ("review", order.order_id, "review"),
        ("duplicate", order.order_id, "review"),
    ]
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.REFERENCE_TAKEN)
    assert (order.captured_amount, order.live_reference) == (1250, None)
    assert order.discrepancies.get().kind == "reference_taken"
    event = order.events.get(kind=EventKind.DUPLICATE)
    assert (event.from_state, event.to_state) == ("review", "review")
    assert event.delivered_at is not None
    other.refresh_from_db()
    assert (other.state, other.live_reference) == (OrderState.PAID, "L")


def test_an_attempt_that_is_being_paid_is_waited_for(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = given_up(shopper, reference="L")
    other = payment_in_doubt(shopper, reference="L")
    charge_at_gateway(gateway, order)
    inquire_after(3 * HOUR, order)
    assert order.state == OrderState.FAILED
    assert order.authorized_amount == 0
    assert order.next_poll_at is not None
    other.refresh_from_db()
    assert other.state == OrderState.PAYING
