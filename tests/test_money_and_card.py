"""Amounts convert exactly or not at all; a card shows itself to nobody."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from nexi_payments import money
from nexi_payments.card import Card, brand_of, holds_card_number
from nexi_payments.exceptions import InvalidAmount

PAN = "4349940199004549"


@given(
    currency=st.sampled_from(sorted(money.CURRENCIES)),
    minor=st.integers(1, money.MAX_MINOR),
)
def test_there_and_back(currency: str, minor: int) -> None:
    major = money.to_major(minor, currency)
    assert money.to_minor(major, currency) == minor
    assert money.to_minor(str(major), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.50", "EUR", 1250), ("1250", "JPY", 1250), ("1.250", "KWD", 1250)],
)
def test_exponents(amount: str, currency: str, minor: int) -> None:
    assert money.to_minor(Decimal(amount), currency) == minor
    assert money.to_minor(7, "EUR") == 700


@pytest.mark.parametrize(
    "amount", ["0", "-1", "0.001", "NaN", "Infinity", "x", "1" * 11 + ".00", "1E+99"]
)
def test_amounts_that_are_none(amount: str) -> None:
    with pytest.raises(InvalidAmount):
        money.to_minor(amount, "EUR")


@pytest.mark.parametrize("amount", [1.0, True, None, [], b"1"])
def test_types_that_are_no_amount(amount: Any) -> None:
    with pytest.raises(InvalidAmount):
        money.to_minor(amount, "EUR")


def test_currencies() -> None:
    assert money.same_currency("978", "EUR")
    assert money.same_currency("eur", "EUR")
    assert not money.same_currency("840", "EUR")
    assert money.alphabetic("12345") == "12345"
    assert money.alphabetic("XXX") == "XXX"
    with pytest.raises(InvalidAmount):
        money.exponent("XXX")
    with pytest.raises(InvalidAmount):
        money.exponent(["EUR"])  # type: ignore[arg-type]


def test_a_card_masks_itself(caplog: Any) -> None:
    card = Card(PAN, "1230", "396")
    logging.getLogger("x").warning("%s %r", card, {"card": card})
    shown = [str(card), repr(card), f"{card}", f"{card:>30}", f"{card}", caplog.text]
    shown.append(json.dumps({"card": card}, default=str))
    for text in shown:
        assert "4549" in text
        assert PAN not in text
        assert "396" not in text
    with pytest.raises(TypeError):
        vars(card)


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_card_is_not_written_down(way: Any) -> None:
    with pytest.raises(TypeError) as caught:
        way(Card(PAN, "1230", "396"))
    assert PAN not in str(caught.value)


@pytest.mark.parametrize(
    "parts",
    [
        ("4349940199004548", "1230"),
        ("", "1230"),
        ("４３４９９４０１９９００４５４９", "1230"),
        (PAN, "1330"),
        (PAN, "12/30"),
        (PAN, "1230", "12"),
        (PAN, "1230", "12a"),
    ],
)
def test_parts_that_make_no_card(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="not") as caught:
        Card(*parts)
    assert parts[0] not in str(caught.value) or not parts[0]


@pytest.mark.parametrize(
    ("pan", "brand"),
    [
        (PAN, "VISA"),
        ("5186151650005008", "MC"),
        ("2221000000000009", "MC"),
        ("378282246310005", "AMEX"),
        ("30569309025904", "DINERS"),
        ("3530111333300000", "JCB"),
        ("6011111111111117", "MAESTRO"),
        ("9999", ""),
        ("", ""),
    ],
)
def test_brands(pan: str, brand: str) -> None:
    assert brand_of(pan) == brand


@given(
    start=st.sampled_from([("4", 16), ("4", 13), ("51", 16), ("34", 15), ("6011", 18)]),
    rest=st.text("0123456789", min_size=17, max_size=17),
    gaps=st.lists(st.sampled_from(["", " ", "-", "."]), min_size=20, max_size=20),
    around=st.sampled_from(
        [("", ""), ("pay with ", " please"), ("No. ", " 12/30 123")]
    ),
)
def test_a_number_in_a_text_is_found(
    start: tuple[str, int], rest: str, gaps: list[str], around: tuple[str, str]
) -> None:
    prefix, length = start
    digits = (prefix + rest)[: length - 1]
    digits += luhn.calc_check_digit(digits)
    text = "".join(digit + gap for digit, gap in zip(digits, gaps, strict=False))
    assert holds_card_number(around[0] + text.rstrip(" -.") + around[1])


def test_a_number_inside_a_longer_run_is_found() -> None:
    assert holds_card_number("0" * 8 + PAN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "700000000000000001",
        "+39 06 1234 5678",
        "2026-11-24 12:30",
        "4349940199004548",
    ],
)
def test_other_digits_are_left_alone(text: str) -> None:
    assert not holds_card_number(text)
