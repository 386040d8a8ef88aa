"""Captures, refunds and cancels.

The response says "accepted" only. A query of the new operation shows its result."""

from __future__ import annotations

from typing import Any

from nexi_payments.simulator import (
    back_office,
    idempotency,
    post_charge,
    post_charge_rules,
    request_schemas,
    responses,
    schema_validator,
)
from nexi_payments.simulator.post_charge_rules import Rule
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.schema_validator import RequestRejected
from nexi_payments.simulator.state import SimulatorState


def capture(state: SimulatorState, request: Request, operation_id: str) -> Reply:
    rule = post_charge_rules.capture_rule
    return _handle_idempotent(state, request, operation_id, "captures", rule)


def refund(state: SimulatorState, request: Request, operation_id: str) -> Reply:
    rule = post_charge_rules.refund_rule
    return _handle_idempotent(state, request, operation_id, "refunds", rule)


def cancel(state: SimulatorState, request: Request, operation_id: str) -> Reply:
    """Needs a key. It is unknown whether Nexi honours it: here it does not."""
    data = request.json()
    _require_key(request)
    schema_validator.validate_request(data, request_schemas.CANCEL)
    rule = post_charge_rules.cancel_rule
    with state.store.edit_operation(operation_id) as record:
        return _execute(state, record, operation_id, request, rule)


def _handle_idempotent(
    state: SimulatorState, request: Request, target: str, what: str, rule: Rule
) -> Reply:
    data, key = request.json(), request.idempotency_key
    _require_key(request)
    schema_validator.validate_request(data, request_schemas.POST_CHARGE_OPERATION)
    fingerprint = idempotency.fingerprint(target, what, data)
    with state.store.edit_operation(target) as record:
        earlier = idempotency.earlier_reply(state, key, fingerprint)
        if earlier is not None:
            return earlier
        reply = _execute(state, record, target, request, rule)
        if reply.status == 200:
            state.store.save_reply(key, fingerprint, reply.body, state.now())
    return reply


def _require_key(request: Request) -> None:
    if not request.idempotency_key:
        raise RequestRejected("PS0074", "missing Idempotency header")
    if len(request.idempotency_key) > idempotency.MAX_KEY_LENGTH:
        raise RequestRejected("PS0025", "idempotency key too long")


def _execute(
    state: SimulatorState,
    record: Record | None,
    target: str,
    request: Request,
    rule: Rule,
) -> Reply:
    """Add the operation, and what the back office makes at the same time.

    A rejection is a reply: an exception would undo the back office's operation."""
    if record is None:
        return Reply(404)
    data: Any = request.json()
    others = back_office.plan(state, record)
    if others.is_first:
        others.make(rule, target, data)
    try:
        one = post_charge.add(
            state, record, target, data, rule, key=request.idempotency_key
        )
        reply = responses.json_reply(
            {"operationId": one["id"], "operationTime": one["time"]}
        )
    except RequestRejected as rejection:
        reply = responses.error_reply(rejection.code, str(rejection))
    if others.is_second:
        others.make(rule, target, data)
    return reply
