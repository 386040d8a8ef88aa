"""Phone orders in the admin: one reference, one charge, and clear messages."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.utils import timezone

from nexi_payments.enums import Channel, OperationKind, OperationOutcome, OrderState
from nexi_payments.flows import moto
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    MOTO_ENDPOINT,
    PHONE_ORDERS_URL,
    Clerk,
    card_url,
    hidden_fields,
    order_from_redirect,
    result_url,
)
from tests.support.shopper import CARDS, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
CLERK_MAY = ("take_moto",)


# -- the two steps -------------------------------------------------------------------


def test_a_phone_order_is_charged(clerk: Clerk, gateway: Simulator) -> None:
    order = clerk.take_phone_order()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)
    assert (order.channel, order.terminal, order.clerk) == (
        Channel.MOTO,
        "moto",
        clerk.user,
    )
    assert (order.reference, order.description) == ("R-1", "Three cups")
    assert (order.customer_name, order.customer_email) == (
        "Giulia Bianchi",
        "giulia@example.com",
    )
    assert (order.card_brand, order.card_last4) == ("VISA", "4549")
    operation = order.operations.get()
    assert (operation.kind, operation.outcome, operation.amount) == (
        OperationKind.MOTO,
        OperationOutcome.DONE,
        1250,
    )
    assert (operation.actor, operation.address) == (clerk.user, "10.1.2.3")
    charge = gateway.charge_of(order.order_id)
    assert (charge.result, charge.captured) == ("EXECUTED", 1250)
    page = clerk.get_text(result_url(order))
    assert "Thank you, the payment has gone through." in page
    assert "12.50 EUR" in page
    assert CARDS["challenge"].number not in page
    assert [entry.user for entry in LogEntry.objects.all()] == [clerk.user] * 2


def test_found_is_not_opened_whatever_the_clock_says(clerk: Clerk) -> None:
    order = order_from_redirect(clerk.create_order())
    PaymentOrder.objects.update(created_at=timezone.now() + timedelta(hours=1))
    assert order_from_redirect(clerk.create_order()) == order
    assert LogEntry.objects.count() == 1


def test_nothing_is_charged_on_step_one(clerk: Clerk, gateway: Simulator) -> None:
    order = order_from_redirect(clerk.create_order())
    assert (order.state, order.operations.count()) == (OrderState.INIT, 0)
    assert gateway.calls == ()
    page = clerk.get_text(card_url(order))
    assert "12.50 EUR" in page
    assert "TEST" in page
    assert "R-1" in page
    assert "LIVE" not in page


def test_the_card_page_runs_nothing_but_our_scripts(clerk: Clerk) -> None:
    answer = clerk.get(card_url(order_from_redirect(clerk.create_order())))
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "no-store" in answer["Cache-Control"]
    page = answer.content.decode()
    assert page.count("<script") == 2
    assert 'nexi_payments/card.js"' in page
    assert 'nexi_payments/phone_card.js"' in page
    assert page.count('autocomplete="off"') >= 4
    assert "cc-number" not in page
    assert page.count('class="nexi-masked') == 2


def test_the_live_banner(change_settings: Any, settings: Any, clerk: Clerk) -> None:
    change_settings(
        TERMINALS={
            **settings.NEXI_PAYMENTS["TERMINALS"],
            "moto": {"API_KEY": "k", "ENVIRONMENT": "production", "MOTO": True},
        },
        PUBLIC_URL="https://shop.example",
    )
    assert "LIVE" in clerk.get_text(PHONE_ORDERS_URL)
    assert "LIVE" in clerk.get_text(card_url(order_from_redirect(clerk.create_order())))


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("amount", "", "Enter the amount."),
        ("amount", "0", "must be more than zero"),
        ("amount", "-5", "must be more than zero"),
        ("amount", "twelve", "Enter an amount like 12.50."),
        ("amount", "12.505", "EUR has 2 decimals."),
        ("amount", "1000.01", "This desk takes at most 1,000.00 EUR at once."),
        ("amount", "9" * 30, "This amount is too large."),
        ("currency", "XXX", "XXX is not one of the available choices."),
        ("reference", "", "Enter the number of the order."),
        ("reference", "x" * 101, "at most 100 characters"),
        ("customer_email", "nobody", "Enter a valid email address."),
        ("terminal", "default", "default is not one of the available choices."),
    ],
)
def test_what_step_one_refuses(clerk: Clerk, field: str, value: str, word: str) -> None:
    answer = clerk.create_order(**{field: value})
    assert answer.status_code == 400
    assert word in answer.content.decode()
    assert PaymentOrder.objects.count() == 0


@pytest.mark.parametrize(
    "field",
    ["amount", "reference", "description", "customer_name", "customer_email"],
)
def test_a_card_number_in_another_field(clerk: Clerk, field: str) -> None:
    number = CARDS["challenge"].number
    answer = clerk.create_order(**{field: number})
    assert answer.status_code == 400
    assert number not in answer.content.decode()
    assert PaymentOrder.objects.count() == 0


def test_the_ceiling_itself_is_allowed(clerk: Clerk) -> None:
    assert order_from_redirect(clerk.create_order(amount="1000")).amount == 100000


def test_italian_amounts(clerk: Clerk) -> None:
    clerk.browser.cookies["django_language"] = "it"
    order = order_from_redirect(clerk.create_order(amount="12,50"))
    assert order.amount == 1250
    assert "12,50 EUR" in clerk.get_text(card_url(order))


def test_an_order_of_the_shop_is_not_charged_at_the_desk(
    clerk: Clerk, gateway: Simulator
) -> None:
    order = new_order()
    assert clerk.get(card_url(order)).status_code == 404
    assert clerk.submit_card(order).status_code == 404
    assert clerk.get(result_url(order)).status_code == 404
    order.refresh_from_db()
    assert (order.state, gateway.calls) == (OrderState.INIT, ())


# -- once ----------------------------------------------------------------------------


def test_step_one_twice_is_one_order(clerk: Clerk) -> None:
    nonce = hidden_fields(clerk.get_text(PHONE_ORDERS_URL))["nonce"]
    first = order_from_redirect(clerk.create_order(nonce=nonce))
    assert order_from_redirect(clerk.create_order(nonce=nonce)) == first
    # also when it was paid meanwhile, or its details differ
    clerk.submit_card(first)
    answer = clerk.create_order(nonce=nonce, amount="99.00")
    assert answer["Location"] == result_url(first)
    assert PaymentOrder.objects.count() == 1


def test_the_card_twice_is_one_charge(clerk: Clerk, gateway: Simulator) -> None:
    order = clerk.take_phone_order()
    for _ in range(3):  # double click, reload, Back and again
        assert clerk.submit_card(order)["Location"] == result_url(order)
    assert clerk.get(card_url(order))["Location"] == result_url(order)
    assert gateway.count(MOTO_ENDPOINT) == 1
    assert order.operations.count() == 1


def test_a_declined_card_is_not_sent_again_by_a_reload(
    clerk: Clerk, gateway: Simulator
) -> None:
    order = clerk.take_phone_order("declined")
    assert clerk.submit_card(order, "challenge")["Location"] == result_url(order)
    order.refresh_from_db()
    assert (order.state, gateway.count(MOTO_ENDPOINT)) == (OrderState.FAILED, 1)
    other = Clerk("take_moto", name="other")
    assert (
        order_from_redirect(other.post(result_url(order) + "retry/")).clerk
        == other.user
    )
    again = order_from_redirect(clerk.post(result_url(order) + "retry/"))
    assert again != order
    assert (again.state, again.clerk, again.channel) == (
        OrderState.INIT,
        clerk.user,
        Channel.MOTO,
    )
    clerk.submit_card(again)
    again.refresh_from_db()
    assert (again.state, gateway.count(MOTO_ENDPOINT)) == (OrderState.PAID, 2)
    # the page of the first leads to nothing more
    answer = clerk.post(result_url(order) + "retry/")
    assert order_from_redirect(answer) == again
    assert PaymentOrder.objects.count() == 2


def test_a_500_and_the_form_once_more(
    clerk: Clerk, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_from_redirect(clerk.create_order())
    clerk.browser.raise_request_exception = False
    real = terminal_outages.log_failure
    monkeypatch.setattr(moto.operations, "settle", lambda *args: 1 / 0)
    assert clerk.submit_card(order).status_code == 500
    monkeypatch.undo()
    assert terminal_outages.log_failure is real
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    assert clerk.submit_card(order)["Location"] == result_url(order)
    assert gateway.count("POST /orders/moto") == 1
    assert "We are checking" in clerk.get_text(result_url(order))


def test_two_clerks_on_one_reference(gateway: Simulator) -> None:
    one = Clerk("take_moto", name="one")
    two = Clerk("take_moto", name="two")
    first, second = (
        order_from_redirect(one.create_order()),
        order_from_redirect(two.create_order()),
    )
    assert first == second
    answers = []

    def charge(clerk: Clerk) -> None:
        answers.append(clerk.submit_card(first)["Location"])
        connection.close()

    threads = [threading.Thread(target=charge, args=(who,)) for who in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [result_url(first)] * 2
    first.refresh_from_db()
    assert (first.state, gateway.count(MOTO_ENDPOINT)) == (OrderState.PAID, 1)
    assert first.operations.count() == 1
    answer = two.create_order(amount="99.00")
    assert answer.status_code == 400
    assert "This reference is taken: 12.50 EUR, paid." in answer.content.decode()


def test_a_reference_whose_card_was_not_used_is_opened_anew(clerk: Clerk) -> None:
    first = order_from_redirect(clerk.create_order())
    second = order_from_redirect(clerk.create_order(amount="20.00"))
    first.refresh_from_db()
    assert (first.state, first.reason) == (OrderState.FAILED, "superseded")
    assert second.amount == 2000
    clerk.submit_card(first)
    first.refresh_from_db()
    assert first.state == OrderState.FAILED
    assert "Replaced by another order" in clerk.get_text(result_url(first))


def test_an_order_begun_in_the_shop_is_taken_over(
    clerk: Clerk, gateway: Simulator
) -> None:
    shop = new_order(reference="R-1")
    order = order_from_redirect(clerk.create_order())
    shop.refresh_from_db()
    assert (shop.state, shop.reason) == (OrderState.FAILED, "superseded")
    clerk.submit_card(order)
    order.refresh_from_db()
    assert order.state == OrderState.PAID


def test_too_many_cards_of_one_clerk(
    clerk: Clerk, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"clerk": (2, 590)})
    for number in range(2):
        clerk.take_phone_order("declined", reference=f"R-{number}")
    order = order_from_redirect(clerk.create_order(reference="R-3"))
    answer = clerk.submit_card(order)
    assert (answer.status_code, answer["Retry-After"]) == (429, "590")
    shown = answer.content.decode()
    assert "Too many cards that you entered were refused." in shown
    assert "Nothing was sent; try again in 10 min." in shown
    assert CARDS["challenge"].number not in shown
    order.refresh_from_db()
    assert (order.state, order.card_last4, order.operations.count()) == ("init", "", 0)
    assert gateway.count(MOTO_ENDPOINT) == 2
    assert Clerk("take_moto", name="colleague").take_phone_order().state == "paid"
