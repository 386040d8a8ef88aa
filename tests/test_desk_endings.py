"""How a phone order ends, and what the caller is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from nexi_payments import flows, states
from nexi_payments.flows import alarms
from nexi_payments.gateway.codes import DeclineClass, decline_class
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.staff_wording import BY_CLASS
from tests.clerk import (
    DESK,
    Clerk,
    card_page,
    opened,
    order_page,
    result_page,
)
from tests.shopper import CARDS, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clerk(gateway: Simulator) -> Clerk:
    return Clerk("take_moto")


def motos(gateway: Simulator) -> int:
    return gateway.count("POST /orders/moto")


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
    order = clerk.take(ending)
    assert order.state == state
    page = clerk.read(result_page(order))
    assert say in page
    assert "stolen" not in page.lower()
    assert "lost" not in page.lower().replace("closed", "")


@pytest.mark.parametrize("language", ["en", "it"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("903", DeclineClass.TRY_LATER),
        ("911", DeclineClass.TRY_LATER),
        ("101", DeclineClass.CHECK_CARD),
        ("111", DeclineClass.CHECK_CARD),
        ("116", DeclineClass.OTHER_CARD),
        ("121", DeclineClass.OTHER_CARD),
        ("102", DeclineClass.NEVER_AGAIN),
        ("208", DeclineClass.NEVER_AGAIN),
        ("209", DeclineClass.NEVER_AGAIN),
        ("413", DeclineClass.NEVER_AGAIN),
        ("100", DeclineClass.CALL_BANK),
        ("", DeclineClass.CALL_BANK),
        ("777", DeclineClass.CALL_BANK),
    ],
)
def test_every_class_of_code_has_its_sentence(
    clerk: Clerk, language: str, code: str, kind: str
) -> None:
    from django.utils import translation
    from django.utils.html import escape

    order = clerk.take("declined")
    PaymentOrder.objects.filter(pk=order.pk).update(response_code=code)
    assert decline_class(code) == kind
    clerk.browser.cookies["django_language"] = language
    page = clerk.read(result_page(order))
    with translation.override(language):
        assert escape(str(BY_CLASS[kind].say)) in page
        assert escape(str(BY_CLASS[kind].title)) in page


def test_an_unknown_answer_is_never_failed(clerk: Clerk, gateway: Simulator) -> None:
    order = opened(clerk.open())
    gateway.lose_next_answer("/orders/moto")
    for _ in range(2):
        gateway.next_reply(f"/orders/{order.order_id}", Reply(503))
    clerk.card(order)
    order.refresh_from_db()
    assert order.state == states.PAYING
    page = clerk.read(result_page(order))
    assert "We are checking" in page
    assert "Do not key it again" in page
    assert "Not paid" not in page
    assert '<noscript><meta http-equiv="refresh" content="5">' in page
    status = result_page(order) + "status/"
    answer = json.loads(clerk.get(status).content)
    assert (answer["final"], answer["next"]) == (False, None)
    assert answer["message"] == "We are checking"
    flows.reconcile(order)
    answer = json.loads(clerk.get(status).content)
    assert (answer["final"], answer["next"]) == (True, result_page(order))
    assert answer["message"] == "Paid"
    assert "Thank you" in clerk.read(result_page(order))


def test_manual_capture_holds(nexi: Any, settings: Any, clerk: Clerk) -> None:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    manual = {**terminals["moto"], "CAPTURE": "manual"}
    nexi(TERMINALS={**terminals, "moto": manual})
    order = clerk.take()
    assert (order.state, order.authorized_amount, order.captured_amount) == (
        states.AUTHORIZED,
        1250,
        0,
    )
    assert "the amount is reserved on your card" in clerk.read(result_page(order))


def test_a_key_that_is_refused(clerk: Clerk, gateway: Simulator) -> None:
    order = opened(clerk.open())
    alarms.raise_for("moto", 401)
    answer = clerk.card(order)
    assert answer.status_code == 503
    assert "Nexi refuses the key of this terminal." in answer.content.decode()
    assert CARDS["challenge"].number not in answer.content.decode()
    assert gateway.calls == ()


def test_a_bad_card_is_asked_for_again(clerk: Clerk, gateway: Simulator) -> None:
    order = opened(clerk.open())
    number = CARDS["challenge"].number
    answer = clerk.card(order, expiry="13/30")
    page = answer.content.decode()
    assert answer.status_code == 400
    assert number not in page
    assert "396" not in page
    assert "Enter month and year like this" in page
    assert gateway.calls == ()


def test_outcome_that_the_database_did_not_take(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch, gateway: Simulator
) -> None:
    from django.db import OperationalError

    from nexi_payments.flows import ledger

    order = opened(clerk.open())

    def broken(*args: Any) -> bool:
        raise OperationalError("disk full")

    monkeypatch.setattr(ledger, "_close", broken)
    assert clerk.card(order)["Location"] == result_page(order)
    monkeypatch.undo()
    assert "We are checking" in clerk.read(result_page(order))
    assert gateway.count("POST /orders/moto") == 1


def test_pages_need_a_login() -> None:
    browser = Client(HTTP_HOST="127.0.0.1:8000")
    answer = browser.get(DESK)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_csrf_is_checked(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", enforce_csrf_checks=True)
    assert clerk.open().status_code == 403
    assert PaymentOrder.objects.count() == 0


def test_recent_actions_lead_to_the_desk(clerk: Clerk) -> None:
    order = clerk.take()
    assert order_page(order) in clerk.read("/admin/")
    assert clerk.get(order_page(order))["Location"] == result_page(order)
    assert clerk.post(order_page(order)).status_code == 403
    assert clerk.get(order_page(new_order())).status_code == 403


def test_the_order_page_tells_the_story() -> None:
    clerk = Clerk("take_moto", "view_paymentorder")
    order = clerk.take()
    page = clerk.read(order_page(order))
    for word in ("phone payment", "10.1.2.3", "000: approved", "clerk"):
        assert word in page, word
    assert order.operations.get().correlation_id in page


# -- the same card, the same amount --------------------------------------------------


def test_the_same_again_needs_a_tick(clerk: Clerk, gateway: Simulator) -> None:
    first = clerk.take()
    other = opened(clerk.open(reference="R-2"))
    page = clerk.read(card_page(other))
    assert "charged in the last ten minutes" in page
    assert "R-1" in page
    assert first.card_last4 in page
    answer = clerk.card(other)
    assert answer.status_code == 400
    assert "This card was charged the same just now." in answer.content.decode()
    assert motos(gateway) == 1
    other.refresh_from_db()
    assert (other.state, other.operations.count()) == (states.INIT, 0)
    clerk.card(other, knowingly="on")
    other.refresh_from_db()
    assert (other.state, motos(gateway)) == (states.PAID, 2)


def test_another_card_or_amount_needs_none(clerk: Clerk, gateway: Simulator) -> None:
    clerk.take()
    assert clerk.take("frictionless", reference="R-2").state == states.PAID
    assert clerk.take(reference="R-3", amount="12.51").state == states.PAID
    assert motos(gateway) == 3
