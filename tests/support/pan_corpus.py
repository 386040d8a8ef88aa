"""The two lists that every scanner is tested with: texts that hold a card number, and
texts that do not. Written as templates, so that no card number stands in a file but
published test numbers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

from stdnum import luhn

_DATA: Final = Path(__file__).resolve().parents[1] / "data"
_TEMPLATE: Final = re.compile(r"\[([a-z][^\]|~]*)(?:~([^\]|]*))?(?:\|([^\]]*))?\]")
_GROUPS: Final = re.compile(r"(?:([0-9-]+)\|)?(.*)", re.DOTALL)
_NAMED: Final = {
    "superscript": "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079",
    "subscript": "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089",
    "circled": "\u24ea\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467\u2468",
    "negative circled": "\u24ff\u2776\u2777\u2778\u2779\u277a\u277b\u277c\u277d\u277e",
    "chinese": "\u3007\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d",
    "financial": "\u96f6\u58f9\u8d30\u53c1\u8086\u4f0d\u9646\u67d2\u634c\u7396",
    # there is no zero of these
    "full stop": "0\u2488\u2489\u248a\u248b\u248c\u248d\u248e\u248f\u2490",
    "parenthesized": "0\u2474\u2475\u2476\u2477\u2478\u2479\u247a\u247b\u247c",
}


@dataclass(frozen=True)
class CorpusEntry:
    kind: str
    text: str


class _Corpus:
    def __init__(self, name: str) -> None:
        data: dict[str, Any] = json.loads((_DATA / name).read_text("utf-8"))
        self._numbers: dict[str, str] = data["numbers"]
        self.texts = [
            CorpusEntry(kind, self._filled(one))
            for kind, members in data["texts"].items()
            for one in members
        ]
        self.addresses = [self._filled(one) for one in data["addresses"]]

    def _filled(self, template: str) -> str:
        return _TEMPLATE.sub(self._number, template)

    def _number(self, match: re.Match[str]) -> str:
        name, script, groups = match.groups()
        digits = self._digits(name)
        if groups is not None:
            digits = _grouped(digits, *_GROUPS.fullmatch(groups).groups())
        return digits.translate(_digits_of(script)) if script else digits

    def _digits(self, name: str) -> str:
        word, _, rest = name.partition(" ")
        if word == "luhn":
            return rest + luhn.calc_check_digit(rest)
        if word == "iban":
            country, _, account = rest.partition(" ")
            return _iban(country, account)
        return self._filled(self._numbers[name])


def _grouped(digits: str, sizes: str | None, separator: str) -> str:
    """In groups of four, or of ``sizes``; the last one holds for all that is left."""
    known = [int(size) for size in (sizes or "4").split("-")]
    groups = []
    for size in chain(known, repeat(known[-1])):
        groups.append(digits[:size])
        digits = digits[size:]
        if not digits:
            return separator.join(groups)
    raise AssertionError


def _digits_of(script: str) -> dict[int, str]:
    characters = _NAMED.get(script) or [chr(int(script, 16) + one) for one in range(10)]
    return {ord(str(value)): one for value, one in enumerate(characters)}


def _iban(country: str, account: str) -> str:
    letters = "".join(str(int(letter, 36)) for letter in f"{country}00")
    return f"{country}{98 - int(account + letters) % 97:02d}{account}"


WITH_CARD_NUMBER: Final = _Corpus("disguises.json")
WITHOUT_CARD_NUMBER: Final = _Corpus("innocents.json")
