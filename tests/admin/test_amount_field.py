"""What staff type is what moves, in each language: at the desk, for captures, refunds
and cards on file. Where it may mean two amounts they are asked, and nothing moves."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django.test import override_settings

from nexi_payments import flows
from nexi_payments.enums import Channel, OrderState
from nexi_payments.models import Contract, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    PERMISSIONS,
    PHONE_ORDERS_URL,
    Clerk,
    action_url,
    card_url,
    follow_redirect,
    hidden_fields,
    order_from_redirect,
    order_url,
    result_url,
)
from tests.support.contracts import MIT_ENDPOINT, make_contract
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite"),
    pytest.mark.usefixtures("every_currency"),
]
LANGUAGES = ["en", "it", "de", "el", "es", "fr"]
#: text → minor units
TAKEN = {"12,50": 1250, "12.50": 1250, "1.234,50": 123450, "1,234.50": 123450}
ASKED = ["1.500", "1,500"]
#: Each with or without USE_THOUSAND_SEPARATOR.
GROUPED = [("1.500", False), ("1,500", True)]
#: How each language writes the two readings, and what its buttons post.
BUTTONS = {
    "en": [("1.50", "1.50 EUR"), ("1500.00", "1,500.00 EUR")],
    "it": [("1,50", "1,50 EUR"), ("1500,00", "1.500,00 EUR")],
    "de": [("1,50", "1,50 EUR"), ("1500,00", "1.500,00 EUR")],
    "el": [("1,50", "1,50 EUR"), ("1500,00", "1.500,00 EUR")],
    "es": [("1,50", "1,50 EUR"), ("1500,00", "1\xa0500,00 EUR")],
    "fr": [("1,50", "1,50 EUR"), ("1500,00", "1\xa0500,00 EUR")],
}
each_language = pytest.mark.parametrize("language", LANGUAGES)
grouped = pytest.mark.parametrize("grouped", [False, True], ids=["plain", "grouped"])
deeds = pytest.mark.parametrize("deed", ["capture", "refund"])
CHOICE = re.compile(
    r'<button type="submit" name="amount" value="([^"]+)"[^>]*>([^<]+)<'
)


@pytest.fixture
def clerk(
    gateway: Simulator, every_currency: None, change_settings: Any, settings: Any
) -> Clerk:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    unlimited = {**terminals["moto"], "MAX_AMOUNT": None}
    change_settings(TERMINALS={**terminals, "moto": unlimited})
    return Clerk(*PERMISSIONS, "take_moto")


def speak(clerk: Clerk, language: str) -> None:
    clerk.browser.cookies["django_language"] = language


def choices(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 400
    return CHOICE.findall(answer.content.decode())


# -- the desk ------------------------------------------------------------------------


@each_language
@grouped
def test_the_desk_charges_what_was_typed(
    clerk: Clerk, gateway: Simulator, language: str, grouped: bool
) -> None:
    speak(clerk, language)
    for text, minor in TAKEN.items():
        with override_settings(USE_THOUSAND_SEPARATOR=grouped):
            order = order_from_redirect(clerk.create_order(amount=text, reference=text))
            clerk.submit_card(order, allow_duplicate="on")
        order.refresh_from_db()
        assert (order.state, order.amount) == (OrderState.PAID, minor), text
        assert gateway.charge_of(order.order_id).captured == minor, text


@each_language
@grouped
@pytest.mark.parametrize("place", [0, 1])
def test_the_desk_asks_which_of_two_and_charges_that(
    clerk: Clerk, gateway: Simulator, language: str, grouped: bool, place: int
) -> None:
    speak(clerk, language)
    value, label = BUTTONS[language][place]
    minor = (150, 150000)[place]
    for text in ASKED:
        with override_settings(USE_THOUSAND_SEPARATOR=grouped):
            asked = clerk.create_order(amount=text, reference=text)
            assert choices(asked) == BUTTONS[language]
            assert not PaymentOrder.objects.filter(reference=text).exists()
            # as a browser sends it: the field as it is, then the button
            order = order_from_redirect(
                clerk.create_order(amount=[text, value], reference=text)
            )
            page = clerk.get_text(card_url(order))
            assert f'<p class="nexi-amount">{label}</p>' in page
            clerk.submit_card(order, allow_duplicate="on")
        order.refresh_from_db()
        assert (order.state, order.amount) == (OrderState.PAID, minor)
        assert gateway.charge_of(order.order_id).captured == minor


def test_the_form_with_the_buttons(clerk: Clerk) -> None:
    page = clerk.create_order(amount="1.500", reference="").content.decode()
    assert "“1.500” can mean two amounts. Choose the one you mean." in page
    assert "Enter the number of the order." in page
    typed = re.search(r'<input[^>]*name="amount"[^>]*>', page)
    assert typed is not None
    for part in ('value="1.500"', "autofocus", 'aria-invalid="true"'):
        assert part in typed[0], part
    assert 'aria-describedby="id_amount_error"' in typed[0]
    assert 'role="group" aria-labelledby="id_amount_error"' in page
    # what else was typed is kept
    assert 'value="Giulia Bianchi"' in page
    # Enter presses the first submit button of the form, which chooses nothing
    form = page[page.index('class="nexi-sheet"') :]
    first = re.search(r"<button[^>]*>", form)
    assert first is not None
    assert "name=" not in first[0]
    # with the amount chosen, the other mistake is left
    answer = clerk.create_order(amount=["1.500", "1500.00"], reference="")
    assert choices(answer) == []
    assert 'value="1500.00"' in answer.content.decode()
    assert PaymentOrder.objects.count() == 0


def test_a_new_text_counts_more_than_the_old_question(clerk: Clerk) -> None:
    clerk.create_order(amount="1.500")
    assert order_from_redirect(clerk.create_order(amount="15.00")).amount == 1500


def test_a_slip_is_asked_about(clerk: Clerk) -> None:
    answer = clerk.create_order(amount="12.505")
    assert choices(answer) == [("12505.00", "12,505.00 EUR")]
    assert "EUR has 2 decimals. Correct the amount" in answer.content.decode()
    assert PaymentOrder.objects.count() == 0


def test_the_choice_leads_to_the_link_that_was_asked_for(clerk: Clerk) -> None:
    asked = clerk.create_order(amount="1.500", link="1")
    page = asked.content.decode()
    assert page.count('formaction="?link=1"') == 2
    assert f'<form method="post" action="{PHONE_ORDERS_URL}"' in page
    fields = {"amount": "1.50", "currency": "EUR", "reference": "R-1"}
    answer = clerk.post(f"{PHONE_ORDERS_URL}?link=1", **fields)
    order = PaymentOrder.objects.get()
    assert answer["Location"] == result_url(order)
    assert (order.channel, order.amount) == (Channel.LINK, 150)
    assert 'formaction="' not in clerk.create_order(amount="1.500").content.decode()


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1.500", "JPY", 1500),
        ("1,500", "JPY", 1500),
        ("1.50", "KWD", 1500),
        ("€ 20", "EUR", 2000),
        ("$20", "USD", 2000),
    ],
)
def test_other_currencies(
    clerk: Clerk, gateway: Simulator, amount: str, currency: str, minor: int
) -> None:
    speak(clerk, "it")
    order = clerk.take_phone_order(amount=amount, currency=currency)
    assert (order.state, order.amount, order.currency) == (
        OrderState.PAID,
        minor,
        currency,
    )


@pytest.mark.parametrize(
    ("amount", "currency", "word"),
    [
        ("$ 20", "EUR", "This amount is not in EUR."),
        ("20 EUR", "USD", "This amount is not in USD."),
        ("1.50", "JPY", "JPY has 0 decimals."),
        ("1e3", "EUR", "Enter an amount like 12.50."),
        ("12 50", "EUR", "Enter an amount like 12.50."),
        ("€" * 65, "EUR", "Enter an amount like 12.50."),
    ],
)
def test_what_the_desk_refuses(
    clerk: Clerk, gateway: Simulator, amount: str, currency: str, word: str
) -> None:
    answer = clerk.create_order(amount=amount, currency=currency)
    assert choices(answer) == []
    assert word in answer.content.decode()
    assert PaymentOrder.objects.count() == 0
    assert gateway.calls == ()


# -- captures and refunds ------------------------------------------------------------


@pytest.fixture
def held(shopper: Shopper, clerk: Clerk) -> PaymentOrder:
    return shopper.pay(new_order(amount=Decimal("5000.00"), terminal="manual"))


@pytest.fixture
def paid(held: PaymentOrder) -> PaymentOrder:
    flows.capture(held, Decimal("5000.00"))
    held.refresh_from_db()
    return held


def form_of(clerk: Clerk, order: PaymentOrder, deed: str) -> dict[str, str]:
    """What the form on the payment's page posts, untouched."""
    page = clerk.get_text(order_url(order))
    start = page.index(f'action="{action_url(order, deed)}"')
    form = page[start : page.index("</form>", start)]
    shown = re.search(r'<input name="amount"[^>]* value="([^"]*)"', form)
    typed = {} if shown is None else {"amount": shown[1]}
    return {**hidden_fields(form), **typed}


