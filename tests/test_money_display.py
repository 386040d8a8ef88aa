"""Amounts as each language writes numbers, with the currency's own decimals.

Shoppers read a symbol where it is unambiguous, staff the code (decision 57).
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.utils import translation

from nexi_payments import money
from nexi_payments.simulator import Simulator
from tests.support.shopper import new_order

AMOUNTS = {"EUR": "1234567.50", "JPY": "1234567", "KWD": "1234567.125"}
#: no-break spaces, so that no figure is torn apart
SHOWN = {
    "en": ["1,234,567.50 EUR", "1,234,567 JPY", "1,234,567.125 KWD"],
    "it": ["1.234.567,50 EUR", "1.234.567 JPY", "1.234.567,125 KWD"],
    "de": ["1.234.567,50 EUR", "1.234.567 JPY", "1.234.567,125 KWD"],
    "el": ["1.234.567,50 EUR", "1.234.567 JPY", "1.234.567,125 KWD"],
    "es": ["1\xa0234\xa0567,50 EUR", "1\xa0234\xa0567 JPY", "1\xa0234\xa0567,125 KWD"],
    "fr": ["1\xa0234\xa0567,50 EUR", "1\xa0234\xa0567 JPY", "1\xa0234\xa0567,125 KWD"],
}
#: what shoppers read; "$" is the sign of some twenty currencies
WITH_SYMBOL = {
    "en": ["€1,234.50", "£1,234.50", "1,234.50\xa0CHF", "1,234.50\xa0USD"],
    "it": ["1.234,50\xa0€", "1.234,50\xa0£", "1.234,50\xa0CHF", "1.234,50\xa0USD"],
    "de": ["1.234,50\xa0€", "1.234,50\xa0£", "1.234,50\xa0CHF", "1.234,50\xa0USD"],
    "el": ["1.234,50\xa0€", "1.234,50\xa0£", "1.234,50\xa0CHF", "1.234,50\xa0USD"],
    "es": [f"1\xa0234,50\xa0{sign}" for sign in ("€", "£", "CHF", "USD")],
    "fr": [f"1\xa0234,50\xa0{sign}" for sign in ("€", "£", "CHF", "USD")],
}


@pytest.mark.parametrize("language", WITH_SYMBOL)
def test_a_symbol_where_it_is_unambiguous(language: str) -> None:
    with translation.override(language):
        shown = [
            money.display_with_symbol(123450, currency)
            for currency in ("EUR", "GBP", "CHF", "USD")
        ]
    assert shown == WITH_SYMBOL[language]


def test_the_symbol_in_variants_and_without_a_language() -> None:
    shown = {}
    for language in ("en-gb", "en-us", "it-ch", "pt", None):
        with translation.override(language):
            shown[language] = money.display_with_symbol(1250, "EUR")
    assert shown == {
        "en-gb": "€12.50",
        "en-us": "€12.50",
        "it-ch": "12,50\xa0€",
        "pt": "12,50\xa0€",
        None: "€12.50",
    }


@pytest.mark.django_db
@pytest.mark.usefixtures("every_currency")
@pytest.mark.parametrize("language", SHOWN)
def test_on_the_card_page_and_the_result_page(
    gateway: Simulator, language: str
) -> None:
    browser = Client(headers={"Accept-Language": language})
    for (currency, amount), code in zip(AMOUNTS.items(), SHOWN[language], strict=True):
        order = new_order(amount=Decimal(amount), currency=currency)
        shown = code.replace(" ", "\xa0")
        if currency == "EUR":
            number = shown.removesuffix("\xa0EUR")
            shown = f"€{number}" if language == "en" else f"{number}\xa0€"
        for path in (order.page_url(), f"/payments/result/{order.public_id}/"):
            page = browser.get(path).content.decode()
            assert f'<p class="nexi-amount">{shown}</p>' in page, path


@pytest.mark.django_db
@pytest.mark.usefixtures("every_currency")
@pytest.mark.parametrize("language", SHOWN)
def test_on_the_pages_of_staff(gateway: Simulator, language: str) -> None:
    for (currency, amount), shown in zip(AMOUNTS.items(), SHOWN[language], strict=True):
        order = new_order(amount=Decimal(amount), currency=currency)
        with translation.override(language):
            assert money.display(order.amount, currency) == shown
            figure = money.display_number(order.amount, currency)
            assert f"{figure} {currency}" == shown
