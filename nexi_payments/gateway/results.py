"""Answers, read tolerantly into frozen dataclasses.

Absent, ``null`` and "" mean the same; unknown members are ignored, unknown words kept
as they came (upper-cased), wrong types and control characters read as absent. What
matters for money is parsed strictly: an amount is digits or an integer, or it is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from nexi_payments import money
from nexi_payments.card import holds_card_number

#: Times without a zone are Central European local time, daylight saving included.
_ROME: Final = ZoneInfo("Europe/Rome")
_DIGITS: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Greeting:
    """The circuits of a terminal, and its gateway's clock where it is readable."""

    methods: tuple[str, ...]
    clock: datetime | None = None


@dataclass(frozen=True)
class OperationResult:
    """Nexi's view of one operation. Amount in minor units; ``None`` = absent.

    ``unreadable`` names members that were there and made no sense. ``cid`` is Nexi's
    trace id of the answer, where the answer is the operation's own.
    """

    order_id: str = ""
    operation_id: str = ""
    type: str = ""
    result: str = ""
    amount: int | None = None
    currency: str = ""
    time: datetime | None = None
    circuit: str = ""
    channel: str = ""
    response_code: str = ""
    authorization_code: str = ""
    rrn: str = ""
    #: of a cancel: the operation that it rolls back
    cancelled: str = ""
    warnings: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    cid: str = ""


@dataclass(frozen=True)
class InitResult:
    operation: OperationResult
    auth_url: str = ""
    auth_request: str = ""
    enrollment: str = ""


@dataclass(frozen=True)
class ValidationResult:
    operation: OperationResult
    value: str = ""
    eci: str = ""
    xid: str = ""
    status: str = ""


@dataclass(frozen=True)
class ContractResult:
    """A card on file as Nexi lists it; ``instrument`` is like "***4549"."""

    contract_id: str
    type: str = ""
    expires: str = ""
    frequency: str = ""
    circuit: str = ""
    instrument: str = ""


@dataclass(frozen=True)
class OrderResult:
    """``GET /orders/{orderId}``: totals in minor units and every operation."""

    order_id: str = ""
    amount: int | None = None
    currency: str = ""
    authorized: int | None = None
    captured: int | None = None
    operations: tuple[OperationResult, ...] = ()
    readable: bool = True


def operation(body: Any, cid: str = "") -> OperationResult:
    """Reads one operation object; anything else gives an empty one."""
    if not isinstance(body, Mapping):
        return OperationResult(cid=cid)
    more = body.get("additionalData")
    more = more if isinstance(more, Mapping) else {}
    amount, odd = _amount(body.get("operationAmount"))
    return OperationResult(
        order_id=_text(body.get("orderId")),
        operation_id=_text(body.get("operationId")),
        type=_word(body.get("operationType")),
        result=_word(body.get("operationResult")),
        amount=amount,
        currency=money.alphabetic(_text(body.get("operationCurrency"))),
        time=_time(body.get("operationTime")),
        circuit=_word(body.get("paymentCircuit")),
        channel=_word(body.get("channel")),
        response_code=_text(more.get("authorizationStatus"))[:8],
        authorization_code=_text(more.get("authorizationCode"))[:16],
        rrn=_text(more.get("rrn"))[:32],
        cancelled=_text(body.get("cancelledOperationId"))[:64],
        warnings=_warnings(body.get("warnings")),
        unreadable=("amount",) if odd else (),
        cid=cid,
    )


def init(body: Any, cid: str = "") -> InitResult:
    body = body if isinstance(body, Mapping) else {}
    return InitResult(
        operation=operation(body.get("operation"), cid),
        # not stripped: a URL with spaces around it is not a URL we follow
        auth_url=_raw(body.get("threeDSAuthUrl")),
        auth_request=_raw(body.get("threeDSAuthRequest")),
        enrollment=_word(body.get("threeDSEnrollmentStatus")),
    )


