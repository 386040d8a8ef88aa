"""Redacts bodies: four digits of a card stay, and the first characters of secrets."""

from __future__ import annotations

import json
import re
from typing import Any, Final

#: Replaces what is hidden.
_MASK: Final = "•••"
#: Digits of a card number in any grouping; with colons it is a time.
_DIGIT_RUN: Final = re.compile(
    r"(?<!\d)\d(?:[^0-9A-Za-z:]{0,2}\d){12,}(?!\d)", re.ASCII
)
#: Members that hold ids, and the format of the gateway's ids, which look like card
#: numbers. Any other value in these members is redacted as text.
_ID_MEMBERS: Final = frozenset({"operationId", "paymentId", "transactionId", "orderId"})
_ID_PATTERN: Final = re.compile(
    r"\d{18}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII
)
#: Secrets of 3-D Secure: long, and usable while a payment is open.
_THREE_DS_MEMBERS: Final = frozenset(
    {"threeDSAuthRequest", "threeDSAuthResponse", "authenticationValue", "xid"}
)
#: Who has one of these can pay, come back as the shopper, or write a notification.
_SECRET_MEMBERS: Final = frozenset(
    {"securityToken", "hostedPage", "link", "resultUrl", "cancelUrl"}
    | {"notificationUrl"}
)
_MAX_LENGTH: Final = 120


def redacted_body(raw: bytes) -> Any:
    """Return a JSON body without cards: "" if empty, its size if it is not JSON."""
    if not raw:
        return ""
    try:
        body = json.loads(raw)
        return _redact(body, "", _card_number_in(body))
    except (ValueError, RecursionError):
        return f"({len(raw)} bytes, no JSON)"


def _card_number_in(body: Any) -> str:
    card = body.get("card") if isinstance(body, dict) else None
    number = card.get("pan") if isinstance(card, dict) else None
    return number if isinstance(number, str) else ""


def _redact(value: Any, name: str, number: str) -> Any:
    if name == "card":
        return _redact_card(value)
    if name in _SECRET_MEMBERS and isinstance(value, str | int | float):
        return _MASK if value else value
    if isinstance(value, dict):
        return {
            _redact_text(str(key), "", number): _redact(one, str(key), number)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_redact(one, name, number) for one in value]
    if isinstance(value, str):
        return _redact_text(value, name, number)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if _redact_text(str(value), "", number) == str(value) else _MASK
    return value


def _redact_card(value: Any) -> Any:
    if not isinstance(value, dict):
        return _MASK
    number = value.get("pan")
    last4 = number[-4:] if isinstance(number, str) and len(number) > 12 else ""
    shown = {"pan": f"•••• {last4}"} if re.fullmatch(r"\d{4}", last4, re.ASCII) else {}
    known = [name for name in ("pan", "expiryDate", "cvv") if name in value]
    return {**dict.fromkeys(known, _MASK), **shown}


def _redact_text(value: str, name: str, number: str) -> str:
    if number and number in value:
        return _MASK
    if name in _THREE_DS_MEMBERS:
        return f"{value[:6]}…" if len(value) > 12 else _MASK
    if name not in _ID_MEMBERS or not _ID_PATTERN.fullmatch(value):
        value = _DIGIT_RUN.sub(_MASK, value)
    return value if len(value) <= _MAX_LENGTH else f"{value[:_MAX_LENGTH]}…"
