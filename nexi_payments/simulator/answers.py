"""Answers with the habits of the real gateway: numeric currencies after init, times
without a zone, nulls, 18-digit ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from nexi_payments.simulator.store import Record

_ROME: Final = ZoneInfo("Europe/Rome")
_NUMBERS: Final = {"EUR": "978", "USD": "840", "GBP": "826", "CHF": "756", "JPY": "392"}


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


def local_time(moment: datetime) -> str:
    """Central European local time without a zone, as recorded."""
    return moment.astimezone(_ROME).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def operation(record: Record, *, numeric: bool = False) -> dict[str, Any]:
    """The AUTHORIZATION operation of an order."""
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
        "warnings": [],
        "additionalData": more,
    }


def order_status(record: Record) -> dict[str, Any]:
    held = record["result"] in {"AUTHORIZED", "EXECUTED"}
    booked = record["result"] == "EXECUTED"
    return {
        "order": {
            "orderId": record["order_id"],
            "amount": record["amount"],
            "currency": record["currency"],
            "transactionSummary": [],
            "termsAndConditionsIds": [],
        },
        "authorizedAmount": record["amount"] if held else "0",
        "capturedAmount": record["amount"] if booked else "0",
        "lastOperationType": "AUTHORIZATION",
        "lastOperationTime": record["time"],
    }


def order(record: Record) -> dict[str, Any]:
    return {
        "orderStatus": order_status(record),
        "operations": [operation(record)],
        "paymentLinks": [],
    }
