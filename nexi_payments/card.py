"""The card itself, in memory, for one request.

``Card`` shows a mask wherever Python might print it and refuses every way of being
written down by accident (pickle, copy, JSON by ``__dict__``). Only ``gateway.payloads``
and ``hold`` open it, with :meth:`Card.reveal`.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from stdnum import luhn

#: First digits → brand, longest prefix wins. For display only, never a decision.
_BRANDS: Final[tuple[tuple[range, int, str], ...]] = (
    (range(34, 35), 2, "AMEX"),
    (range(37, 38), 2, "AMEX"),
    (range(300, 306), 3, "DINERS"),
    (range(36, 37), 2, "DINERS"),
    (range(38, 40), 2, "DINERS"),
    (range(3528, 3590), 4, "JCB"),
    (range(2221, 2721), 4, "MC"),
    (range(51, 56), 2, "MC"),
    (range(4, 5), 1, "VISA"),
    (range(50, 51), 2, "MAESTRO"),
    (range(56, 59), 2, "MAESTRO"),
    (range(6, 7), 1, "MAESTRO"),
)

_RUN: Final = re.compile(r"[0-9](?:[ \t.\-\u00a0\u2009]{0,3}[0-9]){11,}")
#: "7f3a4349…", a UUID: digits among letters
_ID: Final = re.compile(r"[0-9A-Za-z-]*[A-Za-z][0-9A-Za-z-]*")


class Card:
    """A card number, its expiry (MMYY) and, when it was given, its security code."""

    __slots__ = ("_cvv", "_expiry", "_pan")

    def __init__(self, pan: str, expiry: str, cvv: str = "") -> None:
        if not re.fullmatch(r"[0-9]{13,19}", pan) or not luhn.is_valid(pan):
            raise ValueError("not a card number")
        if not re.fullmatch(r"(0[1-9]|1[0-2])[0-9]{2}", expiry):
            raise ValueError("expiry is not MMYY")
        if cvv and not re.fullmatch(r"[0-9]{3,4}", cvv):
            raise ValueError("not a security code")
        self._pan = pan
        self._expiry = expiry
        self._cvv = cvv

    def reveal(self) -> tuple[str, str, str]:
        """Number, expiry (MMYY), security code or "". Keep it out of locals."""
        return self._pan, self._expiry, self._cvv

    @property
    def brand(self) -> str:
        return brand_of(self._pan)

    @property
    def bin6(self) -> str:
        return self._pan[:6]

    @property
    def last4(self) -> str:
        return self._pan[-4:]

    @property
    def expiry(self) -> str:
        return self._expiry

    def __repr__(self) -> str:
        return f"<Card ••••{self.last4}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # copy, deepcopy and pickle all come through here
        raise TypeError("a card is not copied, pickled or sent to a queue")


def brand_of(pan: str) -> str:
    """The brand as Nexi names circuits (VISA, MC, AMEX …), or "" when unsure."""
    for numbers, length, name in _BRANDS:
        first = pan[:length]
        if first.isascii() and first.isdigit() and int(first) in numbers:
            return name
    return ""


def holds_card_number(text: str) -> bool:
    """Whether a free text holds a card number: 12–19 digits, a known brand, Luhn-valid.

    Separators between groups do not hide a number, nor do digits glued before or after
    it as groups of their own ("… 4549 0530 396"). Inside one long unbroken run every
    window counts only when the run is too long to be a number itself: an 18-digit
    operation id is searched for as often as a card number is pasted.
    """
    return bool(masked_card_number(text))


def masked_card_number(text: str) -> str:
    """The first card number in a text as "••••0396", or ""."""
    for run in _RUN.finditer(text):
        if number := _number_in(run.group()):
            return f"••••{number[-4:]}"
    return ""


def made_text_holds_card_number(text: str) -> bool:
    """The same for a text that a program has made, a reference or a description.

    Ids of letters and digits are left out: of random hexadecimal ones, one in some
    thousand holds what could be a card number, and a checkout must not fail for that.
    """
    return holds_card_number(_ID.sub(" ", text))


def _number_in(run: str) -> str:
    """The longest, so that its last four digits are not some from its middle."""
    groups: list[str] = re.findall(r"[0-9]+", run)
    found = ""
    for first in range(len(groups)):
        joined = ""
        for group in groups[first:]:
            joined += group
            if len(joined) > 19:
                break
            if len(joined) > len(found) and _is_number(joined):
                found = joined
    windows = (
        group[start : start + length]
        for group in groups
        if len(group) > 19
        for length in range(13, 20)
        for start in range(len(group) - length + 1)
    )
    return found or next(filter(_is_number, windows), "")


def _is_number(digits: str) -> bool:
    brand = brand_of(digits)
    if not brand or not 12 <= len(digits) <= 19:
        return False
    if brand == "DINERS" and len(digits) < 14:
        return False  # a telephone number: +39 333 …
    if brand in ("VISA", "MC", "AMEX", "DINERS") and len(digits) == 18:
        return False  # an operation id; no card of theirs is that long
    return bool(luhn.is_valid(digits))
