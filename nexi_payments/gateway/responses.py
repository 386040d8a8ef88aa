"""Gateway responses, parsed tolerantly into frozen dataclasses.

Absent, ``null`` and "" mean the same. Unknown members are ignored. Unknown enum values
are kept, in upper case. Wrong types and control characters count as absent. Amounts are
parsed strictly: digits or an integer, anything else is invalid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from nexi_payments import money
from nexi_payments.pan_scanner import contains_card_number

#: Times without a zone are Central European local time, with daylight saving.
_ROME: Final = ZoneInfo("Europe/Rome")
_DIGITS: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Ping:
    """Card brands of a terminal, and the gateway's clock if it could be parsed."""

    methods: tuple[str, ...]
    server_time: datetime | None = None


@dataclass(frozen=True)
class OperationResult:
    """Nexi's view of one operation. Amount in minor units; ``None`` means absent.

    ``invalid_members`` names members that were present but could not be parsed. ``cid``
    is Nexi's trace id, if the response is about this operation alone.
    """

    order_id: str = ""
    operation_id: str = ""
    type: str = ""
    result: str = ""
    amount: int | None = None
    currency: str = ""
    time: datetime | None = None
    brand: str = ""
    channel: str = ""
    response_code: str = ""
    authorization_code: str = ""
    rrn: str = ""
    #: of a cancel: the operation that it cancels
    cancelled_operation_id: str = ""
    warnings: tuple[str, ...] = ()
    invalid_members: tuple[str, ...] = ()
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
    """A saved card as Nexi lists it; ``instrument`` is like "***4549"."""

    contract_id: str
    type: str = ""
    expires: str = ""
    frequency: str = ""
    brand: str = ""
    instrument: str = ""


@dataclass(frozen=True)
class OrderResult:
    """``GET /orders/{orderId}``: totals in minor units and every operation.

    ``GET /orders`` lists the same without operations. That Nexi echoes what we sent
    about the customer, and ``customField``, is not confirmed.
    """

    order_id: str = ""
    amount: int | None = None
    currency: str = ""
    authorized: int | None = None
    captured: int | None = None
    last_type: str = ""
    last_time: datetime | None = None
    reference: str = ""
    description: str = ""
    customer_id: str = ""
    customer_name: str = field(default="", repr=False)
    customer_email: str = field(default="", repr=False)
    operations: tuple[OperationResult, ...] = ()
    readable: bool = True


def parse_operation(body: Any, cid: str = "") -> OperationResult:
    """Parse one operation object; anything else gives an empty result."""
    if not isinstance(body, Mapping):
        return OperationResult(cid=cid)
    more = body.get("additionalData")
    more = more if isinstance(more, Mapping) else {}
    amount, odd = _amount(body.get("operationAmount"))
    return OperationResult(
        order_id=_text(body.get("orderId")),
        operation_id=_text(body.get("operationId")),
        type=_enum_value(body.get("operationType")),
        result=_enum_value(body.get("operationResult")),
        amount=amount,
        currency=money.alphabetic_code(_text(body.get("operationCurrency"))),
        time=_time(body.get("operationTime")),
        brand=_enum_value(body.get("paymentCircuit")),
        channel=_enum_value(body.get("channel")),
        response_code=_text(more.get("authorizationStatus"))[:8],
        authorization_code=_reference(more.get("authorizationCode"))[:16],
        rrn=_reference(more.get("rrn"))[:32],
        cancelled_operation_id=_text(body.get("cancelledOperationId"))[:64],
        warnings=_warnings(body.get("warnings")),
        invalid_members=("amount",) if odd else (),
        cid=cid,
    )


def parse_init(body: Any, cid: str = "") -> InitResult:
    body = body if isinstance(body, Mapping) else {}
    return InitResult(
        operation=parse_operation(body.get("operation"), cid),
        # not stripped: a URL with spaces around it is not followed
        auth_url=_untrimmed(body.get("threeDSAuthUrl")),
        auth_request=_untrimmed(body.get("threeDSAuthRequest")),
        enrollment=_enum_value(body.get("threeDSEnrollmentStatus")),
    )


