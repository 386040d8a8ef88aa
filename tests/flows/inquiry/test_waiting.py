"""A page that waits for the outcome of a charge makes us ask Nexi, not too often."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.flows.inquiry import waiting
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.in_doubt import (
    charge_at_gateway,
    payment_in_doubt,
    time_travel,
)
from tests.support.shopper import Shopper

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]


@pytest.fixture
def order(shopper: Shopper) -> PaymentOrder:
    return payment_in_doubt(shopper, success_url="/thanks/")


def asked(gateway: Simulator, order: PaymentOrder) -> int:
    path = f"/orders/{order.order_id}"
    return [call.path for call in gateway.calls].count(path)


def page(shopper: Shopper, order: PaymentOrder, name: str = "status") -> Any:
    return shopper.browser.get(f"/payments/{name}/{order.public_id}/")


@pytest.mark.parametrize("name", ["status", "result"])
def test_the_shopper_learns_it_without_the_reconciler(
    shopper: Shopper, gateway: Simulator, order: PaymentOrder, name: str
) -> None:
    charge_at_gateway(gateway, order)
    with time_travel(6):
        answer = page(shopper, order, name)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)
    if name == "status":
        assert answer.json()["final"] is True
    else:
        assert answer["Location"] == f"/thanks/?payment={order.order_id}"


def test_nothing_is_asked_before_the_first_moment(
    shopper: Shopper, gateway: Simulator, order: PaymentOrder
) -> None:
    charge_at_gateway(gateway, order)
    before = asked(gateway, order)
    assert page(shopper, order).json()["state"] == "paying"
    order.refresh_from_db()
    assert (asked(gateway, order) - before, order.looked_at) == (0, None)


def test_once_for_each_moment_and_then_never_again(
    shopper: Shopper, gateway: Simulator, order: PaymentOrder
) -> None:
    assert order.charging_since is not None
    before = asked(gateway, order)
    charges = gateway.counts.copy()
    by_moment = []
    for moment in waiting.MOMENTS:
        with time_travel(moment + 1):
            for name in ("status", "result", "status"):
                page(shopper, order, name)
        by_moment.append(asked(gateway, order) - before)
    assert by_moment == list(range(1, len(waiting.MOMENTS) + 1))
    with time_travel(850):
        page(shopper, order)
    assert asked(gateway, order) - before == len(waiting.MOMENTS)
    order.refresh_from_db()
    assert (order.state, order.poll_count) == (OrderState.PAYING, 0)
    moved = {name for name in gateway.counts if gateway.counts[name] != charges[name]}
    assert all(name.startswith("GET ") for name in moved), moved


def test_a_late_page_makes_up_for_no_missed_moment(
    shopper: Shopper, gateway: Simulator, order: PaymentOrder
) -> None:
    before = asked(gateway, order)
    with time_travel(100):
        for _ in range(5):
            page(shopper, order)
    assert asked(gateway, order) - before == 1


def test_the_reconciler_still_comes(
    shopper: Shopper, gateway: Simulator, order: PaymentOrder
) -> None:
    with time_travel(6):
        page(shopper, order)
    order.refresh_from_db()
    assert order.next_poll_at is not None
    charge_at_gateway(gateway, order)
    with time_travel(70):
        assert flows.reconcile().paid == 1


@pytest.mark.parametrize("state", sorted(set(OrderState.values) - {OrderState.PAYING}))
def test_other_states_ask_nothing(
    shopper: Shopper, gateway: Simulator, order: PaymentOrder, state: str
) -> None:
    before = asked(gateway, order)
    order.state = state
    with time_travel(100):
        assert flows.look_while_waiting(order) is False
    assert asked(gateway, order) == before


def test_not_inside_a_transaction(order: PaymentOrder, gateway: Simulator) -> None:
    before = asked(gateway, order)
    with time_travel(10), transaction.atomic(), pytest.raises(RuntimeError):
        flows.look_while_waiting(order)
    order.refresh_from_db()
    assert (asked(gateway, order), order.looked_at) == (before, None)
