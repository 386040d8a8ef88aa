"""``flows.pay_moto``: one call, one charge, the same table of answers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from nexi_payments import flows, states
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    InvalidAmount,
    InvalidCustomer,
    MotoNotAllowed,
    OrderBusy,
    OrderNotPayable,
    TerminalUnavailable,
)
from nexi_payments.flows import alarms, moto
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.doubt import MINUTE, details, operation, reconcile_at
from tests.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def card(ending: str = "challenge") -> Card:
    it = CARDS[ending]
    return Card(it.number, it.expiry.replace("/", ""), it.cvv)


def pay(order: PaymentOrder, ending: str = "challenge") -> PaymentOrder:
    return flows.pay_moto(order, card(ending), cardholder="Giulia Bianchi")


def by_phone(**changes: Any) -> PaymentOrder:
    return new_order(terminal="moto", **changes)


def motos(gateway: Simulator) -> int:
    return gateway.count("POST /orders/moto")


@pytest.mark.parametrize(
    ("ending", "state", "reason"),
    [
        ("challenge", "paid", ""),
        ("declined", "failed", "declined"),
        ("risk", "failed", "declined"),
        ("gateway_down", "failed", "unsent"),
        ("answer_lost", "paid", ""),
        ("pending_then_paid", "paying", ""),
        ("garbage", "paying", ""),
    ],
)
def test_the_endings(gateway: Simulator, ending: str, state: str, reason: str) -> None:
    order = pay(by_phone(), ending)
    assert (order.state, order.reason, order.channel) == (state, reason, "moto")
    assert order.operations.count() == 1
    assert motos(gateway) == 1


def test_silence_after_moto_is_given_up_by_the_rules(gateway: Simulator) -> None:
    order = pay(by_phone(), "garbage")
    reconcile_at(14 * MINUTE)
    order.refresh_from_db()
    assert order.state == states.PAYING
    reconcile_at(16 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, "unconfirmed")
    assert motos(gateway) == 1


def test_pending_is_paid_later(gateway: Simulator) -> None:
    order = pay(by_phone(), "pending_then_paid")
    assert order.pending_at_nexi
    gateway.advance(60)
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (states.PAID, 1250)


def test_two_authorizations_are_reviewed(gateway: Simulator) -> None:
    order = pay(by_phone(), "garbage")
    one = operation(order, "EXECUTED") | {"operationId": "1"}
    two = one | {"operationId": "2"}
    gateway.next_reply(f"/orders/{order.order_id}", details(order, one, two))
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, "two_authorizations")


@pytest.mark.parametrize(
    "change",
    [
        {"orderId": "another"},
        {"operationAmount": "1"},
        {"operationCurrency": "USD"},
    ],
)
def test_an_answer_about_something_else(
    gateway: Simulator, change: dict[str, str]
) -> None:
    order = by_phone()
    body = {"operation": operation(order, "EXECUTED") | {"operationId": "1"} | change}
    gateway.next_reply("/orders/moto", Reply(200, json.dumps(body).encode()))
    pay(order)
    assert (order.state, order.reason) == (states.REVIEW, "mismatch")


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_a_refusal_is_looked_into(gateway: Simulator, status: int) -> None:
    gateway.next_reply("/orders/moto", Reply(status))
    order = pay(by_phone())
    assert order.state == states.FAILED
    assert gateway.count("GET /orders/{id}") == 2
    assert motos(gateway) == 1


def test_only_where_it_is_allowed(gateway: Simulator) -> None:
    order = new_order()
    with pytest.raises(MotoNotAllowed) as error:
        pay(order)
    assert error.value.terminal == "default"
    order.refresh_from_db()
    assert (order.state, order.channel) == (states.INIT, "shop")
    with pytest.raises(MotoNotAllowed):
        moto.open_order(
            amount=Decimal("1"),
            currency="EUR",
            reference="R",
            terminal="default",
            actor=flows.Actor(),
        )
    assert PaymentOrder.objects.count() == 1
    assert gateway.calls == ()


def test_once_and_with_a_name(gateway: Simulator) -> None:
    order = by_phone()
    with pytest.raises(InvalidCustomer):
        flows.pay_moto(order, card())
    assert order.operations.count() == 0
    pay(order)
    with pytest.raises(OrderNotPayable):
        pay(order)
    named = by_phone(customer={"name": "Giulia"})
    flows.pay_moto(named, card())
    assert (named.state, named.cardholder_name) == (states.PAID, "Giulia")
    assert motos(gateway) == 2


def test_a_link_made_meanwhile_wins(gateway: Simulator) -> None:
    order = by_phone()
    PaymentOrder.objects.filter(pk=order.pk).update(channel="moto")
    stale = PaymentOrder.objects.get(pk=order.pk)
    moto.offer_link(PaymentOrder.objects.get(pk=order.pk))
    with pytest.raises(OrderBusy):
        pay(stale)
    order.refresh_from_db()
    assert (order.state, order.channel, order.terminal) == ("init", "link", "default")
    assert gateway.calls == ()
    PaymentOrder.objects.filter(pk=order.pk).update(terminal="two", flow="2steps")
    with pytest.raises(OrderBusy):
        flows.start_payment(order, card())
    assert gateway.calls == ()


def test_a_key_that_is_refused(gateway: Simulator) -> None:
    order = by_phone()
    alarms.raise_for("moto", 401)
    with pytest.raises(TerminalUnavailable):
        pay(order)
    order.refresh_from_db()
    assert (order.state, order.operations.count()) == (states.INIT, 0)


def test_not_inside_a_transaction(gateway: Simulator) -> None:
    order = by_phone()
    with pytest.raises(RuntimeError), transaction.atomic():
        pay(order)
    assert gateway.calls == ()


def test_the_ceiling_is_the_terminals(gateway: Simulator) -> None:
    with pytest.raises(InvalidAmount):
        by_phone(amount=Decimal("1000.01"))
    assert by_phone(amount=Decimal("1000")).amount == 100000


def test_a_shopper_left_at_the_bank_rings_instead(
    shopper: Shopper, nexi: Any, settings: Any, gateway: Simulator
) -> None:
    one = {"ENVIRONMENT": "simulator", "MOTO": True}
    nexi(TERMINALS={"default": one})
    shop = new_order(reference="R-1")
    shopper.start(shop)
    order = moto.open_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference="R-1",
        terminal="default",
        actor=flows.Actor(),
    )
    shop.refresh_from_db()
    assert (shop.state, shop.reason) == (states.FAILED, "superseded")
    assert (order.state, order.retry_of) == (states.INIT, shop)
    pay(order)
    assert (order.state, order.channel) == (states.PAID, "moto")
    assert moto.newest_attempt(shop) == order


def test_how_many_statements(gateway: Simulator) -> None:
    """Measured here so that a change is noticed: create, charge, deliver."""
    with CaptureQueriesContext(connection) as asked:
        order = pay(by_phone())
    assert order.state == states.PAID
    words = ("SELECT", "INSERT", "UPDATE", "DELETE")
    statements = [
        one["sql"] for one in asked.captured_queries if one["sql"].startswith(words)
    ]
    assert len(statements) <= 12, statements