def moved(gateway: Simulator, order: PaymentOrder) -> tuple[int, int]:
    charge = gateway.charge_of(order.order_id)
    return charge.captured, charge.refunded


@each_language
@deeds
def test_captured_and_refunded_is_what_was_typed(
    clerk: Clerk,
    gateway: Simulator,
    request: pytest.FixtureRequest,
    language: str,
    deed: str,
) -> None:
    order = request.getfixturevalue("held" if deed == "capture" else "paid")
    speak(clerk, language)
    total = 0
    for text, minor in TAKEN.items():
        with override_settings(USE_THOUSAND_SEPARATOR=True):
            # of several captures, the page has a form each: any will do for its "seen"
            fields = {**form_of(clerk, order, deed), "amount": text}
            first = clerk.post(action_url(order, deed), **fields)
            assert first.status_code == 200, follow_redirect(clerk, first)
            clerk.post(action_url(order, deed), **hidden_fields(first.content.decode()))
        total += minor
        expected = (total, 0) if deed == "capture" else (500000, total)
        assert moved(gateway, order) == expected, text


@each_language
@deeds
def test_captures_and_refunds_ask_which_of_two(
    clerk: Clerk,
    gateway: Simulator,
    request: pytest.FixtureRequest,
    language: str,
    deed: str,
) -> None:
    order = request.getfixturevalue("held" if deed == "capture" else "paid")
    speak(clerk, language)
    total = 0
    for (text, grouped), place in product(GROUPED, (0, 1)):
        value, label = BUTTONS[language][place]
        before, calls = moved(gateway, order), len(gateway.calls)
        rows = Operation.objects.count()
        with override_settings(USE_THOUSAND_SEPARATOR=grouped):
            fields = {**form_of(clerk, order, deed), "amount": text}
            for more in ({}, {"confirmed": "1"}):
                asked = clerk.post(action_url(order, deed), **fields, **more)
                assert choices(asked) == BUTTONS[language]
            assert (moved(gateway, order), len(gateway.calls)) == (before, calls)
            assert Operation.objects.count() == rows
            kept = hidden_fields(asked.content.decode())
            del fields["amount"]
            reasons = {"reason": "", "reason_text": ""} if deed == "refund" else {}
            assert kept == {"capture": "", **reasons, **fields}
            really = clerk.post(action_url(order, deed), **kept, amount=value)
            page = really.content.decode()
            assert page.count(label) >= 2  # in the question and on the button
            clerk.post(action_url(order, deed), **hidden_fields(page))
        total += (150, 150000)[place]
        expected = (total, 0) if deed == "capture" else (500000, total)
        assert moved(gateway, order) == expected, (text, value)


