"""The second scan of a text: without the markup of web pages and URLs between digits.

The unchanged text is always scanned first, so nothing here can hide a number. Each
pattern reads a bounded number of characters.
"""

from __future__ import annotations

import re
from typing import Final

from nexi_payments.pan_scanner.folding import fold

_ENTITY: Final = re.compile(
    r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|[A-Za-z]{2,8});"
)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_TAGS: Final = re.compile(r"<[^<>]{1,60}>(?: {0,4}<[^<>]{1,60}>){0,5}")
#: Four groups, or three as on American Express, with the same text in between that is
#: not a separator elsewhere: one letter, or five to twelve other characters.
_JOINED: Final = re.compile(
    r"(^|[^0-9])([0-9]{4})([A-Za-z]|[\W_]{5,12})([0-9]{4,6})\3([0-9]{4,5})"
    r"(?:\3([0-9]{4}))?(?![0-9])"
)
#: Replaces tags and joining texts: cells and words may be a list.
_CELL_SEPARATOR: Final = ", "
#: By category these are letters. They count as digits only here, because before a
#: number they may be words.
_CHINESE: Final = str.maketrans(
    "〇零○一二三四五六七八九壹贰貳叁參肆伍陆陸柒捌玖", "0001234567891223345667" + "89"
)


def without_markup(text: str) -> str:
    """The folded text without tags, entities and percent-encoding, and with Chinese
    digits as ASCII digits."""
    # folded again: entities may be of any script, and NFKC leaves combining marks
    text = fold(_ENTITY.sub(_character, text))
    if "%" in text:
        text = _ESCAPE.sub(_decoded, text)
    if "<" in text:
        text = _TAGS.sub(_CELL_SEPARATOR, text)
    if not text.isascii():
        text = text.translate(_CHINESE)
    return _JOINED.sub(_as_list, text)


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal = match.groups()
    code = int(decimal or 0) or int(hexadecimal or "20", 16)
    return chr(code) if code < 0x110000 else " "


def _decoded(match: re.Match[str]) -> str:
    character = chr(int(match.group(1), 16))
    return character if character in "0123456789" else " "


def _as_list(match: re.Match[str]) -> str:
    before, first, _, *others = match.groups()
    return before + _CELL_SEPARATOR.join([first, *filter(None, others)])
