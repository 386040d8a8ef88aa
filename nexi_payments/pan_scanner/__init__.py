"""Finds card numbers in texts. One rule for forms, API, search, logs and tests.

A card number has the prefix and a length of its scheme, and a valid check digit (Luhn).
Its digits may be of any script. They may be in groups, with up to four characters in
between that are neither letters nor digits, and with invisible characters anywhere.
Known shapes are not card numbers: UUIDs, digests, IBANs, dates and times, phone
numbers. A text is scanned unchanged first, then without markup. Decision 29 has the
reasons and the measured rates.

The time is linear in the length of the text: each pattern looks ahead a bounded number
of characters, and at most six windows begin at each digit. ``nexi_payments/search.js``
has the same rule for the browser; the same two lists test both.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote_plus

from nexi_payments.input_errors import CardDataNotAllowed
from nexi_payments.pan_scanner.folding import fold
from nexi_payments.pan_scanner.grouping import SUFFIXES, DigitRun, pan_lengths
from nexi_payments.pan_scanner.markup import without_markup
from nexi_payments.pan_scanner.shapes import without_known_shapes

#: Characters. ``contains_card_number`` does not scan longer texts and reports them.
MAX_TEXT_LENGTH: Final = 4096

_MIN_PAN_DIGITS: Final = 14
#: Digits of a phone number with its country code. E.164 allows fifteen, but no country
#: with a prefix of American Express (34, 37) uses fifteen.
_MAX_PHONE_DIGITS: Final = 14
#: An unbroken run of this many digits is not a reference (Swiss QR references have 27).
#: It is scanned at every position.
_MIN_UNBROKEN_DIGITS: Final = 28


def contains_card_number(text: str) -> bool:
    """Whether a text contains a card number, or is longer than ``MAX_TEXT_LENGTH``.

    For texts from outside, which are rejected then. Longer texts are not scanned.
    """
    return len(text) > MAX_TEXT_LENGTH or bool(Scan().first(text))


def url_contains_card_number(url: str) -> bool:
    """As ``contains_card_number``, for a URL: also finds numbers that are
    percent-encoded (at most three times) or written with HTML entities."""
    if contains_card_number(url):
        return True
    decoded = url
    for _ in range(3):
        decoded = unquote_plus(decoded)
    return contains_card_number(html.unescape(decoded))


def json_contains_card_number(value: Any) -> bool:
    """Whether a JSON value contains a card number, also as the name of a member."""
    if isinstance(value, dict):
        return any(map(json_contains_card_number, value)) or any(
            map(json_contains_card_number, value.values())
        )
    if isinstance(value, list):
        return any(map(json_contains_card_number, value))
    return contains_card_number(str(value))


def reject_card_number(name: str, text: str) -> None:
    """Raises ``CardDataNotAllowed`` with ``name``, without the text.

    For texts that are truncated to their column: what follows ``MAX_TEXT_LENGTH`` is
    never stored.
    """
    if Scan().first(text[:MAX_TEXT_LENGTH]):
        raise CardDataNotAllowed(f"{name} seems to contain a card number")


def find_masked_card_number(text: str) -> str:
    """The first card number in a text of any length, as "••••0396", or ""."""
    found = Scan().first(text)
    return f"••••{found[-4:]}" if found else ""


def joined_digits(text: str) -> str:
    """The text with ASCII digits and without separators between digits. A known number
    can be searched in it, in whatever form it was written."""
    return _DIGIT_SEPARATORS.sub("", fold(text))


class Scan:
    """One search. ``steps`` counts characters and windows examined; it grows linearly
    with the length of the text."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 0

    def first(self, text: str) -> str:
        """The digits of the first card number, or "". A secret: show it masked."""
        self.steps += len(text)
        if len(text) < _MIN_PAN_DIGITS:
            return ""
        text = fold(text)
        found = self._in_text(text)
        if not found and (plain := without_markup(text)) != text:
            found = self._in_text(plain)
        return found

    def _in_text(self, text: str) -> str:
        if sum(map(text.count, "0123456789")) < _MIN_PAN_DIGITS:
            return ""
        text = without_known_shapes(text)
        self.steps += len(text)
        for match in _DIGIT_RUN.finditer(text):
            run = match.group()
            if len(run) >= _MIN_PAN_DIGITS:
                is_phone = _follows_plus(text, match.start())
                if found := self._in_run(run, is_phone):
                    return found
        return ""

    def _in_run(self, text: str, is_phone: bool) -> str:
        """The first card number in ``text``, which begins and ends with a digit and has
        no letters."""
        run = DigitRun(text)
        self.steps += len(run.groups)
        if is_phone and len(run.digits) <= _MAX_PHONE_DIGITS:
            return ""
        for first, group in enumerate(run.groups):
            for start in run.candidate_starts(first):
                for stop in self._valid_ends(run, start):
                    if run.is_written_as_one_number(first, start, stop):
                        return run.digits[start:stop]
            unbroken = len(group) if len(group) >= _MIN_UNBROKEN_DIGITS else 0
            for start in range(run.edges[first], run.edges[first] + unbroken):
                for stop in self._valid_ends(run, start):
                    if stop - start in SUFFIXES and stop <= run.edges[first + 1]:
                        return run.digits[start:stop]
        return ""

    def _valid_ends(self, run: DigitRun, start: int) -> Iterator[int]:
        """The ends of valid card numbers that begin at ``start``."""
        for length in pan_lengths(run.digits[start : start + 4]):
            if start + length <= len(run.digits):
                self.steps += length
                if run.passes_luhn(start, start + length):
                    yield start + length


_DIGIT_RUN: Final = re.compile(r"[0-9](?:[\W_]{0,4}[0-9])*")
_DIGIT_SEPARATORS: Final = re.compile(r"(?<=[0-9])[\W_]{1,4}(?=[0-9])")


def _follows_plus(text: str, start: int) -> bool:
    """Whether a plus precedes the run of digits: "+39 …" or "+ (39) …"."""
    return text[max(0, start - 3) : start].rstrip(" (").endswith("+")
