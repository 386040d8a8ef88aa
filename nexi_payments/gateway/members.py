"""Reads one member of a gateway response, tolerantly.

Absent, ``null`` and "" mean the same. Wrong types and control characters count as
absent. Amounts are parsed strictly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from nexi_payments import money
from nexi_payments.pan_scanner import contains_card_number

#: Times without a zone are Central European local time, with daylight saving.
_ROME: Final = ZoneInfo("Europe/Rome")
_DIGITS: Final = re.compile(r"[0-9]{1,12}")


def text(value: Any) -> str:
    """Return text, or an integer as digits (ids came as both), else ""."""
    if isinstance(value, str):
        # a lone surrogate or a NUL would break the commit that stores the response
        word = value.strip()
        return word if word.isprintable() else ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def untrimmed(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""


def reference(value: Any) -> str:
    """Return a number that is stored and shown; a card number counts as absent."""
    number = text(value)
    return "" if contains_card_number(number) else number


def enum_value(value: Any) -> str:
    """Return an enum value in upper case, cut to the width of the column."""
    return text(value).upper()[:32]


def amount(value: Any) -> tuple[int | None, bool]:
    """Return minor units, and whether the value is present but invalid ("100.00")."""
    if value is None or value == "":
        return None, False
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, False) if 0 <= value <= money.MAX_MINOR else (None, True)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value), False
    return None, True


def moment(value: Any) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text(value))
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=_ROME)
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError):  # the year 1 has no UTC
        return None


def warning_codes(value: Any) -> tuple[str, ...]:
    """Return warning codes. An item may be an object or plain text."""
    found = []
    for item in value if isinstance(value, list) else []:
        code = item.get("code") if isinstance(item, Mapping) else item
        word = text(code)
        if word and not contains_card_number(word):
            found.append(word[:64])
    return tuple(found[:20])
