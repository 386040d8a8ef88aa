"""Captures, refunds and cancels.

The response says "accepted" only. A query of the new operation shows its result."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from nexi_payments.simulator import (
    balances,
    idempotency,
    local_time,
    request_schemas,
    responses,
    schema_validator,
)
from nexi_payments.simulator.balances import CHARGED
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.schema_validator import InvalidRequest, RequestRejected
from nexi_payments.simulator.state import SimulatorState

#: Type, amount and outcome of a new operation.
NewOperation = tuple[str, str, str]
#: Takes the record, the target's id, the request's body and today's date.
Rule = Callable[[Record, str, Any, str], NewOperation]

_ALREADY_VOIDED: Final = ("PS0028", "already voided")
_ALREADY_REFUNDED: Final = ("PS0027", "already refunded")


def capture(state: SimulatorState, request: Request, operation_id: str) -> Reply:
    return _handle_idempotent(state, request, operation_id, "captures", _capture_rule)


def refund(state: SimulatorState, request: Request, operation_id: str) -> Reply:
    return _handle_idempotent(state, request, operation_id, "refunds", _refund_rule)


def cancel(state: SimulatorState, request: Request, operation_id: str) -> Reply:
    """Needs a key. It is unknown whether Nexi honours it: here it does not."""
    data = request.json()
    _require_key(request)
    schema_validator.validate(data, request_schemas.CANCEL)
    with state.store.edit_operation(operation_id) as record:
        return _append_operation(state, record, operation_id, data, _cancel_rule)


def _handle_idempotent(
    state: SimulatorState, request: Request, target: str, what: str, rule: Rule
) -> Reply:
    data, key = request.json(), request.idempotency_key
    _require_key(request)
    schema_validator.validate(data, request_schemas.POST_CHARGE_OPERATION)
    fingerprint = idempotency.fingerprint(target, what, data)
    with state.store.edit_operation(target) as record:
        earlier = idempotency.earlier_reply(state.store, key, fingerprint)
        if earlier is not None:
            return earlier
        reply = _append_operation(state, record, target, data, rule)
        if reply.status == 200:
            state.store.save_reply(key, fingerprint, reply.body)
    return reply


def _require_key(request: Request) -> None:
    if not request.idempotency_key:
        raise RequestRejected("PS0074", "missing Idempotency header")
    if len(request.idempotency_key) > idempotency.MAX_KEY_LENGTH:
        raise RequestRejected("PS0025", "idempotency key too long")


def _append_operation(
    state: SimulatorState, record: Record | None, target: str, data: Any, rule: Rule
) -> Reply:
    if record is None:
        return Reply(404)
    now = state.now()
    day = local_time.format_date(now)
    kind, amount, outcome = rule(balances.as_of(record, now), target, data, day)
    slow = kind == "REFUND" and record["ending"] == "refund_pending"
    wait = timedelta(seconds=state.pending_seconds if slow else 0)
    one = {
        "id": str(uuid.uuid4()),
        "type": kind,
        "target": target,
        "amount": amount,
        "outcome": outcome,
        "settles_at": (now + wait).isoformat(),
        "day": day,
        "time": local_time.format_time(now),
    }
    record.setdefault("post_charge", []).append(one)
    return responses.json_reply(
        {"operationId": one["id"], "operationTime": one["time"]}
    )


def _capture_rule(record: Record, target: str, data: Any, day: str) -> NewOperation:
    """Capture in one or more parts, up to the authorized amount."""
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


def _refund_rule(record: Record, target: str, data: Any, day: str) -> NewOperation:
    """Refund or void a payment or a capture.

    The whole amount of an authorization, or of a charge made today, is voided (VOIDED).
    Anything else is refunded (EXECUTED).
    """
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
        release = amount == whole and (held or charged_today)
        return "REFUND", data["amount"], "VOIDED" if release else "EXECUTED"
    capture = _uncancelled_operation(record, target)
    if capture["type"] != "CAPTURE":
        raise InvalidRequest("PS0026", "operationId")
    if taken == int(capture["amount"]):
        raise RequestRejected(*_ALREADY_REFUNDED)
    if amount > int(capture["amount"]) - taken:
        raise RequestRejected("PS0029", "more than was captured")
    return "REFUND", data["amount"], "EXECUTED"


def _cancel_rule(record: Record, target: str, data: Any, day: str) -> NewOperation:
    """Cancel a whole capture or refund on the day it was made."""
    one = _uncancelled_operation(record, target)
    if one["result"] != "EXECUTED":  # a void cannot be cancelled
        raise InvalidRequest("PS0026", "operationId")
    if balances.total_including_pending(record, "REFUND", target):
        raise RequestRejected("PS0027", "already refunded")
    if one["day"] != day:
        raise RequestRejected("PS0002", "only on the day of the operation")
    return "CANCEL", one["amount"], "EXECUTED"


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
