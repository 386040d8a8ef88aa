"""Answers with the habits of the real gateway: numeric currencies after init, times
without a zone, nulls, 18-digit ids for payments and UUIDs for what comes after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from nexi_payments.simulator import ledger
from nexi_payments.simulator.ledger import Record

_ROME: Final = ZoneInfo("Europe/Rome")

#: ISO 4217 numbers; a currency that is missing here is answered by its letters.
_NUMBERS: Final = {
    **{"AUD": "036", "BHD": "048", "BRL": "986", "CAD": "124", "CHF": "756"},
    **{"CNY": "156", "CZK": "203", "DKK": "208", "EUR": "978", "GBP": "826"},
    **{"HKD": "344", "HUF": "348", "ISK": "352", "JOD": "400", "JPY": "392"},
    **{"KRW": "410", "KWD": "414", "MXN": "484", "NOK": "578", "NZD": "554"},
    **{"PLN": "985", "RON": "946", "RSD": "941", "SEK": "752", "SGD": "702"},
    **{"THB": "764", "TRY": "949", "UAH": "980", "USD": "840", "ZAR": "710"},
}


@dataclass(frozen=True)
class Reply:
    """``fault`` is "cut" (processed, then the connection dies) or "refused" (no
    connection at all); the adapter and the server act it out."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


def as_json(body: Any, status: int = 200) -> Reply:
    return Reply(
        status, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )


def error(code: str, description: str, status: int = 400) -> Reply:
    return as_json({"errors": [{"code": code, "description": description}]}, status)


def local(moment: datetime) -> datetime:
    return moment.astimezone(_ROME)


def local_time(moment: datetime) -> str:
    """Central European local time without a zone, as recorded."""
    return local(moment).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def operation(record: Record, *, numeric: bool = False) -> dict[str, Any]:
    """The AUTHORIZATION operation of an order."""
    past_init = record["charged_at"] or record["result"] != "PENDING"
    currency = record["currency"]
    more = {
        "maskedPan": record["masked"],
        "cardExpiryDate": f"20{record['expiry'][2:]}{record['expiry'][:2]}",
    }
    if record["code"]:
        more["authorizationStatus"] = record["code"]
    if record["code"] == "000":
        more["authorizationCode"] = record["operation_id"][-6:]
        more["rrn"] = record["operation_id"][-12:]
    return {
        "orderId": record["order_id"],
        "operationId": record["operation_id"],
        "channel": None,
        "channelDetail": "SERVER_TO_SERVER" if record["charged_at"] else None,
        "operationType": "AUTHORIZATION",
        "operationResult": record["result"],
        "operationTime": record["time"],
        "paymentMethod": "CARD",
        "paymentCircuit": record["brand"],
        "paymentInstrumentInfo": f"***{record['masked'][-4:]}",
        "paymentEndToEndId": record["operation_id"] if record["charged_at"] else None,
        "cancelledOperationId": None,
        "operationAmount": record["amount"],
        "operationCurrency": _NUMBERS.get(currency, currency) if numeric else currency,
        "customerInfo": None,
        "warnings": record.get("warnings", []) if past_init else [],
        "additionalData": more,
    }


def later(record: Record, one: Record) -> dict[str, Any]:
    """A capture, refund or cancel. The channel of what came after a payment was seen as
    BACKOFFICE; only a cancel names the operation it rolls back."""
    return {
        "orderId": record["order_id"],
        "operationId": one["id"],
        "channel": "BACKOFFICE",
        "operationType": one["type"],
        "operationResult": one["result"],
        "operationTime": one["time"],
        "paymentMethod": "CARD",
        "paymentCircuit": record["brand"],
        "paymentInstrumentInfo": f"***{record['masked'][-4:]}",
        "paymentEndToEndId": None,
        "cancelledOperationId": one["of"] if one["type"] == "CANCEL" else "",
        "operationAmount": one["amount"],
        "operationCurrency": record["currency"],
        "customerInfo": None,
        "warnings": [],
        "additionalData": None,
    }


def any_operation(record: Record, operation_id: str) -> dict[str, Any]:
    for one in record["later"]:
        if one["id"] == operation_id:
            return later(record, one)
    return operation(record)


def order_status(record: Record) -> dict[str, Any]:
    """A release sets both totals to 0, as recorded; that a refund leaves
    ``capturedAmount`` as it was is our reading."""
    voided = ledger.voided(record)
    held = record["result"] in ledger.CHARGED and not voided
    booked = record["result"] == "EXECUTED"
    captured = record["amount"] if booked else str(ledger.done(record, "CAPTURE"))
    last = record["later"][-1] if record["later"] else None
    return {
        "order": {
            "orderId": record["order_id"],
            "amount": record["amount"],
            "currency": record["currency"],
            "transactionSummary": [],
            "termsAndConditionsIds": [],
        },
        "authorizedAmount": record["amount"] if held else "0",
        "capturedAmount": captured if held else "0",
        "lastOperationType": last["type"] if last else "AUTHORIZATION",
        "lastOperationTime": last["time"] if last else record["time"],
    }


def order(record: Record) -> dict[str, Any]:
    return {
        "orderStatus": order_status(record),
        "operations": [
            operation(record),
            *(later(record, one) for one in record["later"]),
        ],
        "paymentLinks": [],
    }
