"""A card in memory, for one request.

``Card`` prints as a mask and cannot be serialized by accident (pickle, copy, JSON by
``__dict__``). Only ``gateway.payloads`` and ``sealed_cards`` read its data, with
:meth:`Card.reveal`.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from stdnum import luhn

#: First digits, their count, brand; the first match counts. For display and for the
#: card number scanner; no decision about money depends on it.
_BRANDS: Final[tuple[tuple[range, int, str], ...]] = (
    (range(34, 35), 2, "AMEX"),
    (range(37, 38), 2, "AMEX"),
    (range(300, 306), 3, "DINERS"),
    (range(3095, 3096), 4, "DINERS"),
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


class Card:
    """A card number, its expiry date (MMYY) and its security code, or "".

    Raises ``ValueError`` for a value of another form; the message has no card data.
    """

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
        return brand_of(self._pan[:4])  # no number in its frame

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
    """The brand by Nexi's names (VISA, MC, AMEX …), or "" if unknown."""
    for numbers, length, name in _BRANDS:
        first = pan[:length]
        if first.isascii() and first.isdigit() and int(first) in numbers:
            return name
    return ""
