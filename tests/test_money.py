"""Amounts convert exactly, whatever the host's decimal context, or not at all."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexi_payments import money
from nexi_payments.exceptions import InvalidAmount

pytestmark = pytest.mark.seen_on("sqlite")

CODES = sorted(money.CURRENCIES)
minor_units = st.integers(1, money.MAX_MINOR)


@pytest.mark.parametrize("currency", CODES)
@given(minor=minor_units)
def test_there_and_back(currency: str, minor: int) -> None:
    major = money.to_major(minor, currency)
    assert money.to_minor(major, currency) == minor
    assert money.to_minor(str(major), currency) == minor
    assert money.to_minor(major.normalize(), currency) == minor
    assert -major.as_tuple().exponent == money.exponent(currency)  # type: ignore[operator]


@given(currency=st.sampled_from(CODES), minor=minor_units, digits=st.integers(1, 9))
def test_a_low_precision_in_the_host_changes_no_amount(
    currency: str, minor: int, digits: int
) -> None:
    with localcontext() as context:
        context.prec = digits
        context.rounding = ROUND_UP
        major = money.to_major(minor, currency)
        assert money.to_minor(major, currency) == minor


@given(
    currency=st.sampled_from(CODES),
    minor=minor_units,
    more=st.integers(1, 60),
    rest=st.integers(1, 9),
)
def test_one_decimal_too_many_is_refused_however_far_behind(
    currency: str, minor: int, more: int, rest: int
) -> None:
    digits = money.exponent(currency)
    point = f"{minor // 10**digits}.{minor % 10**digits:0{digits}d}"[
        : None if digits else -1
    ]
    text = point if digits else f"{minor}."
    with pytest.raises(InvalidAmount):
        money.to_minor(Decimal(f"{text}{'0' * (more - 1)}{rest}"), currency)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "EUR", 1250),
        ("12.5000", "EUR", 1250),
        ("0.01", "EUR", 1),
        ("1E+2", "EUR", 10000),
        ("1250", "JPY", 1250),
        ("1250.00", "JPY", 1250),
        ("1.250", "KWD", 1250),
        ("9999999999.99", "EUR", 999_999_999_999),
        ("999999999999", "JPY", 999_999_999_999),
    ],
)
def test_exponents(amount: str, currency: str, minor: int) -> None:
    assert money.to_minor(amount, currency) == minor
    assert money.to_minor(Decimal(amount), currency) == minor


def test_integers_are_major_units() -> None:
    assert money.to_minor(7, "EUR") == 700
    assert money.to_minor(7, "JPY") == 7


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "0.00",
        "-0",
        "-1",
        "-0.01",
        "0.001",
        "12.505",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "",
        "x",
        "12,50",
        "10000000000.00",
        "1" * 11 + ".00",
        "1E+99",
        "1E+999999",
        "1E-7",
        "1E-1000020",
        "12.5" + "0" * 40 + "1",
    ],
)
def test_amounts_that_are_none(amount: str) -> None:
    with pytest.raises(InvalidAmount):
        money.to_minor(amount, "EUR")
    if amount not in ("", "x", "12,50"):
        with pytest.raises(InvalidAmount):
            money.to_minor(Decimal(amount), "EUR")


@pytest.mark.parametrize(
    "amount", [1.0, 12.5, float("nan"), True, False, None, [], b"1", 1j, (0, (1,), 0)]
)
def test_types_that_are_no_amount(amount: Any) -> None:
    with pytest.raises(InvalidAmount, match="must be a Decimal, not"):
        money.to_minor(amount, "EUR")


def test_too_many_digits() -> None:
    for amount in (10**12, 10**5000):
        with pytest.raises(InvalidAmount, match="too many digits"):
            money.to_minor(amount, "JPY")


@pytest.mark.parametrize(
    "currency", ["XXX", "eur", "978", "", "BYR", None, 978, ["EUR"]]
)
def test_unknown_currencies_are_refused(currency: Any) -> None:
    for ask in (
        lambda: money.exponent(currency),
        lambda: money.to_minor(1, currency),
        lambda: money.to_major(1, currency),
    ):
        with pytest.raises(InvalidAmount, match="is not a currency"):
            ask()


@pytest.mark.parametrize(
    ("answered", "read"),
    [
        ("EUR", "EUR"),
        ("eur", "EUR"),
        (" EUR ", "EUR"),
        ("978", "EUR"),
        ("36", "AUD"),
        ("036", "AUD"),
        ("392", "JPY"),
        ("000", "000"),
        ("0978", "0978"),
        ("９７８", "９７８"),
        ("12345", "12345"),
        ("XXX", "XXX"),
        ("", ""),
    ],
)
def test_words_for_currencies(answered: str, read: str) -> None:
    assert money.alphabetic_code(answered) == read
    assert money.same_currency(answered, "EUR") == (read == "EUR")


def test_no_two_currencies_share_a_number() -> None:
    numbers = [number for number, _ in money.CURRENCIES.values()]
    assert len(set(numbers)) == len(numbers)
    assert {digits for _, digits in money.CURRENCIES.values()} == {0, 2, 3}
    for code, (number, _) in money.CURRENCIES.items():
        assert money.alphabetic_code(f"{number:03d}") == code
