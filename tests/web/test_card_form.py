"""The card form: what it corrects, what it rejects, what it never sends back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import time_machine

from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.simulator import Simulator
from nexi_payments.web.card_form import CardForm
from tests.support.shopper import CARDS, Shopper, new_order, parse_form

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]


def test_the_card_page(shopper: Shopper) -> None:
    order = new_order(reference="R-7", description="Two books", failure_url="/basket/")
    page = shopper.browser.get(order.page_url()).content.decode()
    for name, purpose in (
        ("cardholder_name", "cc-name"),
        ("card_number", "cc-number"),
        ("expiry", "cc-exp"),
        ("security_code", "cc-csc"),
    ):
        field = page.split(f'name="{name}"')[1].split(">")[0]
        assert f'autocomplete="{purpose}"' in field
    assert "€12.50" in page
    assert "Two books" in page
    assert "Order R-7" in page
    assert 'href="/basket/"' in page
    assert "Test mode" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"card_number": "4349940199004548"}, "This card number is not right"),
        ({"card_number": "4349"}, "This card number is not right"),
        ({"card_number": "4" * 24}, "This card number is not right"),
        ({"card_number": "4" * 65}, "This is too long for a card number"),
        ({"card_number": "Visa 4349 9401 9900 454"}, "This card number is not right"),
        ({"card_number": ""}, "Enter the number on the front"),
        ({"expiry": "13/30"}, "Enter month and year like this"),
        ({"expiry": "0"}, "Enter month and year like this"),
        ({"expiry": "01/20"}, "This card is no longer valid"),
        ({"expiry": "01/99"}, "Enter month and year like this"),
        ({"security_code": "12"}, "The security code has three digits"),
        ({"security_code": "1234"}, "The security code has three digits"),
        ({"security_code": "12a"}, "The security code has three digits"),
        ({"cardholder_name": ""}, "Enter the name on the card"),
        ({"cardholder_name": "4349 9401 9900 4549"}, "This looks like a card number"),
    ],
)
def test_a_form_with_a_mistake(
    shopper: Shopper, gateway: Simulator, changes: dict[str, str], words: str
) -> None:
    order = new_order()
    response = shopper.submit_card(order, **changes)
    assert response.status_code == 200
    page = response.content.decode()
    assert words in page
    assert "Nothing has been charged" in page
    # the name comes back, the card never does
    if "cardholder_name" not in changes:
        assert 'value="Giulia Bianchi"' in page
    for value in (CARDS["challenge"].number, "12/30", "396", *changes.values()):
        if value:
            assert f'value="{value}"' not in page
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    assert sum(gateway.counts.values()) == 0


@pytest.mark.parametrize(
    "expiry",
    ["12/30", "1230", "12/2030", "122030", "12 / 30", "12-30", "12.30", " 12/30 "],
)
def test_an_expiry_is_forgiven_its_form(shopper: Shopper, expiry: str) -> None:
    assert shopper.submit_card(new_order(), expiry=expiry).status_code == 200
    assert PaymentOrder.objects.get().card_expiry == "1230"


def test_a_single_digit_month(shopper: Shopper) -> None:
    shopper.submit_card(new_order(), expiry="5/30")
    assert PaymentOrder.objects.get().card_expiry == "0530"


def test_what_is_kept_of_a_card(shopper: Shopper) -> None:
    shopper.start(new_order())
    order = PaymentOrder.objects.get()
    assert (order.card_brand, order.card_bin, order.card_last4) == (
        "VISA",
        "434994",
        "4549",
    )
    assert order.cardholder_name == "Giulia Bianchi"


def test_where_the_security_code_is(shopper: Shopper) -> None:
    order = new_order()
    page = shopper.browser.get(order.page_url()).content.decode()
    field = page.split('name="security_code"')[1].split(">")[0]
    assert 'aria-describedby="id_security_code_helptext"' in field
    hint = page.split('id="id_security_code_helptext">')[1].split("</p>")[0]
    assert hint.endswith(
        "</svg>3 digits on the back. American Express: 4 on the front."
    )
    page = shopper.submit_card(order, security_code="12").content.decode()
    field = page.split('name="security_code"')[1].split(">")[0]
    described = 'aria-describedby="id_security_code_helptext id_security_code_error"'
    assert described in field


def test_amex_has_four_digits(shopper: Shopper) -> None:
    response = shopper.submit_card(
        new_order(), card_number="378282246310005", security_code="123"
    )
    assert b"The security code has three digits (Amex: four)" in response.content
    response = shopper.submit_card(
        new_order(), card_number="3782 822463 10005", security_code="1234"
    )
    assert parse_form(response).fields["transactionId"]


def test_the_card_form_needs_a_csrf_token(gateway: Simulator) -> None:
    shopper = Shopper(gateway, enforce_csrf_checks=True)
    order = new_order()
    assert shopper.submit_card(order).status_code == 403
    order.refresh_from_db()
    assert order.state == OrderState.INIT


def test_extra_fields_change_nothing(shopper: Shopper) -> None:
    order = new_order()
    shopper.submit_card(order, amount="1", state="paid", currency="USD")
    order.refresh_from_db()
    assert (order.amount, order.currency, order.state) == (
        1250,
        "EUR",
        OrderState.AWAITING_3DS,
    )


def test_a_terminal_in_alarm_takes_no_card(shopper: Shopper, order: Any) -> None:
    TerminalOutage.objects.create(terminal="default", since=order.created_at)
    response = shopper.submit_card(order)
    assert response.status_code == 503
    assert b"Card payments are not available right now" in response.content
    assert b"4349" not in response.content


GOOD = "4349940199004549"


@pytest.mark.parametrize(
    "pasted",
    [
        "4349\u00a09401\u00a09900\u00a04549",
        "4349 - 9401 - 9900 - 4549",
        "4349\u20119401\u20119900\u20114549",
        "4349 \u2013 9401 \u2013 9900 \u2013 4549",
        "4349.9401.9900.4549",
        "\u202f4349\u20099401\u20099900\u20094549\ufeff",
        "\t4349  9401  9900  4549\t",
        "４３４９９４０１９９００４５４９",
        "٤٣٤٩ ٩٤٠١ ٩٩٠٠ ٤٥٤٩",
        "\u200e4349/9401/9900/4549",
        "Visa: 4349 9401 9900 4549",
    ],
)
def test_what_is_pasted_has_its_digits_taken(
    shopper: Shopper, gateway: Simulator, pasted: str
) -> None:
    order = new_order()
    field = shopper.browser.get(order.page_url()).content.decode()
    field = field.split('name="card_number"')[1].split(">")[0]
    assert 'maxlength="64"' in field  # a browser cuts at it before any script runs
    shopper.start(order, card_number=pasted)
    order.refresh_from_db()
    assert (order.state, order.card_last4) == (OrderState.AWAITING_3DS, GOOD[-4:])


@pytest.mark.parametrize(
    "changes",
    [
        {"expiry": "12\u00a0/\u00a030"},
        {"expiry": "12 \u2013 2030"},
        {"expiry": "12 30"},
        {"expiry": "１２/３０"},
        {"security_code": "\u00a0396 "},
        {"security_code": "3 9 6"},
    ],
)
def test_so_it_is_with_the_other_fields(
    shopper: Shopper, changes: dict[str, str]
) -> None:
    order = new_order()
    shopper.start(order, **changes)
    order.refresh_from_db()
    assert order.state == OrderState.AWAITING_3DS


@pytest.mark.parametrize(
    ("moment", "taken"),
    [
        # the last evening of the month where the shop is; there it is 1 May already
        ("2030-05-01T00:30:00+02:00", True),
        # 30 April ends last at UTC-12
        ("2030-05-01T11:59:59+00:00", True),
        ("2030-05-01T12:00:00+00:00", False),
    ],
)
def test_a_card_is_good_until_its_month_is_over_everywhere(
    settings: Any, moment: str, taken: bool
) -> None:
    settings.TIME_ZONE = "Pacific/Kiritimati"  # UTC+14: the first to have the next day
    fields = {"cardholder_name": "A", "card_number": GOOD, "security_code": "396"}
    with time_machine.travel(datetime.fromisoformat(moment), tick=False):
        form = CardForm({**fields, "expiry": "04/30"})
        assert form.is_valid() is taken
        assert (form.card is not None) is taken
