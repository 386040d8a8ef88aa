"""Bodies as they may be shown: four digits of a card, of secrets a beginning."""

from __future__ import annotations

import json
import re
from typing import Any, Final

#: What a person may see of each member of ``card``; the rest is covered.
_COVERED: Final = "•••"
#: Digits of a card number, however they are grouped; with colons it is a time.
_RUN: Final = re.compile(r"(?<!\d)\d(?:[^0-9A-Za-z:]{0,2}\d){12,}(?!\d)", re.ASCII)
#: Where ids stand, and those of the gateway that look like the digits of a card. What
#: else somebody has put there is no id.
_IDS: Final = frozenset({"operationId", "paymentId", "transactionId", "orderId"})
_ID: Final = re.compile(r"\d{18}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
#: Proofs of 3-D Secure: long, and worth something while a payment is on.
_PROOFS: Final = frozenset(
    {"threeDSAuthRequest", "threeDSAuthResponse", "authenticationValue", "xid"}
)
_LONGEST: Final = 120


def scrubbed(raw: bytes) -> Any:
    """A JSON body without cards; "" for none, a word about what is no JSON."""
    if not raw:
        return ""
    try:
        body = json.loads(raw)
        return _clean(body, "", _number_in(body))
    except (ValueError, RecursionError):
        return f"({len(raw)} bytes, no JSON)"


def _number_in(body: Any) -> str:
    card = body.get("card") if isinstance(body, dict) else None
    number = card.get("pan") if isinstance(card, dict) else None
    return number if isinstance(number, str) else ""


def _clean(value: Any, name: str, number: str) -> Any:
    if name == "card":
        return _card(value)
    if isinstance(value, dict):
        return {
            _text(str(key), "", number): _clean(one, str(key), number)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_clean(one, name, number) for one in value]
    if isinstance(value, str):
        return _text(value, name, number)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if _text(str(value), "", number) == str(value) else _COVERED
    return value


def _card(value: Any) -> Any:
    if not isinstance(value, dict):
        return _COVERED
    number = value.get("pan")
    last4 = number[-4:] if isinstance(number, str) and len(number) > 12 else ""
    shown = {"pan": f"•••• {last4}"} if re.fullmatch(r"\d{4}", last4, re.ASCII) else {}
    known = [name for name in ("pan", "expiryDate", "cvv") if name in value]
    return {**dict.fromkeys(known, _COVERED), **shown}


def _text(value: str, name: str, number: str) -> str:
    if number and number in value:
        return _COVERED
    if name in _PROOFS:
        return f"{value[:6]}…" if len(value) > 12 else _COVERED
    if name not in _IDS or not _ID.fullmatch(value):
        value = _RUN.sub(_COVERED, value)
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
