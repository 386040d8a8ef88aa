"""Read-only calls: orders, operations, payment methods.

404 has no body, in all sources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from nexi_payments.simulator import balances, payment_links, responses
from nexi_payments.simulator.payment_methods import CARD_BRANDS
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request
from nexi_payments.simulator.state import SimulatorState
from nexi_payments.simulator.worlds import Ahead


def order(state: SimulatorState, request: Request, order_id: str) -> Reply:
    """An order of a hosted page is unknown until somebody has opened the page."""
    page = state.store.find_page(order_id)
    payments = state.store.payments_of(order_id)
    totals = [one for one in map(partial(_totals, state), payments) if one]
    if not totals and not (page and page["opened_at"]):
        return Reply(404)
    seen = (balances.as_shown(one, state.now()) for one in payments)
    shown = [one for one in seen if one]
    links = [payment_links.member(state, page)] if page and page["link"] else []
    return responses.json_reply(
        responses.order(page or payments[0], shown, totals, links)
    )


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
    window = _window(state, request)
    if isinstance(window, Reply):
        return window
    wanted = request.query_parameters().get("orderId")
    # payments of one order are listed as one; oldest first, as they were made
    orders: dict[str, list[Record]] = {}
    for row in state.store.created_between(window.since, window.until):
        one = _totals(state, row) if wanted in (None, row["order_id"]) else None
        if one is None:
            continue
        if one["order_id"] not in orders and len(orders) == window.limit:
            break
        orders.setdefault(one["order_id"], []).insert(0, one)
    statuses = [responses.order_status(one[0], one) for one in orders.values()]
    return responses.json_reply({"orders": statuses})


def operations(state: SimulatorState, request: Request) -> Reply:
    """List operations of all orders, newest first. Defaults as for orders."""
    window = _window(state, request)
    if isinstance(window, Reply):
        return window
    query = request.query_parameters()
    wanted = [
        (member, query[name])
        for name, member in _OPERATION_FILTERS.items()
        if name in query
    ]
    listed = []
    for operation_id, record in state.store.made_between(window.since, window.until):
        shown = balances.as_shown(record, state.now())
        found = responses.any_operation(shown, operation_id) if shown else None
        if found and all(found.get(member) == value for member, value in wanted):
            listed.append(found)
        if len(listed) == window.limit:
            break
    return responses.json_reply({"operations": listed})


#: Parameter → the member of an operation that it selects by.
_OPERATION_FILTERS: Final = {"channel": "channel", "operationType": "operationType"}


class _Window(NamedTuple):
    """Times are ISO 8601 in UTC."""

    since: str
    until: str
    limit: int


def _window(state: SimulatorState, request: Request) -> _Window | Reply:
    """The time window and the number of rows that a list is asked for, or an error."""
    now, query = state.now(), request.query_parameters()
    since = _parse_time(query.get("fromTime"), now - timedelta(days=30))
    until = _parse_time(query.get("toTime"), now)
    limit = query.get("maxRecords", "20")
    if since is None or until is None:
        return responses.error_reply("PS0008", "a date is not in ISO 8601 format")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= 500):
        return responses.error_reply("PS0026", "invalid parameter maxRecords")
    return _Window(since.isoformat(), until.isoformat(), int(limit))


def payment_methods(state: SimulatorState, request: Request) -> Reply:
    """Card brands, then the other methods. The type is named as Nexi's plugin reads it;
    the images are Nexi's own, which we do not have."""
    cards = [("CARDS", brand, True) for brand in CARD_BRANDS]
    others = [("APM", code, False) for code in state.payment_methods]
    methods = [
        {
            "paymentMethodType": kind,
            "circuit": circuit,
            "imageLink": None,
            "recurringSupported": recurring,
            "oneClickSupported": False,
        }
        for kind, circuit, recurring in (*cards, *others)
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
