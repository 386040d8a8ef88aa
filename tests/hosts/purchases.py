"""What has to work in any project; run under the settings of ``tests.hosts``."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connections, transaction

from nexi_payments import flows, signals, states
from nexi_payments.card import Card
from nexi_payments.flows import orders
from nexi_payments.models import Hold, PaymentOrder, database
from nexi_payments.simulator import Simulator
from tests.api.caller import EVERYTHING, Payer, Server
from tests.clerk import PERMISSIONS, Clerk, confirm, order_page
from tests.doubt import in_doubt, reconcile_at
from tests.shopper import CARDS, Form, Shopper, new_order

ALIAS = os.environ["DATABASE_ALIAS"]
pytestmark = pytest.mark.django_db(transaction=True, databases=[ALIAS])


@pytest.fixture
def told() -> Any:
    """(state, in a transaction) as receivers see it."""
    heard: list[tuple[str, bool]] = []

    def hear(order: PaymentOrder, **kwargs: Any) -> None:
        inside = connections[ALIAS].in_atomic_block
        heard.append((PaymentOrder.objects.get(pk=order.pk).state, inside))

    signals.payment_paid.connect(hear)
    yield heard
    signals.payment_paid.disconnect(hear)


@pytest.fixture
def watched(gateway: Simulator) -> Any:
    """Whether a transaction was open, for each call of the gateway."""
    open_ones: list[bool] = []
    handle = gateway.handle

    def watching(*args: Any) -> Any:
        open_ones.append(connections[ALIAS].in_atomic_block)
        return handle(*args)

    gateway.handle = watching  # type: ignore[method-assign]
    return open_ones


def test_a_shop_without_pages_sells_and_gives_back(
    shopper: Shopper, told: Any, watched: Any
) -> None:
    server = Server(*EVERYTHING)
    payer = Payer(server.create())
    fields = payer.pay().json()["next_action"]["fields"]
    form = Form("", fields)
    shopper.come_back(form, shopper.answer(form))
    assert payer.look()["state"] == "paid"
    done = server.post(f"orders/{payer.id}/refund/", {"amount": "2.00"}).json()
    assert done["order"]["refunded"] == "2.00"
    assert told == [("paid", False)]
    assert watched.count(False) == len(watched) >= 4


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_shopper_pays(
    shopper: Shopper, told: Any, watched: Any, terminal: str
) -> None:
    order = shopper.pay(new_order(reference="R", terminal=terminal))
    assert order.state == states.PAID
    assert told == [("paid", False)]
    assert watched.count(False) == len(watched) >= 2
    assert not Hold.objects.exists()


def test_staff_charge_and_give_back(
    gateway: Simulator, told: Any, watched: Any
) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = clerk.take()
    assert order.state == states.PAID
    confirm(clerk, order, "refund", amount="12.50", seen="12.50")
    order.refresh_from_db()
    assert order.state == states.REFUNDED
    assert "12.50" in clerk.read(order_page(order))
    assert told == [("paid", False)]
    assert watched.count(False) == len(watched) >= 3


def test_doubt_is_settled(shopper: Shopper, watched: Any) -> None:
    order = in_doubt(shopper)
    assert reconcile_at(16 * 60).failed == 1
    order.refresh_from_db()
    assert order.state == states.FAILED
    assert not any(watched)


def test_inside_a_transaction_of_ours_it_is_a_loud_error(gateway: Simulator) -> None:
    order = new_order()
    card = Card(CARDS["challenge"].number, "1230")
    with pytest.raises(RuntimeError), transaction.atomic(using=ALIAS):
        flows.start_payment(order, card)
    assert gateway.calls == ()
    order.refresh_from_db()
    assert order.state == states.INIT


def test_a_state_and_its_event_are_one_commit(
    order: PaymentOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexi_payments.flows.moves.write_event", _broken)
    with pytest.raises(ZeroDivisionError):
        orders.supersede(order)
    order.refresh_from_db()
    assert order.state == states.INIT


def _broken(*args: Any, **kwargs: Any) -> None:
    raise ZeroDivisionError


def test_nothing_to_complain_about() -> None:
    assert database.alias() == ALIAS
    found = run_checks(tags=["security", "database"], databases=[ALIAS])
    assert {one.id for one in found} <= {"nexi_payments.W006", "models.W037"}
