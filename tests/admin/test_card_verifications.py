"""Staff pages for zero-amount card verifications."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.http import HttpResponse
from django.utils import timezone

from nexi_payments.enums import OperationOutcome
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import CardVerification, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import TEST_CARDS, Reply, Simulator
from nexi_payments.testing.forms import card_fields, hidden_fields
from tests.support.clerk import Clerk
from tests.support.concurrency import run_concurrently
from tests.support.database import broken_update
from tests.support.shopper import CARDS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
LIST = "/admin/nexi_payments/cardverification/"
PAGE = LIST + "verify/"
VERIFY = "POST /orders/card_verification"
CLERK_MAY = ("verify_card",)


def keyed(ending: str = "challenge", **changes: str) -> dict[str, str]:
    return card_fields(ending, **{"currency": "EUR", "terminal": "moto", **changes})


def form_of(clerk: Clerk) -> dict[str, str]:
    """The nonce of a page that was just opened."""
    return hidden_fields(clerk.get_text(PAGE))


def answered(clerk: Clerk, answer: HttpResponse) -> str:
    """The words of the page that a check leads to."""
    check = CardVerification.objects.get()
    assert answer.status_code == 302, answer.content.decode()
    assert answer["Location"] == f"{PAGE}{check.order_id}/"
    return html.unescape(clerk.get_text(answer["Location"]))


def test_the_card_page_is_none_of_the_theme(clerk: Clerk, gateway: Simulator) -> None:
    answer = clerk.get(PAGE)
    shown = answer.content.decode()
    assert answer["Cache-Control"].startswith("private, no-store")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert "admin/css" not in shown
    assert re.findall(r'<script src="([^"]+)"', shown) == [
        "/static/nexi_payments/card.js"
    ]
    assert shown.count('autocomplete="off"') == 8  # the form, seven fields of it
    assert shown.count('class="nexi-masked') == 2
    assert "Nothing is charged, and the card is not kept." in shown
    assert "No real bank is asked." in shown
    assert re.findall(r'<option value="(\w+)"', shown)[-4:] == [
        "moto",
        "default",
        "two",
        "manual",
    ]
    assert len(hidden_fields(shown)["nonce"]) == 32
    assert hidden_fields(shown) != form_of(clerk)
    assert gateway.calls == ()


@pytest.mark.usefixtures("every_currency")
def test_a_good_card(clerk: Clerk, gateway: Simulator) -> None:
    gateway.keep_bodies()
    answer = clerk.post(PAGE, **form_of(clerk), **keyed(currency="CHF"))
    shown = answered(clerk, answer)
    assert "The card is good" in shown
    assert "Nothing was charged. The card is not kept" in shown
    assert "VISA •••• 4549 · 12/30" in shown
    assert "000 approved" in shown
    assert "No real bank is asked." in shown
    assert "Verify another card" in shown
    check = CardVerification.objects.get()
    assert (check.actor, check.address) == (clerk.user, "10.1.2.3")
    assert (check.terminal, check.outcome) == ("moto", OperationOutcome.DONE)
    asked = gateway.calls[-1].request_body["order"]
    assert (asked["amount"], asked["currency"]) == ("0", "CHF")
    assert asked["customerInfo"] == {"cardHolderName": "Giulia Bianchi"}
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (clerk.user, str(check.pk))
    assert entry.change_message == "A card was verified."
    assert not PaymentOrder.objects.exists()
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize(
    ("reply", "title", "words"),
    [
        ("lost_card", "Not good: do not try this card again", "208 not accepted by"),
        ("declined", "Not good: ask for another card", "116 insufficient funds"),
        ("gateway_down", "Not asked: Nexi could not be reached", "never left this"),
        ("answer_lost", "Nobody can say", "costs nothing, but asks the bank again."),
        (Reply(401), "Nexi did not accept the terminal's key", "no bank was asked"),
        (Reply(429), "Nexi did not take the request", "no bank was asked"),
        (Reply(400), "Not good: the bank says no", "Only the bank can tell"),
    ],
)
def test_what_is_said(
    clerk: Clerk, gateway: Simulator, reply: Any, title: str, words: str
) -> None:
    ending = "challenge"
    if isinstance(reply, Reply):
        gateway.next_reply("card_verification", reply)
    else:
        ending = reply
    shown = answered(clerk, clerk.post(PAGE, **form_of(clerk), **keyed(ending)))
    assert title in shown
    assert words in shown
    assert "Nothing was charged" in shown
    assert "Tell the caller:" in shown
    assert "Enter a card again" in shown
    assert "stolen" not in shown.lower()
    assert gateway.counts[VERIFY] == 1


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("911", "No answer of the bank: try again later"),
        ("111", "Not good: check the card details"),
        ("121", "Not good: ask for another card"),
        ("413", "Not good: do not try this card again"),
        ("999", "Not good: the bank says no"),
    ],
)
def test_a_refusal_is_told_by_what_to_do(clerk: Clerk, code: str, title: str) -> None:
    clerk.post(PAGE, **keyed("declined"))
    CardVerification.objects.update(response_code=code)
    shown = clerk.get_text(f"{PAGE}{CardVerification.objects.get().order_id}/")
    assert f"<h2>{title}</h2>" in shown
    assert f"{code} " in shown


def test_a_terminal_that_takes_no_charges(clerk: Clerk, gateway: Simulator) -> None:
    terminal_outages.record("moto", 401)
    answer = clerk.post(PAGE, **form_of(clerk), **keyed())
    shown = answer.content.decode()
    assert answer.status_code == 503
    assert "Nexi refuses the key of this terminal. Nobody was asked." in shown
    assert "Nothing has been charged." in shown
    assert CARDS["challenge"].number not in shown
    assert gateway.calls == ()
    assert not CardVerification.objects.exists()
    assert clerk.post(PAGE, **keyed(terminal="two")).status_code == 302


def test_too_many(clerk: Clerk, gateway: Simulator, change_settings: Any) -> None:
    change_settings(RATE_LIMITS={"address": (1, 590), "everyone": None})
    clerk.post(PAGE, **form_of(clerk), **keyed("lost_card"))
    fields = form_of(clerk)
    answer = clerk.post(PAGE, **fields, **keyed())
    assert (answer.status_code, answer["Retry-After"]) == (429, "590")
    assert "Nobody was asked; try again in 10 min." in answer.content.decode()
    assert (
        hidden_fields(answer.content.decode()) == fields
    )  # the same form may be sent again
    assert gateway.counts[VERIFY] == 1
    assert LogEntry.objects.count() == 1


def test_too_many_of_one_clerk(
    clerk: Clerk, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"clerk": (1, 590), "everyone": None})
    clerk.post(PAGE, **form_of(clerk), **keyed("lost_card"))
    answer = clerk.post(PAGE, **form_of(clerk), **keyed())
    assert (answer.status_code, answer["Retry-After"]) == (429, "590")
    assert "Too many cards that you entered were refused." in answer.content.decode()
    assert gateway.counts[VERIFY] == 1


# -- mistakes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"card_number": "4349940199004540"}, "This card number is not right."),
        ({"expiry": "01/20"}, "This card is no longer valid."),
        ({"security_code": ""}, "Enter the three digits on the back"),
        ({"cardholder_name": ""}, "Enter the name on the card."),
        ({"currency": "XXX"}, "Choose one of the list."),
        ({"currency": ""}, "This field is required."),
        ({"terminal": "nowhere"}, "Choose one of the list."),
        ({"nonce": "a\0b"}, "Please check the fields below."),
    ],
)
def test_what_does_not_fit_asks_nobody(
    clerk: Clerk, gateway: Simulator, changes: dict[str, str], words: str
) -> None:
    answer = clerk.post(PAGE, **{**form_of(clerk), **keyed(), **changes})
    shown = answer.content.decode()
    assert answer.status_code == 400
    assert words in shown
    assert "Nothing has been charged." in shown
    assert CARDS["challenge"].number not in shown
    assert gateway.calls == ()
    assert not CardVerification.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    "field", ["cardholder_name", "currency", "terminal", "nonce", "expiry"]
)
def test_a_card_number_in_another_field(clerk: Clerk, field: str) -> None:
    number = CARDS["challenge"].number
    fields = {**keyed(expiry="01/20"), field: number}
    answer = clerk.post(PAGE, **fields)
    assert answer.status_code == 400
    assert number not in answer.content.decode()
    assert not CardVerification.objects.exists()


def test_a_currency_that_the_terminal_does_not_take(
    clerk: Clerk, gateway: Simulator, change_settings: Any
) -> None:
    lines = {
        "default": {"ENVIRONMENT": "simulator", "CURRENCIES": ["EUR"]},
        "swiss": {"ENVIRONMENT": "simulator", "CURRENCIES": ["CHF"]},
    }
    change_settings(TERMINALS=lines)
    answer = clerk.post(PAGE, **keyed(terminal="swiss"))
    shown = answer.content.decode()
    assert answer.status_code == 400
    assert "Terminal swiss does not take EUR." in shown
    assert re.findall(r'<option value="(\w+)"', shown) == [
        "EUR",
        "CHF",
        "default",
        "swiss",
    ]
    assert gateway.calls == ()
    assert not CardVerification.objects.exists()


def test_of_one_terminal_there_is_no_choice(
    clerk: Clerk, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(
        TERMINALS={"one": {"ENVIRONMENT": "simulator", "CURRENCIES": ["EUR"]}}
    )
    shown = clerk.get_text(PAGE)
    assert shown.count("<select") == 1
    fields = {**keyed(), "terminal": ""}
    assert clerk.post(PAGE, **fields).status_code == 302
    assert CardVerification.objects.get().terminal == "one"


# -- once ------------------------------------------------------------------------------


def test_the_same_form_asks_once(clerk: Clerk, gateway: Simulator) -> None:
    fields = {**form_of(clerk), **keyed()}
    first = clerk.post(PAGE, **fields)
    assert "asked already" not in answered(clerk, first)
    again = clerk.post(PAGE, **fields)
    assert again["Location"] == first["Location"]
    assert "This was asked already. Nobody was asked again." in answered(clerk, again)
    assert gateway.counts[VERIFY] == 1
    assert LogEntry.objects.count() == 1
    clerk.post(PAGE, **form_of(clerk), **keyed())  # a fresh one asks again
    assert gateway.counts[VERIFY] == 2


def test_the_same_form_with_another_card_is_not_answered_by_the_first(
    clerk: Clerk, gateway: Simulator
) -> None:
    """Back, from the browser's memory, then the next caller's card."""
    fields = form_of(clerk)
    clerk.post(PAGE, **fields, **keyed())
    answer = clerk.post(PAGE, **fields, **keyed("lost_card"))
    shown = answer.content.decode()
    assert answer.status_code == 409
    assert "This page was used for another card. Enter this one again." in shown
    assert CARDS["lost_card"].number not in shown
    assert gateway.counts[VERIFY] == 1
    fresh = hidden_fields(shown)
    assert fresh != fields
    assert clerk.post(PAGE, **fresh, **keyed("lost_card")).status_code == 302
    assert gateway.counts[VERIFY] == 2
    outcomes = CardVerification.objects.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == [OperationOutcome.DONE, OperationOutcome.DECLINED]


def test_twelve_submits_at_once_ask_once(clerk: Clerk, gateway: Simulator) -> None:
    fields = {**form_of(clerk), **keyed()}
    found = run_concurrently(12, lambda place: clerk.post(PAGE, **fields)["Location"])
    check = CardVerification.objects.get()
    assert check.is_successful
    assert found == [f"{PAGE}{check.order_id}/"] * 12
    assert gateway.counts[VERIFY] == 1


def test_who_comes_while_it_is_being_asked_looks_again(clerk: Clerk) -> None:
    clerk.post(PAGE, **form_of(clerk), **keyed())
    CardVerification.objects.update(outcome=OperationOutcome.OPEN, response_code="")
    where = f"{PAGE}{CardVerification.objects.get().order_id}/"
    shown = clerk.get_text(where)
    assert "The bank is being asked" in shown
    assert "Look again" in shown
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in shown
    assert "being asked" in clerk.get_text(LIST)
    a_minute_ago = timezone.now() - timedelta(minutes=1)
    CardVerification.objects.update(created_at=a_minute_ago)
    shown = clerk.get_text(where)
    assert "Nobody can say" in shown
    assert "refresh" not in shown
    assert re.search(r'field-status">in doubt<', clerk.get_text(LIST))
    assert (
        CardVerification.objects.get().outcome == OperationOutcome.OPEN
    )  # looking changes nothing


def test_an_answer_that_did_not_reach_the_disk(
    clerk: Clerk, gateway: Simulator
) -> None:
    fields = {**form_of(clerk), **keyed()}
    with broken_update(CardVerification):
        answer = clerk.post(PAGE, **fields)
    assert "The bank is being asked" in answered(clerk, answer)
    clerk.post(PAGE, **fields)
    assert gateway.counts[VERIFY] == 1


# -- the list --------------------------------------------------------------------------


def test_past_checks_are_listed(gateway: Simulator) -> None:
    clerk = Clerk("verify_card", name="anna")
    for ending in ("challenge", "lost_card", "gateway_down"):
        clerk.post(PAGE, **form_of(clerk), **keyed(ending))
    reader = Clerk("view_cardverification", name="reader")
    shown = reader.get_text(LIST)
    for words in ("VISA •••• 4549", "208 not accepted by", ">good<", ">refused<"):
        assert words in shown
    assert ">no bank was asked<" in shown
    assert shown.count(">anna<") == 3
    shown = reader.get_text(LIST, outcome__exact="declined")
    assert shown.count('class="field-status') == 1
    check = CardVerification.objects.get(outcome=OperationOutcome.DECLINED)
    answer = reader.get(f"{LIST}{check.pk}/change/")
    assert answer["Location"] == f"{PAGE}{check.order_id}/"
    shown = reader.get_text(answer["Location"])
    assert check.order_id in shown
    assert f'href="{PAGE}"' not in shown  # staff without the permission


def test_a_check_of_a_terminal_that_is_gone(clerk: Clerk, change_settings: Any) -> None:
    clerk.post(PAGE, **form_of(clerk), **keyed())
    change_settings(TERMINALS={"other": {"ENVIRONMENT": "simulator"}})
    shown = clerk.get_text(f"{PAGE}{CardVerification.objects.get().order_id}/")
    assert "The card is good" in shown


def test_every_test_card_gets_a_page(clerk: Clerk, gateway: Simulator) -> None:
    for card in TEST_CARDS:
        answer = clerk.post(PAGE, **form_of(clerk), **keyed(card.ending))
        assert answer.status_code == 302
        shown = clerk.get_text(answer["Location"])
        assert "othing was charged" in shown
        assert card.number not in shown