def parse_validation(body: Any, cid: str = "") -> ValidationResult:
    body = body if isinstance(body, Mapping) else {}
    result = body.get("threeDSAuthResult")
    result = result if isinstance(result, Mapping) else {}
    return ValidationResult(
        operation=parse_operation(body.get("operation"), cid),
        value=_text(result.get("authenticationValue")),
        eci=_text(result.get("eci"))[:2],
        xid=_text(result.get("xid")),
        status=_enum_value(result.get("status")),
    )


def parse_payment(body: Any, cid: str = "") -> OperationResult:
    return parse_operation(
        body.get("operation") if isinstance(body, Mapping) else None, cid
    )


def parse_accepted(body: Any) -> str:
    """Return the id of an accepted capture, refund or cancel, or ""."""
    return _text(body.get("operationId") if isinstance(body, Mapping) else None)[:64]


def parse_order(body: Any) -> OrderResult:
    """Parse an order. ``readable`` is False if operations is no list of objects."""
    if not isinstance(body, Mapping):
        return OrderResult(readable=False)
    status = body.get("orderStatus")
    status = status if isinstance(status, Mapping) else {}
    echo = status.get("order")
    echo = echo if isinstance(echo, Mapping) else {}
    customer = echo.get("customerInfo")
    customer = customer if isinstance(customer, Mapping) else {}
    listed = body.get("operations")
    listed = [] if listed is None else listed
    readable = isinstance(listed, list) and all(isinstance(o, Mapping) for o in listed)
    return OrderResult(
        order_id=_text(echo.get("orderId")),
        amount=_amount(echo.get("amount"))[0],
        currency=money.alphabetic_code(_text(echo.get("currency"))),
        authorized=_amount(status.get("authorizedAmount"))[0],
        captured=_amount(status.get("capturedAmount"))[0],
        last_type=_enum_value(status.get("lastOperationType")),
        last_time=_time(status.get("lastOperationTime")),
        reference=_reference(echo.get("customField"))[:255],
        description=_reference(echo.get("description"))[:255],
        customer_id=_text(echo.get("customerId"))[:27],
        customer_name=_reference(customer.get("cardHolderName"))[:255],
        customer_email=_reference(customer.get("cardHolderEmail"))[:254],
        operations=tuple(parse_operation(item) for item in listed) if readable else (),
        readable=readable,
    )


def parse_contracts(body: Any) -> tuple[ContractResult, ...] | None:
    """Parse ``GET /contracts/customers/{id}``; ``None`` without a list."""
    listed = body.get("contracts") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        return None
    return tuple(
        ContractResult(
            contract_id=_text(item.get("contractId"))[:255],
            type=_enum_value(item.get("contractType")),
            expires=_text(item.get("contractExpiryDate"))[:32],
            frequency=_text(item.get("contractFrequency"))[:8],
            brand=_enum_value(item.get("paymentCircuit")),
            instrument=_text(item.get("paymentInstrumentInfo"))[:32],
        )
        for item in listed
        if isinstance(item, Mapping)
    )


def parse_ping(body: Any, date: str) -> Ping | None:
    """Parse ``GET /payment_methods`` and ``Date``; ``None`` without a list."""
    listed = body.get("paymentMethods") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        return None
    names = (_text(item.get("circuit")) for item in listed if isinstance(item, dict))
    return Ping(tuple(name[:32] for name in names if name), _http_date(date))


def _http_date(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _untrimmed(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""


def _text(value: Any) -> str:
    """Return text, or an integer as digits (ids came as both), else ""."""
    if isinstance(value, str):
        # a lone surrogate or a NUL would break the commit that stores the response
        word = value.strip()
        return word if word.isprintable() else ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


def _reference(value: Any) -> str:
    """Return a number that is stored and shown; a card number counts as absent."""
    text = _text(value)
    return "" if contains_card_number(text) else text


def _enum_value(value: Any) -> str:
    """Return an enum value in upper case, cut to the width of the column."""
    return _text(value).upper()[:32]


def _amount(value: Any) -> tuple[int | None, bool]:
    """Return minor units, and whether the value is present but invalid ("100.00")."""
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
    """Return warning codes. An item may be an object or plain text."""
    found = []
    for item in value if isinstance(value, list) else []:
        code = item.get("code") if isinstance(item, Mapping) else item
        text = _text(code)
        if text and not contains_card_number(text):
            found.append(text[:64])
    return tuple(found[:20])
