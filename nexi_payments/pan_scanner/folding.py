"""Folding: digits of any script become ASCII digits, invisible characters vanish."""

from __future__ import annotations

import unicodedata
from typing import Final


class _Folding(dict[int, str]):
    """For ``str.translate``: code point → folded text."""

    def __missing__(self, code: int) -> str:
        folded = _fold_character(chr(code))
        if len(self) < 10_000:  # a text may contain all of Unicode
            self[code] = folded
        return folded


#: Invisible: format characters and combining marks. The fillers of Hangul are
#: invisible, too, but their category is "letter".
_DROPPED_CATEGORIES: Final = ("Cf", "Mn", "Me")
_FILLERS: Final = "\u115f\u1160\u3164\uffa0"


def _fold_character(character: str) -> str:
    if character in _FILLERS or unicodedata.category(character) in _DROPPED_CATEGORIES:
        return ""
    if character.isdigit():  # also "⒈" and "⑴": the digit only
        return str(unicodedata.digit(character))
    return "".join(
        part if part.isascii() else str(unicodedata.digit(part, part))
        for part in unicodedata.normalize("NFKC", character)
    )


FOLDING: Final = _Folding({code: chr(code) for code in range(128)})


def fold(text: str) -> str:
    """The text in NFKC, with ASCII digits, without invisible characters.

    Normalized character by character: for whole texts NFKC is not linear in time.
    """
    return text if text.isascii() else text.translate(FOLDING)