def validation(body: Any, cid: str = "") -> ValidationResult:
    body = body if isinstance(body, Mapping) else {}
    result = body.get("threeDSAuthResult")
    result = result if isinstance(result, Mapping) else {}
    return ValidationResult(
        operation=operation(body.get("operation"), cid),
        value=_text(result.get("authenticationValue")),
        eci=_text(result.get("eci"))[:2],
        xid=_text(result.get("xid")),
        status=_word(result.get("status")),
    )


def payment(body: Any, cid: str = "") -> OperationResult:
    return operation(body.get("operation") if isinstance(body, Mapping) else None, cid)


def accepted(body: Any) -> str:
    """The id of a capture, refund or cancel that Nexi has taken on, or ""."""
    return _text(body.get("operationId") if isinstance(body, Mapping) else None)[:64]


def order(body: Any) -> OrderResult:
    """``readable`` is False when the operations are not a list of objects."""
    if not isinstance(body, Mapping):
        return OrderResult(readable=False)
    status = body.get("orderStatus")
    status = status if isinstance(status, Mapping) else {}
    echo = status.get("order")
    echo = echo if isinstance(echo, Mapping) else {}
    listed = body.get("operations")
    listed = [] if listed is None else listed
    readable = isinstance(listed, list) and all(isinstance(o, Mapping) for o in listed)
    return OrderResult(
        order_id=_text(echo.get("orderId")),
        amount=_amount(echo.get("amount"))[0],
        currency=money.alphabetic(_text(echo.get("currency"))),
        authorized=_amount(status.get("authorizedAmount"))[0],
        captured=_amount(status.get("capturedAmount"))[0],
        operations=tuple(operation(item) for item in listed) if readable else (),
        readable=readable,
    )


def contracts(body: Any) -> tuple[ContractResult, ...] | None:
    """``GET /contracts/customers/{id}``; ``None`` when there is no list."""
    listed = body.get("contracts") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        return None
    return tuple(
        ContractResult(
            contract_id=_text(item.get("contractId"))[:255],
            type=_word(item.get("contractType")),
            expires=_text(item.get("contractExpiryDate"))[:32],
            frequency=_text(item.get("contractFrequency"))[:8],
            circuit=_word(item.get("paymentCircuit")),
            instrument=_text(item.get("paymentInstrumentInfo"))[:32],
        )
        for item in listed
        if isinstance(item, Mapping)
    )


def greeting(body: Any, date: str) -> Greeting | None:
    """``GET /payment_methods`` and the header ``Date``; ``None`` without a list."""
    listed = body.get("paymentMethods") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        return None
    names = (_text(item.get("circuit")) for item in listed if isinstance(item, dict))
    return Greeting(tuple(name[:32] for name in names if name), _moment(date))


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _raw(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""


def _text(value: Any) -> str:
    """Text as it is, integers in digits (ids have been seen as both), else ""."""
    if isinstance(value, str):
        # half a surrogate pair or a NUL would break the commit that records the answer
        word = value.strip()
        return word if word.isprintable() else ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def _word(value: Any) -> str:
    """One of Nexi's words, upper-cased; cut so that a wild one fits a column."""
    return _text(value).upper()[:32]


def _amount(value: Any) -> tuple[int | None, bool]:
    """Minor units, and whether something was there that is no amount ("100.00")."""
    if value is None or value == "":
        return None, False
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, False) if 0 <= value <= money.MAX_MINOR else (None, True)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value), False
    return None, True


def _time(value: Any) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(_text(value))
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=_ROME)
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError):  # the year 1 has no UTC
        return None


def _warnings(value: Any) -> tuple[str, ...]:
    """Codes of the warnings; an item may be an object or plain text."""
    found = []
    for item in value if isinstance(value, list) else []:
        code = item.get("code") if isinstance(item, Mapping) else item
        text = _text(code)
        if text and not holds_card_number(text):
            found.append(text[:64])
    return tuple(found[:20])
