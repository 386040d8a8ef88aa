"""The work of the scanner grows with the text; what is too long is refused unread."""

from __future__ import annotations

import re
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexi_payments.pan_scanner import (
    MAX_TEXT_LENGTH,
    Scan,
    contains_card_number,
    find_masked_card_number,
    folding,
    joined_digits,
    markup,
    shapes,
    url_contains_card_number,
)
from nexi_payments.pan_scanner.grouping import DigitRun
from tests.pan_scanner.test_detection import GROUPED, PAN

pytestmark = pytest.mark.seen_on("sqlite")

# -- how much work it is -------------------------------------------------------------

#: Each is repeated to a text of any length.
HOSTILE = [
    "1",
    "1 ",
    "4",
    "4 ",
    "4\u200b",
    "\u0664",
    "4000 ",
    "4" * 40 + " ",
    "4/8-",
    "381",
    "6 0 1 1 ",
    "0 0 0 0 4 ",
    "1    ",
    "1     ",
    " ",
    "\u200b",
    "a\u0315\u0300",
    "+4 ",
    "0.4",
    "aa00 ",
    "aa11 1111 1111 1111 ",
    "aa11111111111111",
    "ab12 4349 9401 9900 4549 ",
    "9",
    "4349-",
    "43499401-9900-",
    "43499401-9900-4548-8000-aaaaaaaaaaaa ",
    "43499401-9900-4548-8000-aaaaaaaaaaa ",
    "2026-11-30T22:21:34.789012+01:00 ",
    "20-11-",
    "22:21:34.",
    "4222222222221 ",
    "4349x",
    "4349     ",
    "4349 --- 940199 --- ",
    "<b>4349</b>",
    "<4349 ",
    "<> ",
    "<a>    ",
    "&#52;",
    "&nbsp;4",
    "&#",
    "%344",
    "%204",
    "\u56db",
    "123049",
    "12304349940199004548 ",
    "689259111 ",
    "689 ",
    "3600 1122 3344 5560 ",
    "302-1234567-",
]


def _work(text: str) -> int:
    scan = Scan()
    assert scan.first(text.replace(GROUPED, GROUPED[:-1] + "8")) == ""
    return scan.steps


@pytest.mark.parametrize("unit", HOSTILE, ids=ascii)
def test_twice_the_text_is_at_most_twice_the_work(unit: str) -> None:
    texts = [(unit * size)[:size] for size in (4_000, 8_000, 16_000, 32_000)]
    steps = [_work(text) for text in texts]
    slack = 2_000  # the windows that do not fit before the end, and a cut repetition
    for less, more in pairwise(steps):
        assert more <= 2 * less + slack
    assert steps[-1] <= 45 * len(texts[-1])


def test_the_counted_steps_are_those_that_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every sum over digits goes through one function, and is counted."""
    looked_at: list[int] = []
    real: Any = DigitRun.passes_luhn

    def counting(run: Any, start: int, stop: int) -> bool:
        looked_at.append(stop - start)
        return bool(real(run, start, stop))

    monkeypatch.setattr(DigitRun, "passes_luhn", counting)
    text = "4 " * 2_000
    scan = Scan()
    assert scan.first(text) == ""
    assert max(looked_at) <= 19
    assert len(looked_at) <= 6 * 2_000
    # twice the text as it is read, once each group, and the sums
    assert scan.steps == 2 * len(text) + 2_000 + sum(looked_at)


@pytest.mark.parametrize(
    ("module", "name", "most"),
    [
        *((shapes, name, 100) for name in ("_UUID", "_TIMESTAMP", "_TIME", "_IBAN")),
        *(
            (shapes, name, 100)
            for name in ("_PAGOPA_NOTICE", "_AMAZON_ORDER", "_SIRET", "_PHONES")
        ),
        *((markup, name, 100) for name in ("_ENTITY", "_ESCAPE", "_JOINED")),
        (markup, "_TAGS", 400),
    ],
)
def test_no_pattern_looks_ahead_without_bound(
    module: ModuleType, name: str, most: int
) -> None:
    """Each tries every place of a text: what it reads from there has to be bounded."""
    pattern: re.Pattern[str] = getattr(module, name)
    parser: Any = re._parser  # type: ignore[attr-defined]
    assert parser.parse(pattern.pattern, pattern.flags).getwidth()[1] <= most


def test_what_is_too_long_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not contains_card_number("a" * MAX_TEXT_LENGTH)

    def read(*args: Any) -> str:
        raise AssertionError("was read")

    monkeypatch.setattr(Scan, "first", read)
    assert contains_card_number("a" * (MAX_TEXT_LENGTH + 1))
    assert url_contains_card_number("/" + "a" * MAX_TEXT_LENGTH)


@pytest.mark.parametrize("text", ["7" * 20_000, "7 " * 20_000, "1234567 x" * 5_000])
def test_a_mask_is_found_in_a_text_of_any_length(text: str) -> None:
    assert find_masked_card_number(text) == ""
    assert find_masked_card_number(f"{text} x {GROUPED} x {text}") == "••••4549"


def test_characters_are_remembered_up_to_a_bound() -> None:
    everything = "".join(map(chr, range(0x80, 0xD800)))
    joined_digits(everything)
    assert len(folding.FOLDING) == 10_000
    assert contains_card_number("\uff14\uff13\uff14\uff19" + PAN[4:])  # known before
    assert contains_card_number("\U0001e954" + PAN[1:])  # and not


@pytest.mark.parametrize("letter", ["\u0131", "\u0130", "\u017f", "\u212a"])
def test_letters_that_are_others_in_capitals_are_no_accident(letter: str) -> None:
    for text in (f"{letter}T60X0542811101000000123456", f"{letter}{'a' * 31}"):
        assert not contains_card_number(text)
        assert contains_card_number(f"{text} {PAN}")


@given(
    st.text(st.characters() | st.sampled_from("0123456789abcdefT:-+. "), max_size=60)
)
def test_no_text_is_an_error(text: str) -> None:
    assert contains_card_number(text) is bool(find_masked_card_number(text))
