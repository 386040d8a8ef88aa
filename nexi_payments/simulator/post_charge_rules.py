"""Nexi's rules for captures, refunds and cancels: what a request becomes.

A rule takes an order's record (from ``balances.as_of``), the id of the operation that
it is made on, the body of the request and today's date (Italian time).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nexi_payments.simulator import balances
from nexi_payments.simulator.balances import CHARGED
from nexi_payments.simulator.payment_methods import CARDS, Method, method_by_code
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.schema_validator import InvalidRequest, RequestRejected

#: Type, amount and outcome of a new operation.
NewOperation = tuple[str, str, str]
#: Raises ``RequestRejected``.
Rule = Callable[[Record, str, Any, str], NewOperation]

_ALREADY_VOIDED: Final = ("PS0028", "already voided")
_ALREADY_REFUNDED: Final = ("PS0027", "already refunded")


def capture_rule(record: Record, target: str, data: Any, day: str) -> NewOperation:
    """Capture in one or more parts, up to the authorized amount."""
    _require_allowed(record, "PS0034", _method(record).refundable)
    if target != record["operation_id"] or record["result"] not in CHARGED:
        raise InvalidRequest("PS0026", "operationId")
    if record["result"] == "EXECUTED":
        raise RequestRejected("PS0023", "already captured")
    if balances.total_including_pending(record, "REFUND", target):
        raise RequestRejected("PS0022", "already voided")
    amount = _parse_amount(record, data)
    left = int(record["amount"]) - balances.total_including_pending(
        record, "CAPTURE", target
    )
    if not left:
        raise RequestRejected("PS0023", "already captured")
    if amount > left:
        raise InvalidRequest("PS0026", "amount")
    return "CAPTURE", data["amount"], "EXECUTED"


def refund_rule(record: Record, target: str, data: Any, day: str) -> NewOperation:
    """Refund or void a payment or a capture.

    The whole amount of an authorization, or of a charge made today, is voided (VOIDED).
    Anything else is refunded (EXECUTED). So is all that no card is behind.
    """
    _require_allowed(record, "PS0033", _method(record).refundable)
    amount = _parse_amount(record, data)
    taken = balances.total_including_pending(record, "REFUND", target)
    if target == record["operation_id"]:
        if record["result"] not in CHARGED:
            raise InvalidRequest("PS0026", "operationId")
        held = record["result"] == "AUTHORIZED"
        if held and balances.total_including_pending(record, "CAPTURE", target):
            # what was captured is refunded on the capture
            raise InvalidRequest("PS0026", "operationId")
        whole = int(record["amount"])
        if taken == whole:
            raise RequestRejected(*_ALREADY_VOIDED if held else _ALREADY_REFUNDED)
        if amount > whole - taken or (held and amount < whole):
            raise RequestRejected("PS0029", "more than was captured")
        charged_today = record["time"].startswith(day)
        is_card = bool(record["masked"]) or _method(record).is_wallet
        release = amount == whole and (held or (charged_today and is_card))
        return "REFUND", data["amount"], "VOIDED" if release else "EXECUTED"
    capture = _uncancelled_operation(record, target)
    if capture["type"] != "CAPTURE" or capture["result"] != "EXECUTED":
        raise InvalidRequest("PS0026", "operationId")
    if taken == int(capture["amount"]):
        raise RequestRejected(*_ALREADY_REFUNDED)
    if amount > int(capture["amount"]) - taken:
        raise RequestRejected("PS0029", "more than was captured")
    return "REFUND", data["amount"], "EXECUTED"


def cancel_rule(record: Record, target: str, data: Any, day: str) -> NewOperation:
    """Cancel a whole capture or refund on the day it was made."""
    _require_allowed(record, "PS0001", _method(record).cancellable)
    one = _uncancelled_operation(record, target)
    if one["result"] != "EXECUTED":  # a void cannot be cancelled
        raise InvalidRequest("PS0026", "operationId")
    if balances.total_including_pending(record, "REFUND", target):
        raise RequestRejected("PS0027", "already refunded")
    if one["day"] != day:
        raise RequestRejected("PS0002", "only on the day of the operation")
    return "CANCEL", one["amount"], "EXECUTED"


def _method(record: Record) -> Method:
    """The method of a payment; without one it is by card."""
    return method_by_code(record.get("method", CARDS))


def _require_allowed(record: Record, code: str, allowed: bool) -> None:
    """MyBank and PagoinConto give nothing back, PayPal cancels nothing. The codes are
    documented for PayPal; those for the others are not published."""
    if not allowed:
        raise RequestRejected(code, f"not possible with {record['brand']}")


def _parse_amount(record: Record, data: Any) -> int:
    if data["currency"] != record["currency"]:
        raise RequestRejected("PS0009", "currency not valid")
    if not int(data["amount"]):
        raise InvalidRequest("PS0026", "amount")
    return int(data["amount"])


def _uncancelled_operation(record: Record, target: str) -> Record:
    """Return a capture or refund that was not cancelled."""
    for one in balances.uncancelled(record):
        if one["id"] == target:
            return one
    if any(one["id"] == target for one in record["post_charge"]):
        raise RequestRejected(*_ALREADY_VOIDED)
    raise InvalidRequest("PS0026", "operationId")
