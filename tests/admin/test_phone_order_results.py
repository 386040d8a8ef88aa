"""Outcomes of phone orders, and what the clerk reads about them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from nexi_payments import flows
from nexi_payments.admin.staff_texts import BY_DECLINE_CLASS
from nexi_payments.enums import OrderState
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.gateway.result_codes import DeclineAdvice, decline_advice
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import (
    MOTO_ENDPOINT,
    PHONE_ORDERS_URL,
    Clerk,
    card_url,
    order_from_redirect,
    order_url,
    result_url,
)
from tests.support.fault_injection import STORES_OUTCOME, database_fails
from tests.support.shopper import CARDS, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
CLERK_MAY = ("take_moto",)


@pytest.mark.parametrize(
    ("ending", "state", "say"),
    [
        ("declined", "failed", "The bank did not accept this payment. Do you have"),
        ("lost_card", "failed", "We cannot take this card."),
        ("excess_reattempts", "failed", "We cannot take this card."),
        ("risk", "failed", "Your bank did not accept this payment."),
        ("gateway_down", "failed", "Our connection to the bank failed."),
        ("pending_then_paid", "paying", "The bank has not answered yet"),
        ("garbage", "paying", "The bank has not answered yet"),
        ("answer_lost", "paid", "Thank you, the payment has gone through."),
    ],
)
def test_what_the_caller_is_told(
    clerk: Clerk, ending: str, state: str, say: str
) -> None:
    order = clerk.take_phone_order(ending)
    assert order.state == state
    page = clerk.get_text(result_url(order))
    assert say in page
    assert "stolen" not in page.lower()
    assert "lost" not in page.lower().replace("closed", "")


@pytest.mark.parametrize("language", ["en", "it"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("903", DeclineAdvice.TRY_LATER),
        ("911", DeclineAdvice.TRY_LATER),
        ("101", DeclineAdvice.CHECK_CARD_DATA),
        ("111", DeclineAdvice.CHECK_CARD_DATA),
        ("116", DeclineAdvice.USE_OTHER_CARD),
        ("121", DeclineAdvice.USE_OTHER_CARD),
        ("102", DeclineAdvice.DO_NOT_RETRY),
        ("208", DeclineAdvice.DO_NOT_RETRY),
        ("209", DeclineAdvice.DO_NOT_RETRY),
        ("413", DeclineAdvice.DO_NOT_RETRY),
        ("100", DeclineAdvice.CONTACT_ISSUER),
        ("", DeclineAdvice.CONTACT_ISSUER),
        ("777", DeclineAdvice.CONTACT_ISSUER),
    ],
)
def test_every_class_of_code_has_its_sentence(
    clerk: Clerk, language: str, code: str, kind: str
) -> None:
    from django.utils import translation
    from django.utils.html import escape

    order = clerk.take_phone_order("declined")
    PaymentOrder.objects.filter(pk=order.pk).update(response_code=code)
    assert decline_advice(code) == kind
    clerk.browser.cookies["django_language"] = language
    page = clerk.get_text(result_url(order))
    with translation.override(language):
        assert escape(str(BY_DECLINE_CLASS[kind].say)) in page
        assert escape(str(BY_DECLINE_CLASS[kind].title)) in page


def test_an_unknown_answer_is_never_failed(clerk: Clerk, gateway: Simulator) -> None:
    order = order_from_redirect(clerk.create_order())
    gateway.lose_next_answer("/orders/moto")
    for _ in range(2):
        gateway.next_reply(f"/orders/{order.order_id}", Reply(503))
    clerk.submit_card(order)
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    page = clerk.get_text(result_url(order))
    assert "We are checking" in page
    assert "Do not key it again" in page
    assert "Not paid" not in page
    assert '<noscript><meta http-equiv="refresh" content="5">' in page
    status = result_url(order) + "status/"
    answer = json.loads(clerk.get(status).content)
    assert (answer["final"], answer["next"]) == (False, None)
    assert answer["message"] == "We are checking"
    flows.reconcile(order)
    answer = json.loads(clerk.get(status).content)
    assert (answer["final"], answer["next"]) == (True, result_url(order))
    assert answer["message"] == "Paid"
    assert "Thank you" in clerk.get_text(result_url(order))


def test_manual_capture_holds(
    change_settings: Any, settings: Any, clerk: Clerk
) -> None:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    manual = {**terminals["moto"], "CAPTURE": "manual"}
    change_settings(TERMINALS={**terminals, "moto": manual})
    order = clerk.take_phone_order()
    assert (order.state, order.authorized_amount, order.captured_amount) == (
        OrderState.AUTHORIZED,
        1250,
        0,
    )
    assert "the amount is reserved on your card" in clerk.get_text(result_url(order))


def test_a_key_that_is_refused(clerk: Clerk, gateway: Simulator) -> None:
    order = order_from_redirect(clerk.create_order())
    terminal_outages.record("moto", 401)
    answer = clerk.submit_card(order)
    assert answer.status_code == 503
    assert "Nexi refuses the key of this terminal." in answer.content.decode()
    assert CARDS["challenge"].number not in answer.content.decode()
    assert gateway.calls == ()


def test_a_bad_card_is_asked_for_again(clerk: Clerk, gateway: Simulator) -> None:
    order = order_from_redirect(clerk.create_order())
    number = CARDS["challenge"].number
    answer = clerk.submit_card(order, expiry="13/30")
    page = answer.content.decode()
    assert answer.status_code == 400
    assert number not in page
    assert "396" not in page
    assert "Enter month and year like this" in page
    assert gateway.calls == ()


def test_outcome_that_the_database_did_not_take(
    clerk: Clerk, gateway: Simulator
) -> None:
    order = order_from_redirect(clerk.create_order())
    with database_fails(*STORES_OUTCOME):
        assert clerk.submit_card(order)["Location"] == result_url(order)
    assert "We are checking" in clerk.get_text(result_url(order))
    assert gateway.count("POST /orders/moto") == 1


def test_pages_need_a_login() -> None:
    browser = Client(HTTP_HOST="127.0.0.1:8000")
    answer = browser.get(PHONE_ORDERS_URL)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_csrf_is_checked(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", enforce_csrf_checks=True)
    assert clerk.create_order().status_code == 403
    assert PaymentOrder.objects.count() == 0


def test_recent_actions_lead_to_the_desk(clerk: Clerk) -> None:
    order = clerk.take_phone_order()
    assert order_url(order) in clerk.get_text("/admin/")
    assert clerk.get(order_url(order))["Location"] == result_url(order)
    assert clerk.post(order_url(order)).status_code == 403
    assert clerk.get(order_url(new_order())).status_code == 403


def test_the_order_page_tells_the_story() -> None:
    clerk = Clerk("take_moto", "view_paymentorder")
    order = clerk.take_phone_order()
    page = clerk.get_text(order_url(order))
    for word in ("Charged ", "10.1.2.3", "approved (000)", "clerk"):
        assert word in page, word
    assert order.operations.get().correlation_id in page


# -- the same card, the same amount --------------------------------------------------


def test_the_same_again_needs_a_tick(clerk: Clerk, gateway: Simulator) -> None:
    first = clerk.take_phone_order()
    other = order_from_redirect(clerk.create_order(reference="R-2"))
    page = clerk.get_text(card_url(other))
    assert "charged in the last ten minutes" in page
    assert "R-1" in page
    assert first.card_last4 in page
    answer = clerk.submit_card(other)
    assert answer.status_code == 400
    assert "This card was charged the same just now." in answer.content.decode()
    assert gateway.count(MOTO_ENDPOINT) == 1
    other.refresh_from_db()
    assert (other.state, other.operations.count()) == (OrderState.INIT, 0)
    clerk.submit_card(other, allow_duplicate="on")
    other.refresh_from_db()
    assert (other.state, gateway.count(MOTO_ENDPOINT)) == (OrderState.PAID, 2)


def test_another_card_or_amount_needs_none(clerk: Clerk, gateway: Simulator) -> None:
    clerk.take_phone_order()
    assert (
        clerk.take_phone_order("frictionless", reference="R-2").state == OrderState.PAID
    )
    assert (
        clerk.take_phone_order(reference="R-3", amount="12.51").state == OrderState.PAID
    )
    assert gateway.count(MOTO_ENDPOINT) == 3
