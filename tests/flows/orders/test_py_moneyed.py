"""``create_order(amount=Money)``, with py-moneyed installed, and without it."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from moneyed import EUR, JPY, Currency, Money

from nexi_payments import flows, money
from nexi_payments.exceptions import InvalidAmount
from nexi_payments.models import PaymentOrder

ROOT = Path(__file__).resolve().parents[3]


class Price(Money):
    """django-money has a subclass of its own."""


@pytest.mark.django_db
@pytest.mark.usefixtures("every_currency")
@pytest.mark.parametrize(
    ("amount", "minor", "currency"),
    [(Money("12.50", EUR), 1250, "EUR"), (Price(700, JPY), 700, "JPY")],
)
def test_an_amount_that_brings_its_currency(
    amount: Money, minor: int, currency: str
) -> None:
    for more in ({}, {"currency": currency}):
        order = flows.create_order(amount=amount, **more)
        assert (order.amount, order.currency) == (minor, currency)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"amount": Money(5, EUR), "currency": "USD"}, "in EUR, currency says USD"),
        ({"amount": Money("0.001", EUR)}, "EUR has 2 decimals"),
        ({"amount": Money(-1, EUR)}, "more than zero"),
        ({"amount": Money(1, Currency("XXX"))}, "not a currency"),
        ({"amount": Decimal(5)}, "needs a currency"),
        ({"amount": 1.5, "currency": "EUR"}, "must be a Decimal, not float"),
    ],
)
def test_what_is_refused(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidAmount, match=words):
        flows.create_order(**facts)
    assert not PaymentOrder.objects.exists()


def test_what_only_looks_like_money_is_refused() -> None:
    class Fake:
        amount = Decimal(5)
        currency = EUR

    major, currency = money.amount_and_currency(Fake(), "EUR")
    with pytest.raises(InvalidAmount, match="not Fake"):
        money.to_minor(major, currency)


def test_without_the_package() -> None:
    """In a process that cannot import it: nothing here asks for it."""
    script = """
import sys
sys.modules["moneyed"] = None
from decimal import Decimal
from nexi_payments import money
assert money.amount_and_currency(Decimal("12.50"), "EUR") == (Decimal("12.50"), "EUR")
try:
    money.amount_and_currency(Decimal("12.50"), None)
except Exception as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "amount needs a currency\n", done.stderr
