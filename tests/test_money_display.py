"""Amounts as each language writes numbers, with the currency's own decimals and code.

Decision 25 says why the code follows the number in all of them.
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


@pytest.mark.django_db
@pytest.mark.usefixtures("every_currency")
@pytest.mark.parametrize("language", SHOWN)
def test_on_the_card_page_and_the_result_page(
    gateway: Simulator, language: str
) -> None:
    browser = Client(headers={"Accept-Language": language})
    for (currency, amount), shown in zip(AMOUNTS.items(), SHOWN[language], strict=True):
        order = new_order(amount=Decimal(amount), currency=currency)
        for path in (order.page_url(), f"/payments/result/{order.public_id}/"):
            page = browser.get(path).content.decode()
            assert f'<p class="nexi-amount">{shown}</p>' in page, path


@pytest.mark.django_db
@pytest.mark.usefixtures("every_currency")
@pytest.mark.parametrize("language", SHOWN)
def test_in_mails_and_on_the_pages_of_staff(gateway: Simulator, language: str) -> None:
    for (currency, amount), shown in zip(AMOUNTS.items(), SHOWN[language], strict=True):
        order = new_order(amount=Decimal(amount), currency=currency)
        with translation.override(language):
            assert money.display(order.amount, currency) == shown
            figure = money.display_number(order.amount, currency)
            assert f"{figure} {currency}" == shown
