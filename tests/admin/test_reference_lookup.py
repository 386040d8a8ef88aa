"""The phone order desk with ``REFERENCE_LOOKUP``: filled in, compared, confirmed."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model

from nexi_payments import flows
from nexi_payments.enums import Channel, OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    PHONE_ORDERS_URL,
    Clerk,
    hidden_fields,
    order_from_redirect,
)
from tests.support.lookups import CUPS, Shop, lookups  # noqa: F401
from tests.support.shopper import CARDS

pytestmark = pytest.mark.django_db(transaction=True)

TYPED = {
    "amount": "12.50",
    "currency": "EUR",
    "reference": "R-1",
    "description": "",
    "customer_name": "",
    "customer_email": "",
}
EMPTY = {**TYPED, "amount": ""}


@pytest.fixture
def shop(lookups: Shop) -> Shop:  # noqa: F811
    lookups.orders["R-1"] = CUPS
    return lookups


@pytest.fixture
def clerk(gateway: Simulator) -> Clerk:
    return Clerk("take_moto")


def send(clerk: Clerk, typed: dict[str, str], **buttons: str) -> Any:
    page = clerk.get_text(PHONE_ORDERS_URL)
    values = {**hidden_fields(page), **typed, **buttons}
    return clerk.post(PHONE_ORDERS_URL, **values)


def fields(page: str) -> dict[str, str]:
    """The values of the visible text fields."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name = re.search(r'name="(\w+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name and 'type="hidden"' not in tag:
            found[name[1]] = value[1] if value else ""
    return found


def difference(page: str) -> str:
    [found] = re.findall(r'name="accepted_difference" value="([^"]*)"', page)
    return str(found)


@pytest.mark.parametrize("by", [{"look_up": "1"}, {}])
def test_the_form_is_filled_in(clerk: Clerk, shop: Shop, by: dict[str, str]) -> None:
    answer = send(clerk, EMPTY, **by)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "Order R-1: 12.50 EUR. Check it with the caller." in page
    assert "Please check the fields below" not in page
    shown = fields(page)
    assert (shown["amount"], shown["reference"]) == ("12.50", "R-1")
    assert shown["description"] == "Three cups"
    assert shown["customer_name"] == "Giulia Bianchi"
    assert shown["customer_email"] == "giulia@example.com"
    assert shop.asked == [("R-1", "moto", clerk.user)]
    assert not PaymentOrder.objects.exists()
    # what is filled in is taken as it is
    order = order_from_redirect(
        clerk.post(PHONE_ORDERS_URL, **{**hidden_fields(page), **TYPED, **shown})
    )
    assert (order.amount, order.description) == (1250, "Three cups")


def test_what_was_typed_is_kept_but_for_the_amount(clerk: Clerk, shop: Shop) -> None:
    typed = {**TYPED, "amount": "2.50", "customer_name": "G. B.", "description": "Tea"}
    shown = fields(send(clerk, typed, look_up="1").content.decode())
    assert (shown["amount"], shown["customer_name"]) == ("12.50", "G. B.")
    assert (shown["description"], shown["customer_email"]) == (
        "Tea",
        "giulia@example.com",
    )


def test_a_lookup_that_finds_nothing_keeps_what_was_typed(
    clerk: Clerk, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    typed = {**TYPED, "reference": "R-2", "customer_name": "Giulia"}
    answer = send(clerk, typed, look_up="1")
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "The shop knows no order R-2. Check the number with the caller." in page
    assert fields(page)["customer_name"] == "Giulia"
    shop.failure = LookupError("away")
    answer = send(clerk, typed, look_up="1")
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "Order R-2 could not be looked up in the shop." in page
    shown = fields(page)
    assert (shown["amount"], shown["reference"]) == ("12.50", "R-2")
    assert shown["customer_name"] == "Giulia"
    assert "REFERENCE_LOOKUP failed for reference R-2" in caplog.text
    assert not PaymentOrder.objects.exists()


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("", "Enter the number of the order."),
        ("x" * 101, "Ensure this value has at most 100 characters"),
        ("4349 9401 9900 4549", "This looks like a card number."),
    ],
)
def test_what_cannot_be_looked_up(
    clerk: Clerk, shop: Shop, reference: str, text: str
) -> None:
    answer = send(clerk, {**TYPED, "reference": reference}, look_up="1")
    assert answer.status_code == 400
    page = answer.content.decode()
    assert text in page
    assert "4549" not in page
    assert shop.asked == []


def test_a_card_number_beside_the_reference_is_not_repeated(
    clerk: Clerk, shop: Shop
) -> None:
    number = CARDS["challenge"].number
    answer = send(clerk, {**EMPTY, "description": number}, look_up="1")
    assert answer.status_code == 400
    assert number not in answer.content.decode()
    assert shop.asked == []


