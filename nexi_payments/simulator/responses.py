"""Responses as the real gateway sends them.

Currencies are numeric after init, times have no zone, absent members are null. Payments
have 18-digit ids; captures, refunds and cancels have UUIDs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nexi_payments.simulator import balances
from nexi_payments.simulator.records import Record

#: ISO 4217 numbers; a currency that is missing here keeps its alphabetic code.
_NUMERIC_CURRENCIES: Final = {
    **{"AUD": "036", "BHD": "048", "BRL": "986", "CAD": "124", "CHF": "756"},
    **{"CNY": "156", "CZK": "203", "DKK": "208", "EUR": "978", "GBP": "826"},
    **{"HKD": "344", "HUF": "348", "ISK": "352", "JOD": "400", "JPY": "392"},
    **{"KRW": "410", "KWD": "414", "MXN": "484", "NOK": "578", "NZD": "554"},
    **{"PLN": "985", "RON": "946", "RSD": "941", "SEK": "752", "SGD": "702"},
    **{"THB": "764", "TRY": "949", "UAH": "980", "USD": "840", "ZAR": "710"},
}

# Error code and text of a 400, for ``error_reply``.
CONTRACT_NOT_VALID: Final = ("PS0017", "contractId not valid")
ORDER_ID_USED: Final = ("PS0026", "invalid parameter orderId")
#: The catch-all of the real gateway.
INTERNAL_ERROR: Final = ("GW0001", "An internal error occurred")


@dataclass(frozen=True)
class Reply:
    """HTTP reply. ``fault`` is "cut" (processed, then the connection is cut) or
    "refused" (no connection). Adapter and server implement it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


def json_reply(body: Any, status: int = 200) -> Reply:
    return Reply(
        status, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )


def error_reply(code: str, description: str, status: int = 400) -> Reply:
    return json_reply({"errors": [{"code": code, "description": description}]}, status)


def operation(record: Record, *, numeric: bool = False) -> dict[str, Any]:
    """Return the AUTHORIZATION operation of a payment."""
    past_init = record["charged_at"] or record["result"] != "PENDING"
    currency = record["currency"]
    hosted = "method" in record
    detail = None if hosted or not record["charged_at"] else "SERVER_TO_SERVER"
    return {
        "orderId": record["order_id"],
        "operationId": record["operation_id"],
        "channel": "ECOMMERCE" if hosted else None,
        "channelDetail": detail,
        "operationType": "AUTHORIZATION",
        "operationResult": record["result"],
        "operationTime": record["time"],
        **_method(record),
        "paymentEndToEndId": record["operation_id"] if record["charged_at"] else None,
        "cancelledOperationId": None,
        "operationAmount": record["amount"],
        "operationCurrency": _NUMERIC_CURRENCIES.get(currency, currency)
        if numeric
        else currency,
        "customerInfo": None,
        "warnings": record.get("warnings", []) if past_init else [],
        "additionalData": _card_details(record),
    }


def _method(record: Record) -> dict[str, Any]:
    """Return how it was paid. No body of another method than cards is published."""
    is_card = bool(record["masked"])
    return {
        "paymentMethod": "CARD" if is_card else "APM",
        "paymentCircuit": record["brand"],
        "paymentInstrumentInfo": f"***{record['masked'][-4:]}" if is_card else None,
    }


def _card_details(record: Record) -> dict[str, str] | None:
    if not record["masked"]:
        return None
    more = {
        "maskedPan": record["masked"],
        "cardExpiryDate": f"20{record['expiry'][2:]}{record['expiry'][:2]}",
    }
    if record["code"]:
        more["authorizationStatus"] = record["code"]
    if record["code"] == "000":
        more["authorizationCode"] = record["operation_id"][-6:]
        more["rrn"] = record["operation_id"][-12:]
    return more


def post_charge_operation(record: Record, one: Record) -> dict[str, Any]:
    """Return a capture, refund or cancel.

    Its channel was seen as BACKOFFICE. Only a cancel names the operation it cancels."""
    return {
        "orderId": record["order_id"],
        "operationId": one["id"],
        "channel": "BACKOFFICE",
        "operationType": one["type"],
        "operationResult": one["result"],
        "operationTime": one["time"],
        **_method(record),
        "paymentEndToEndId": None,
        "cancelledOperationId": one["target"] if one["type"] == "CANCEL" else "",
        "operationAmount": one["amount"],
        "operationCurrency": record["currency"],
        "customerInfo": None,
        "warnings": [],
        "additionalData": None,
    }


def any_operation(record: Record, operation_id: str) -> dict[str, Any] | None:
    """Return the payment, capture, refund or cancel with this id, if it is shown."""
    for one in record["post_charge"]:
        if one["id"] == operation_id:
            return post_charge_operation(record, one)
    return operation(record) if operation_id == record["operation_id"] else None


def order_status(order: Record, payments: Sequence[Record]) -> dict[str, Any]:
    """Return an order's totals. A void sets both to 0, as recorded.

    ``order`` is a payment or a page. That a refund leaves ``capturedAmount`` unchanged
    is our interpretation; so is that several payments are added up."""
    last = payments[-1] if payments else None
    after = last["post_charge"][-1] if last and last["post_charge"] else None
    kind = after["type"] if after else "AUTHORIZATION"
    return {
        "order": {
            "orderId": order["order_id"],
            "amount": order["amount"],
            "currency": order["currency"],
            **_echo(order),
            "transactionSummary": [],
            "termsAndConditionsIds": [],
        },
        "authorizedAmount": _total([_authorized(one) for one in payments]),
        "capturedAmount": _total([_captured(one) for one in payments]),
        "lastOperationType": kind if last else None,
        "lastOperationTime": (after or last or {}).get("time"),
    }


def _echo(record: Record) -> dict[str, Any]:
    """What the order said of itself. That Nexi echoes it is not confirmed."""
    names = {"customerId": "customer_id", "customField": "custom_field"}
    names["description"] = "description"
    return {name: record[key] for name, key in names.items() if record.get(key)}


def _total(amounts: Sequence[str]) -> str:
    """Return the sum. One amount stays as it is: a test may have put in an odd one."""
    return amounts[0] if len(amounts) == 1 else str(sum(map(int, amounts)))


def _authorized(record: Record) -> str:
    held = record["result"] in balances.CHARGED and not balances.is_voided(record)
    return str(record["amount"]) if held else "0"


def _captured(record: Record) -> str:
    if record["result"] == "EXECUTED":
        return _authorized(record)
    held = _authorized(record) != "0"
    return str(balances.completed_total(record, "CAPTURE")) if held else "0"


def order(
    order: Record,
    shown: Sequence[Record],
    totals: Sequence[Record],
    links: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return an order. The payments in ``shown`` have the operations that are listed;
    the totals are those of ``totals``."""
    operations: list[dict[str, Any]] = []
    for one in shown:
        operations.append(operation(one))
        operations += [post_charge_operation(one, more) for more in one["post_charge"]]
    return {
        "orderStatus": order_status(order, totals),
        "operations": operations,
        "paymentLinks": list(links),
    }