@each_language
@pytest.mark.parametrize(
    ("amount", "currency"),
    [("1500.00", "EUR"), ("1500", "JPY"), ("1.500", "KWD"), ("1.234", "KWD")],
)
def test_the_whole_amount_needs_no_typing(
    clerk: Clerk,
    shopper: Shopper,
    gateway: Simulator,
    language: str,
    amount: str,
    currency: str,
) -> None:
    facts = {"amount": Decimal(amount), "currency": currency, "terminal": "manual"}
    order = shopper.pay(new_order(**facts))
    speak(clerk, language)
    for deed, point in (("capture", "."), ("refund", ",")):
        with override_settings(USE_THOUSAND_SEPARATOR=True, DECIMAL_SEPARATOR=point):
            first = clerk.post(action_url(order, deed), **form_of(clerk, order, deed))
            assert first.status_code == 200, follow_redirect(clerk, first)
            clerk.post(action_url(order, deed), **hidden_fields(first.content.decode()))
    assert moved(gateway, order) == (order.amount, order.amount)
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED


@pytest.mark.parametrize("formats", [{}, {"DECIMAL_SEPARATOR": ","}])
def test_voided_and_cancelled_whatever_the_formats(
    clerk: Clerk, shopper: Shopper, gateway: Simulator, formats: dict[str, Any]
) -> None:
    speak(clerk, "fr")
    facts = {"amount": Decimal("1.234"), "currency": "KWD", "terminal": "manual"}
    order = shopper.pay(new_order(**facts))
    flows.capture(order, Decimal("1.234"))
    with override_settings(**formats, LANGUAGE_CODE="hi"):
        for deed in ("cancel", "void"):
            first = clerk.post(action_url(order, deed), **form_of(clerk, order, deed))
            assert first.status_code == 200, follow_redirect(clerk, first)
            clerk.post(action_url(order, deed), **hidden_fields(first.content.decode()))
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.VOIDED, 0)


# -- cards on file -------------------------------------------------------------------


@pytest.fixture
def contract(shopper: Shopper, clerk: Clerk) -> Contract:
    return make_contract(shopper)


@each_language
def test_a_charge_on_file_asks_which_of_two(
    clerk: Clerk, gateway: Simulator, contract: Contract, language: str
) -> None:
    speak(clerk, language)
    where = f"/admin/nexi_payments/contract/{contract.pk}/charge/"
    for charged, (value, _label) in enumerate(BUTTONS[language]):
        fields = {"amount": "1.500", "reference": f"S-{charged}"}
        for more in ({}, {"confirmed": "1"}):
            asked = clerk.post(where, **fields, **more)
            assert choices(asked) == BUTTONS[language]
        kept = hidden_fields(asked.content.decode())
        assert kept == {"reference": f"S-{charged}"}
        assert gateway.counts[MIT_ENDPOINT] == charged
        really = clerk.post(where, **kept, amount=value)
        clerk.post(where, **hidden_fields(really.content.decode()))
        assert gateway.counts[MIT_ENDPOINT] == charged + 1
        order = PaymentOrder.objects.get(channel=Channel.MIT, reference=f"S-{charged}")
        assert order.amount == (150, 150000)[charged]
        assert gateway.charge_of(order.order_id).captured == order.amount
