"""A card shows itself to nobody, and a number is found where none should be."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from nexi_payments.card import (
    Card,
    brand_of,
    holds_card_number,
    made_text_holds_card_number,
)

PAN = "4349940199004549"


def with_check_digit(digits: str) -> str:
    return digits + luhn.calc_check_digit(digits)


def card() -> Card:
    return Card(PAN, "1230", "396")


@dataclasses.dataclass
class Basket:
    card: Card


@pytest.mark.parametrize(
    "shown",
    [
        str(card()),
        repr(card()),
        f"{card()}",
        f"{card()!r:>60}",
        f"{card():>60}",
        "%s %r" % (card(), card()),  # noqa: UP031
        "{} {!s}".format(card(), card()),  # noqa: UP032
        repr([card()]),
        repr({"card": card()}),
        repr(Basket(card())),
        json.dumps({"card": card()}, default=str),
        json.dumps({"card": card()}, default=repr),
    ],
)
def test_a_card_masks_itself(shown: str) -> None:
    assert "••••4549" in shown or "\\u20224549" in shown
    assert PAN not in shown
    assert "396" not in shown
    assert "1230" not in shown


def test_a_card_in_a_log_line_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("shop").warning("%s %r %s", card(), card(), {"card": card()})
    mask = "<Card ••••4549>"
    assert caplog.messages == [f"{mask} {mask} {{'card': {mask}}}"]


@pytest.mark.parametrize(
    "way",
    [
        *(lambda it, p=p: pickle.dumps(it, p) for p in range(6)),
        copy.copy,
        copy.deepcopy,
        json.dumps,
        lambda it: dataclasses.asdict(Basket(it)),
        vars,
        dict,
        list,
        iter,
    ],
)
def test_a_card_is_not_written_down(way: Any) -> None:
    with pytest.raises(TypeError) as caught:
        way(card())
    assert PAN not in str(caught.value)


def test_a_card_takes_no_new_members() -> None:
    with pytest.raises(AttributeError):
        card().note = PAN  # type: ignore[attr-defined]


def test_what_may_be_kept_and_what_the_gateway_needs() -> None:
    it = card()
    assert (it.brand, it.bin6, it.last4, it.expiry) == (
        "VISA",
        "434994",
        "4549",
        "1230",
    )
    assert it.reveal() == (PAN, "1230", "396")
    assert Card(PAN, "1230").reveal() == (PAN, "1230", "")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (("4349940199004548", "1230"), "not a card number"),
        (("", "1230"), "not a card number"),
        (("4349 9401 9900 4549", "1230"), "not a card number"),
        ((PAN + "\n", "1230"), "not a card number"),
        (("４３４９９４０１９９００４５４９", "1230"), "not a card number"),
        ((with_check_digit("43499401990"), "1230"), "not a card number"),
        ((with_check_digit("4349940199004549000"), "1230"), "not a card number"),
        ((PAN, "1330"), "expiry is not MMYY"),
        ((PAN, "0030"), "expiry is not MMYY"),
        ((PAN, "12/30"), "expiry is not MMYY"),
        ((PAN, "203012"), "expiry is not MMYY"),
        ((PAN, "1230\n"), "expiry is not MMYY"),
        ((PAN, "1230", "12"), "not a security code"),
        ((PAN, "1230", "12345"), "not a security code"),
        ((PAN, "1230", "12a"), "not a security code"),
        ((PAN, "1230", "３９６"), "not a security code"),
    ],
)
def test_parts_that_make_no_card(parts: tuple[str, ...], why: str) -> None:
    with pytest.raises(ValueError, match="not") as caught:
        Card(*parts)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("pan", "brand"),
    [
        (PAN, "VISA"),
        ("5186151650005008", "MC"),
        ("2221", "MC"),
        ("2720", "MC"),
        ("2721", ""),
        ("2220", ""),
        ("5599", "MC"),
        ("378282246310005", "AMEX"),
        ("34", "AMEX"),
        ("35", ""),
        ("30569309025904", "DINERS"),
        ("36", "DINERS"),
        ("306", ""),
        ("3530111333300000", "JCB"),
        ("3527", ""),
        ("3590", ""),
        ("6011111111111117", "MAESTRO"),
        ("50", "MAESTRO"),
        ("58", "MAESTRO"),
        ("59", ""),
        ("1", ""),
        ("9999", ""),
        ("４", ""),
        ("²", ""),
        ("x", ""),
        ("", ""),
    ],
)
def test_brands(pan: str, brand: str) -> None:
    assert brand_of(pan) == brand


#: first digits → how many digits in all
LENGTHS = {
    "4": (13, 16, 19),
    "51": (16,),
    "2221": (16,),
    "34": (15,),
    "37": (15,),
    "36": (14, 16, 19),
    "301": (14,),
    "3528": (16, 17, 18, 19),
    "50": (12, 13, 16, 18, 19),
    "6759": (12, 16, 18, 19),
}
GAPS = ["", "", " ", "-", ".", "\u00a0", "\u2009", "\t", "  ", " - ", "--"]


@st.composite
def numbers(draw: st.DrawFn) -> str:
    start = draw(st.sampled_from(sorted(LENGTHS)))
    length = draw(st.sampled_from(LENGTHS[start]))
    rest = length - len(start) - 1
    return with_check_digit(
        start + draw(st.text("0123456789", min_size=rest, max_size=rest))
    )


@given(number=numbers(), data=st.data(), words=st.tuples(st.text(), st.text()))
def test_a_number_with_separators_in_a_text_is_found(
    number: str, data: st.DataObject, words: tuple[str, str]
) -> None:
    before, after = ("".join(c for c in w if not "0" <= c <= "9") for w in words)
    gaps = data.draw(st.lists(st.sampled_from(GAPS), min_size=20, max_size=20))
    text = "".join(d + g for d, g in zip(number, gaps, strict=False)).rstrip(" -.\t")
    assert holds_card_number(before + text + after)


@given(number=numbers(), groups=st.lists(st.integers(0, 9999), max_size=5))
def test_groups_of_digits_around_a_number_do_not_hide_it(
    number: str, groups: list[int]
) -> None:
    digits = " ".join(map(str, groups))
    assert holds_card_number(f"{digits} {number} {digits}")


@given(
    start=st.sampled_from(["4", "51", "34", "6011"]),
    length=st.sampled_from([13, 14, 15, 16, 17, 19]),
    rest=st.text("0123456789", min_size=19, max_size=19),
)
def test_odd_lengths_are_found_as_well(start: str, length: int, rest: str) -> None:
    """Issuers are free; only what is known not to be a card is let through."""
    number = with_check_digit((start + rest)[: length - 1])
    assert holds_card_number(number)


@pytest.mark.parametrize("before", [0, 1, 7, 25, 35, 41, 100])
def test_a_number_inside_one_long_run_is_found(before: int) -> None:
    assert holds_card_number("7" * before + PAN + "7" * 30)
    assert holds_card_number("7 " * before + PAN + " 7" * 30)


@given(number=st.integers(1000000, 9999999), country=st.sampled_from(["+39", "+ 39"]))
def test_italian_telephone_numbers_are_not_cards(number: int, country: str) -> None:
    for text in (f"{country} 333 {number}", f"{country}333{number}", f"06 {number}"):
        assert not holds_card_number(text)


@given(st.integers(0, 10**17 - 1), st.sampled_from("1278944"))
def test_operation_ids_of_eighteen_digits_are_not_cards(rest: int, first: str) -> None:
    assert not holds_card_number(f"operation {first}{rest:017d}")


@given(st.uuids(version=4).filter(lambda one: re.search("[a-f]", one.hex)))
def test_ids_that_a_program_has_made_are_not_cards(one: uuid.UUID) -> None:
    for text in (one.hex, str(one), f"Order {one}", f"D{one.hex[:16]}/{one}"):
        assert not made_text_holds_card_number(text)


def test_a_card_number_in_such_a_text_is_one() -> None:
    assert not made_text_holds_card_number(f"D{PAN}")
    for text in (
        PAN,
        f"card {PAN}",
        f"pan={PAN}",
        f"D17 {PAN} x",
        "4349-9401-9900-4549",
    ):
        assert made_text_holds_card_number(text), text


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=1))
def test_order_ids_and_references_are_not_cards(letters: str) -> None:
    assert not holds_card_number(f"{letters}20260001234")
    assert not holds_card_number(f"{letters}00{letters}17")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Two books",
        "700000000000000001",
        "+39 06 1234 5678",
        "2026-11-24 12:30",
        "9f1e2d3c-0000-4000-8000-000000000001",
        "IT60 X054 2811 1010 0000 0123 456",
        PAN[:-1] + "8",
        "４３４９９４０１９９００４５４９"[:-1],
        " ".join(PAN[:8]),
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert not holds_card_number(text)


@pytest.mark.parametrize("text", ["7" * 20_000, "7 " * 20_000, "1234567 x" * 5_000])
def test_long_texts_are_read_to_their_end(text: str) -> None:
    assert not holds_card_number(text)
    assert holds_card_number(text + " x " + PAN)
