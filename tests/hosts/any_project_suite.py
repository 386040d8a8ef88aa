"""What has to work in any project; run under the settings of ``tests.hosts``."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connections, transaction

from nexi_payments import flows, signals
from nexi_payments.card import Card
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from tests.support.api_clients import ALL_PERMISSIONS, PayerClient, ShopServer
from tests.support.clerk import PERMISSIONS, Clerk, confirm_action, order_url
from tests.support.in_doubt import payment_in_doubt, prove_absent
from tests.support.shopper import CARDS, Form, Shopper, new_order

ALIAS = os.environ["DATABASE_ALIAS"]
pytestmark = pytest.mark.django_db(transaction=True, databases=[ALIAS])


@pytest.fixture
def paid_signals() -> Any:
    """(state, in a transaction) as receivers see it."""
    heard: list[tuple[str, bool]] = []

    def hear(order: PaymentOrder, **kwargs: Any) -> None:
        inside = connections[ALIAS].in_atomic_block
        heard.append((PaymentOrder.objects.get(pk=order.pk).state, inside))

    signals.payment_paid.connect(hear)
    yield heard
    signals.payment_paid.disconnect(hear)


@pytest.fixture
def transaction_open(gateway: Simulator) -> Any:
    """Whether a transaction was open, for each call of the gateway."""
    open_ones: list[bool] = []
    handle = gateway.handle

    def watching(*args: Any) -> Any:
        open_ones.append(connections[ALIAS].in_atomic_block)
        return handle(*args)

    gateway.handle = watching  # type: ignore[method-assign]
    return open_ones


def test_a_shop_without_pages_sells_and_gives_back(
    shopper: Shopper, paid_signals: Any, transaction_open: Any
) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    payer = PayerClient(server.create())
    fields = payer.pay().json()["next_action"]["fields"]
    form = Form("", fields)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert payer.get_checkout()["state"] == "paid"
    done = server.post(f"orders/{payer.id}/refund/", {"amount": "2.00"}).json()
    assert done["order"]["refunded"] == "2.00"
    assert paid_signals == [("paid", False)]
    assert transaction_open.count(False) == len(transaction_open) >= 4


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_shopper_pays(
    shopper: Shopper, paid_signals: Any, transaction_open: Any, terminal: str
) -> None:
    order = shopper.pay(new_order(reference="R", terminal=terminal))
    assert order.state == OrderState.PAID
    assert paid_signals == [("paid", False)]
    assert transaction_open.count(False) == len(transaction_open) >= 2
    assert not SealedCard.objects.exists()


def test_staff_charge_and_give_back(
    gateway: Simulator, paid_signals: Any, transaction_open: Any
) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = clerk.take_phone_order()
    assert order.state == OrderState.PAID
    confirm_action(clerk, order, "refund", amount="12.50", expected_remaining="12.50")
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED
    assert "12.50" in clerk.get_text(order_url(order))
    assert paid_signals == [("paid", False)]
    assert transaction_open.count(False) == len(transaction_open) >= 3


def test_doubt_is_settled(shopper: Shopper, transaction_open: Any) -> None:
    order = payment_in_doubt(shopper)
    prove_absent(order)
    assert order.state == OrderState.FAILED
    assert not any(transaction_open)


def test_inside_a_transaction_of_ours_it_is_a_loud_error(gateway: Simulator) -> None:
    order = new_order()
    card = Card(CARDS["challenge"].number, "1230")
    with pytest.raises(RuntimeError), transaction.atomic(using=ALIAS):
        flows.start_payment(order, card)
    assert gateway.calls == ()
    order.refresh_from_db()
    assert order.state == OrderState.INIT


def test_a_state_and_its_event_are_one_commit(
    order: PaymentOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "nexi_payments.flows.ledger.transitions.write_event", _raise_error
    )
    with pytest.raises(ZeroDivisionError):
        flows.cancel(order)
    order.refresh_from_db()
    assert order.state == OrderState.INIT


def _raise_error(*args: Any, **kwargs: Any) -> None:
    raise ZeroDivisionError


def test_nothing_to_complain_about() -> None:
    assert db_transactions.alias() == ALIAS
    found = run_checks(tags=["security", "database"], databases=[ALIAS])
    assert {one.id for one in found} <= {"nexi_payments.W006", "models.W037"}
