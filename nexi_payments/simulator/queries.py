"""Read-only calls: orders, operations, payment methods.

404 has no body, in all sources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nexi_payments.simulator import balances, responses
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.state import SimulatorState
from nexi_payments.simulator.worlds import Ahead


def order(state: SimulatorState, request: Request, order_id: str) -> Reply:
    record = state.store.find_by_order(order_id)
    totals = _totals(state, record) if record else None
    if record is None or totals is None:
        return Reply(404)
    shown = balances.as_shown(record, state.now())
    return responses.json_reply(responses.order(shown, totals))


def operation(state: SimulatorState, request: Request, operation_id: str) -> Reply:
    record = state.store.find_by_operation(operation_id)
    shown = balances.as_shown(record, state.now()) if record else None
    found = responses.any_operation(shown, operation_id) if shown else None
    return responses.json_reply(found) if found else Reply(404)


def _totals(state: SimulatorState, record: Record) -> Record | None:
    """Return the record that the totals are made from. ``None``: not visible yet."""
    if state.worlds.find(Ahead):
        return balances.ahead_of_list(record, state.now())
    return balances.as_shown(record, state.now())


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
    found = [_totals(state, row) for row in rows if wanted in (None, row["order_id"])]
    visible = [row for row in found if row is not None]
    statuses = [responses.order_status(row) for row in visible[: int(limit)]]
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
