"""Read-only calls: orders, operations, payment methods.

404 has no body, in all sources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nexi_payments.simulator import balances, responses
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.state import SimulatorState


def order(state: SimulatorState, request: Request, order_id: str) -> Reply:
    record = state.store.find_by_order(order_id)
    if record is None:
        return Reply(404)
    return responses.json_reply(responses.order(balances.as_of(record, state.now())))


def operation(state: SimulatorState, request: Request, operation_id: str) -> Reply:
    record = state.store.find_by_operation(operation_id)
    if record is None:
        return Reply(404)
    aged = balances.as_of(record, state.now())
    return responses.json_reply(responses.any_operation(aged, operation_id))


def orders(state: SimulatorState, request: Request) -> Reply:
    """List orders, newest first. Defaults: the last 30 days, 20 rows."""
    now, query = state.now(), request.query_parameters()
    since = _parse_time(query.get("fromTime"), now - timedelta(days=30))
    until = _parse_time(query.get("toTime"), now)
    limit = query.get("maxRecords", "20")
    if since is None or until is None:
        return responses.error_reply("PS0008", "a date is not in ISO 8601 format")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= 500):
        return responses.error_reply("PS0026", "invalid parameter maxRecords")
    rows = state.store.created_between(since.isoformat(), until.isoformat())
    wanted = query.get("orderId")
    found = [row for row in rows if wanted in (None, row["order_id"])]
    statuses = [
        responses.order_status(balances.as_of(row, now)) for row in found[: int(limit)]
    ]
    return responses.json_reply({"orders": statuses})


def payment_methods(state: SimulatorState, request: Request) -> Reply:
    methods = [
        {
            "methodType": "CARD",
            "circuit": circuit,
            "imageLink": None,
            "recurringSupported": True,
            "oneClickSupported": False,
        }
        for circuit in ("VISA", "MC", "MAESTRO", "AMEX")
    ]
    return responses.json_reply({"paymentMethods": methods})


def _parse_time(text: str | None, default: datetime) -> datetime | None:
    """Return the time in UTC. Without a zone it is taken as UTC."""
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
