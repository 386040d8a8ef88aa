"""Parse typed amounts into exact ``Decimal`` major units.

A text means the same in every language: ``1.234,50`` and ``1,234.50`` are both 1234.50.
An ambiguous text (``1.500``: 1.50 or 1500) is rejected, with both candidates.
``docs/decisions/0032-typed-amounts.md`` has the rules.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from enum import StrEnum
from typing import Final

from nexi_payments import money

#: Characters. Longer texts are rejected without parsing.
MAX_LENGTH: Final = 64


class AmountProblem(StrEnum):
    """Why a text was rejected as an amount."""

    UNREADABLE = "unreadable"
    AMBIGUOUS = "ambiguous"
    DECIMALS = "decimals"  # more than the currency has
    CURRENCY = "currency"  # the text names another one
    NOT_POSITIVE = "not_positive"
    TOO_LARGE = "too_large"


class AmountParseError(ValueError):
    """A rejected text. ``candidates``: possible amounts, ascending; often empty."""

    def __init__(self, problem: AmountProblem, *candidates: Decimal) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.candidates = candidates


#: Variants of a character → the plain one.
_CHARACTER_VARIANTS: Final = {
    **dict.fromkeys("\N{FULLWIDTH FULL STOP}\N{SMALL FULL STOP}", "."),
    **dict.fromkeys("\N{FULLWIDTH COMMA}\N{SMALL COMMA}\N{ARABIC COMMA}", ","),
    **dict.fromkeys("’‘ʼ′`´\N{FULLWIDTH APOSTROPHE}", "'"),
    **dict.fromkeys("−‐‑‒–—﹣－", "-"),
    "\N{FULLWIDTH PLUS SIGN}": "+",
}
#: Arabic separators are unambiguous.
_ARABIC_DECIMAL: Final = "\N{ARABIC DECIMAL SEPARATOR}"
_ARABIC_GROUP: Final = "\N{ARABIC THOUSANDS SEPARATOR}"

#: Signs and short names → the currencies that they may mean. Codes are extra.
_CURRENCY_NAMES: Final[dict[str, frozenset[str]]] = {
    name: frozenset(codes.split())
    for name, codes in {
        "$": "ARS AUD CAD CLP COP HKD MXN SGD TWD USD",
        "£": "EGP GBP GIP",
        "¥": "CNY JPY",
        "€": "EUR",
        "₩": "KRW",
        "₫": "VND",
        "₦": "NGN",
        "₱": "PHP",
        "₴": "UAH",
        "₸": "KZT",
        "₹": "INR",
        "₺": "TRY",
        "₼": "AZN",
        "₽": "RUB",
        "฿": "THB",
        "a$": "AUD",
        "c$": "CAD",
        "ca$": "CAD",
        "hk$": "HKD",
        "mx$": "MXN",
        "nt$": "TWD",
        "r$": "BRL",
        "s$": "SGD",
        "us$": "USD",
        "euro": "EUR",
        "euros": "EUR",
        "ευρώ": "EUR",
        "fr": "CHF",
        "sfr": "CHF",
        "ft": "HUF",
        "kr": "DKK ISK NOK SEK",
        "kč": "CZK",
        "lei": "RON",
        "zł": "PLN",
        "лв": "BGN",
    }.items()
}

# A dot after a name belongs to the name only before a space ("Fr. 20"): "Rs.500" and
# "EUR.50" do not match, because their dot is ambiguous.
_CURRENCY: Final = rf"[^0-9 .,'+\-{_ARABIC_DECIMAL}{_ARABIC_GROUP}]{{1,8}}"
_AMOUNT_PATTERN: Final = re.compile(
    rf"(?P<sign>[+-] ?)?(?:(?P<before>{_CURRENCY})(?:\. | |(?=[0-9+-])))?"
    rf"(?P<inner>[+-] ?)?"
    rf"(?P<number>[.,{_ARABIC_DECIMAL}]?[0-9]"
    rf"[0-9 .,'{_ARABIC_DECIMAL}{_ARABIC_GROUP}]*?)"
    rf"(?:(?<=[.,])-{{1,2}})?"
    rf"(?: ?(?P<after>{_CURRENCY})\.?)?"
)


def parse(text: str, currency: str) -> Decimal:
    """``"1.234,50", "EUR"`` → ``Decimal("1234.50")``, with the currency's decimals.

    Raises ``AmountParseError`` unless the text means exactly one positive amount in
    that currency, and ``InvalidAmount`` for an unknown currency."""
    digits = money.exponent(currency)
    match = (
        _AMOUNT_PATTERN.fullmatch(_normalized(text))
        if len(text) <= MAX_LENGTH
        else None
    )
    if match is None or (match["sign"] and match["inner"]):
        raise AmountParseError(AmountProblem.UNREADABLE)
    for name in filter(None, (match["before"], match["after"])):
        _require_currency(name, currency)
    candidates, too_fine = _parse_candidates(match["number"], digits)
    if not candidates:
        raise AmountParseError(
            AmountProblem.DECIMALS if too_fine else AmountProblem.UNREADABLE
        )
    sign = (match["sign"] or match["inner"] or "").strip()
    if sign == "-" or not candidates[-1]:
        raise AmountParseError(AmountProblem.NOT_POSITIVE)
    if candidates[-1] > money.MAX_MINOR:
        raise AmountParseError(AmountProblem.TOO_LARGE)
    amounts = [money.to_major(minor, currency) for minor in candidates]
    if len(amounts) > 1:
        raise AmountParseError(AmountProblem.AMBIGUOUS, *amounts)
    if too_fine and digits:  # "12.505" EUR: a typo, or twelve thousand?
        raise AmountParseError(AmountProblem.DECIMALS, *amounts)
    return amounts[0]


def format_amount(amount: Decimal, currency: str, decimal_separator: str = ".") -> str:
    """The amount without grouping, so that ``parse`` returns it unchanged.

    ``decimal_separator``: "." or ",". Three decimals would look like a group: 1.250 KWD
    drops its last zero, 1.234 KWD gets one more.
    """
    digits = money.exponent(currency)
    whole, _, decimals = f"{amount:f}".partition(".")
    decimals = decimals.ljust(digits, "0")
    if digits == 3:
        decimals = decimals[:2] if decimals[2:] == "0" else f"{decimals}0"
    return f"{whole}{decimal_separator}{decimals}" if decimals else whole


def _normalized(text: str) -> str:
    """Normalize digits, spaces, apostrophes and dashes; drop invisible characters.

    Raises ``AmountParseError`` for digits of more than one script.
    """
    plain: list[str] = []
    zeros: set[int] = set()
    for char in text:
        category = unicodedata.category(char)
        if category == "Nd":
            digit = unicodedata.decimal(char)
            zeros.add(ord(char) - digit)
            plain.append(str(digit))
        elif char.isspace():
            plain.append(" ")
        elif category != "Cf":  # direction marks, zero-width spaces
            plain.append(_CHARACTER_VARIANTS.get(char, char))
    if len(zeros) > 1:
        raise AmountParseError(AmountProblem.UNREADABLE)
    return " ".join("".join(plain).split())


def _require_currency(name: str, currency: str) -> None:
    """Raise ``AmountParseError`` unless this sign or code may mean the currency."""
    known = unicodedata.normalize("NFKC", name).casefold()
    code = known.upper()
    if code == currency or currency in _CURRENCY_NAMES.get(known, ()):
        return
    other = code in money.CURRENCIES or known in _CURRENCY_NAMES
    raise AmountParseError(
        AmountProblem.CURRENCY if other else AmountProblem.UNREADABLE
    )


def _parse_candidates(number: str, digits: int) -> tuple[list[int], bool]:
    """Candidates in minor units, ascending, and whether one has too many decimals."""
    found: list[int] = []
    too_fine = False
    split = _split_decimals(number)
    if split is not None:
        whole, decimals = split
        # a trailing third zero is allowed; more decimals are not
        too_fine = len(decimals) > max(2, digits + 1) or bool(
            decimals[digits:].strip("0")
        )
        if not too_fine:
            found.append(int(whole + decimals[:digits].ljust(digits, "0")))
    if _separators(number) and (whole_number := _strip_grouping(number)):
        found.append(int(whole_number) * 10**digits)
    return found, too_fine


def _split_decimals(number: str) -> tuple[str, str] | None:
    """Split at the decimal separator; ``None`` if there is no valid one.

    The decimal separator occurs once, as the last separator.
    """
    marks = _separators(number)
    if not marks:
        return number, ""
    separator = marks[-1]
    if separator not in (".", ",", _ARABIC_DECIMAL) or marks.count(separator) > 1:
        return None
    before, _, decimals = number.rpartition(separator)
    whole = _strip_grouping(before)
    return None if whole is None else (whole or "0", decimals)


def _strip_grouping(number: str) -> str | None:
    """``"1,234,567"``, ``"12,34,567"`` → ``"1234567"``; ``None`` if grouping is
    invalid.

    Valid are groups of three, or groups of two before the last three, with one kind of
    separator.
    """
    marks = set(_separators(number))
    if not marks:
        return number
    if len(marks) > 1 or _ARABIC_DECIMAL in marks:
        return None
    first, *middle, last = number.split(marks.pop())
    width, widths = len(first.lstrip("0")), {len(group) for group in middle}
    threes = 1 <= width <= 3 and widths <= {3}
    twos = 1 <= width <= 2 and widths == {2}
    return (
        "".join((first, *middle, last)) if len(last) == 3 and (threes or twos) else None
    )


def _separators(number: str) -> str:
    return re.sub("[0-9]", "", number)
