"""``flows.pay_moto``: one call, one charge, the same outcomes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import OrderState, Reason
from nexi_payments.exceptions import (
    InvalidAmount,
    InvalidCustomer,
    MotoNotAllowed,
    OrderBusy,
    OrderNotPayable,
    PossibleDuplicate,
    TerminalUnavailable,
)
from nexi_payments.flows import moto, payment_link
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    MINUTE,
    operation_body,
    order_reply,
    prove_rejected,
    reconcile_after,
)
from tests.support.shopper import CARDS, Shopper, new_order

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
        ("gateway_down", "failed", "not_sent"),
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
    for minutes in (2, 14):
        reconcile_after(minutes * MINUTE)
        order.refresh_from_db()
        assert order.state == OrderState.PAYING
    reconcile_after(16 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, "unconfirmed")
    assert motos(gateway) == 1


def test_pending_is_paid_later(gateway: Simulator) -> None:
    order = pay(by_phone(), "pending_then_paid")
    assert order.gateway_pending
    gateway.advance(60)
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)


def test_two_authorizations_are_reviewed(gateway: Simulator) -> None:
    order = pay(by_phone(), "garbage")
    one = operation_body(order, "EXECUTED") | {"operationId": "1"}
    two = one | {"operationId": "2"}
    gateway.next_reply(f"/orders/{order.order_id}", order_reply(order, one, two))
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, "two_authorizations")


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
    body = {
        "operation": operation_body(order, "EXECUTED") | {"operationId": "1"} | change
    }
    gateway.next_reply("/orders/moto", Reply(200, json.dumps(body).encode()))
    pay(order)
    assert (order.state, order.reason) == (OrderState.REVIEW, "mismatch")


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_a_refusal_is_looked_into(gateway: Simulator, status: int) -> None:
    gateway.next_reply("/orders/moto", Reply(status))
    order = pay(by_phone())
    assert order.state == OrderState.PAYING
    assert gateway.count("GET /orders/{id}") == 2
    prove_rejected(order)
    reason = Reason.BUSY if status == 429 else Reason.REJECTED
    assert (order.state, order.reason) == (OrderState.FAILED, reason)
    assert gateway.count("GET /orders/{id}") == 4
    assert motos(gateway) == 1


def test_only_where_it_is_allowed(gateway: Simulator) -> None:
    order = new_order()
    with pytest.raises(MotoNotAllowed) as error:
        pay(order)
    assert error.value.terminal == "default"
    order.refresh_from_db()
    assert (order.state, order.channel) == (OrderState.INIT, "shop")
    with pytest.raises(MotoNotAllowed):
        moto.create_moto_order(
            amount=Decimal("1"),
            currency="EUR",
            reference="R",
            terminal="default",
            actor=flows.Actor(),
        )
    assert PaymentOrder.objects.count() == 1
    assert gateway.calls == ()


def test_the_same_card_and_amount_again(gateway: Simulator) -> None:
    first = pay(by_phone())
    order = by_phone()
    with pytest.raises(PossibleDuplicate) as error:
        pay(order)
    assert error.value.order == order
    assert error.value.duplicates == (first,)
    assert first.order_id in str(error.value)
    assert CARDS["challenge"].number not in str(error.value)
    assert (order.state, order.operations.count(), motos(gateway)) == ("init", 0, 1)
    assert pay(order, "frictionless").state == OrderState.PAID
    pay(by_phone(amount=Decimal("12.51")))
    flows.pay_moto(by_phone(), card(), cardholder="Giulia", allow_duplicate=True)
    assert motos(gateway) == 4


def test_a_declined_card_is_no_duplicate(gateway: Simulator) -> None:
    assert pay(by_phone(), "declined").state == OrderState.FAILED
    assert pay(by_phone(), "declined").state == OrderState.FAILED
    assert motos(gateway) == 2


def test_once_and_with_a_name(gateway: Simulator) -> None:
    order = by_phone()
    with pytest.raises(InvalidCustomer):
        flows.pay_moto(order, card())
    assert order.operations.count() == 0
    pay(order)
    with pytest.raises(OrderNotPayable):
        pay(order)
    named = by_phone(customer={"name": "Giulia"})
    flows.pay_moto(named, card(), allow_duplicate=True)
    assert (named.state, named.cardholder_name) == (OrderState.PAID, "Giulia")
    assert motos(gateway) == 2


def test_a_link_made_meanwhile_wins(gateway: Simulator) -> None:
    order = by_phone()
    PaymentOrder.objects.filter(pk=order.pk).update(channel="moto")
    stale = PaymentOrder.objects.get(pk=order.pk)
    payment_link.offer_link(PaymentOrder.objects.get(pk=order.pk))
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
    terminal_outages.record("moto", 401)
    with pytest.raises(TerminalUnavailable):
        pay(order)
    order.refresh_from_db()
    assert (order.state, order.operations.count()) == (OrderState.INIT, 0)


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
    shopper: Shopper, change_settings: Any, settings: Any, gateway: Simulator
) -> None:
    one = {"ENVIRONMENT": "simulator", "MOTO": True}
    change_settings(TERMINALS={"default": one})
    shop = new_order(reference="R-1")
    shopper.start(shop)
    order = moto.create_moto_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference="R-1",
        terminal="default",
        actor=flows.Actor(),
    )
    shop.refresh_from_db()
    assert (shop.state, shop.reason) == (OrderState.FAILED, "superseded")
    assert (order.state, order.retry_of) == (OrderState.INIT, shop)
    pay(order)
    assert (order.state, order.channel) == (OrderState.PAID, "moto")
    assert payment_link.current_attempt(shop) == order


def test_how_many_statements(gateway: Simulator) -> None:
    """The number of queries: create, charge, deliver."""
    with CaptureQueriesContext(connection) as asked:
        order = pay(by_phone())
    assert order.state == OrderState.PAID
    words = ("SELECT", "INSERT", "UPDATE", "DELETE")
    statements = [
        one["sql"] for one in asked.captured_queries if one["sql"].startswith(words)
    ]
    assert len(statements) <= 12, statements