def test_an_order_that_agrees_needs_no_word(clerk: Clerk, shop: Shop) -> None:
    order = clerk.take_phone_order()
    assert order.state == OrderState.PAID


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"amount": "2.50"},
            "In the shop, order R-1 is 12.50 EUR, not 2.50 EUR. Nothing was charged.",
        ),
        (
            {"reference": "R-2"},
            "The shop knows no order R-2. Check the number with the caller.",
        ),
    ],
)
def test_a_difference_is_told_and_confirmed(
    clerk: Clerk, shop: Shop, change: dict[str, str], text: str
) -> None:
    typed = {**TYPED, **change, "customer_name": "Giulia"}
    answer = send(clerk, typed)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert text in page
    assert fields(page)["customer_name"] == "Giulia"
    assert "checked>" not in page
    assert not PaymentOrder.objects.exists()
    order = order_from_redirect(
        clerk.post(
            PHONE_ORDERS_URL,
            **{**hidden_fields(page), **typed},
            accepted_difference=difference(page),
        )
    )
    assert (order.total, order.reference) == (
        Decimal(typed["amount"]),
        typed["reference"],
    )
    entry = LogEntry.objects.get()
    assert "Confirmed, although it is not as in the shop." in entry.change_message


def test_a_tick_is_for_one_difference_only(clerk: Clerk, shop: Shop) -> None:
    page = send(clerk, {**TYPED, "amount": "2.50"}).content.decode()
    ticked = {"accepted_difference": difference(page)}
    again = {**hidden_fields(page), **ticked}
    for change in ({"amount": "2.60"}, {"reference": "R-2"}):
        answer = clerk.post(PHONE_ORDERS_URL, **{**again, **TYPED, **change})
        assert answer.status_code == 400
    shop.orders["R-1"] = flows.ShopOrder(Decimal("13.00"), "EUR")
    typed = {**TYPED, "amount": "2.50"}
    assert clerk.post(PHONE_ORDERS_URL, **{**again, **typed}).status_code == 400
    assert not PaymentOrder.objects.exists()


def test_strict_offers_no_tick(clerk: Clerk, shop: Shop, change_settings: Any) -> None:
    change_settings(REFERENCE_LOOKUP_STRICT=True)
    for change in ({"amount": "2.50"}, {"reference": "R-2"}):
        answer = send(clerk, {**TYPED, **change}, accepted_difference="x")
        assert answer.status_code == 400
        assert "accepted_difference" not in answer.content.decode()
    shop.failure = LookupError("away")
    answer = send(clerk, TYPED)
    assert answer.status_code == 400
    assert "could not be looked up" in answer.content.decode()
    assert not PaymentOrder.objects.exists()


def test_a_link_is_compared_too(clerk: Clerk, shop: Shop) -> None:
    assert send(clerk, {**TYPED, "amount": "2.50"}, link="1").status_code == 400
    assert not PaymentOrder.objects.exists()
    assert send(clerk, TYPED, link="1").status_code == 302
    assert PaymentOrder.objects.get().channel == Channel.LINK


def test_the_shops_row_comes_along(clerk: Clerk, shop: Shop) -> None:
    row = get_user_model().objects.create_user("any row of the shop")
    shop.orders["R-1"] = flows.ShopOrder(
        Decimal("12.50"), "EUR", user=row, content_object=row
    )
    order = order_from_redirect(send(clerk, TYPED))
    assert (order.user, order.content_object) == (row, row)


def test_a_paid_order_of_the_shop_has_nothing_to_fill_in(
    clerk: Clerk, shop: Shop
) -> None:
    shop.orders["R-1"] = flows.ShopOrder(Decimal(0), "EUR")
    page = send(clerk, EMPTY, look_up="1").content.decode()
    assert "Order R-1: 0.00 EUR." in page
    assert fields(page)["amount"] == ""


def test_without_the_setting_the_desk_is_as_it_was(clerk: Clerk) -> None:
    page = clerk.get_text(PHONE_ORDERS_URL)
    assert "look_up" not in page
    assert send(clerk, EMPTY, look_up="1").status_code == 400
    order = order_from_redirect(send(clerk, {**TYPED, "amount": "2.50"}))
    assert order.amount == 250


def test_enter_continues(clerk: Clerk, shop: Shop) -> None:
    """The first submit button is what Enter presses: it is not "Look up"."""
    page = clerk.get_text(PHONE_ORDERS_URL)
    first, *_ = re.findall(r'<button type="submit"[^>]*>', page)
    assert "name=" not in first
    assert 'name="look_up"' in page
