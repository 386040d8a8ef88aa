"""A ``Card`` shows its number in no representation."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
from typing import Any

import pytest
from stdnum import luhn

from nexi_payments.card import Card, brand_of

pytestmark = pytest.mark.seen_on("sqlite")

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
        ("3095", "DINERS"),
        ("3096", ""),
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


def test_the_brand_is_found_without_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frame would show it, when something fails there."""
    seen: list[str] = []
    monkeypatch.setattr("nexi_payments.card.brand_of", seen.append)
    assert Card("378282246310005", "1230").brand is None
    assert seen == ["3782"]
