"""The calls that only look: orders, operations, payment methods."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from nexi_payments.simulator import answers, ledger
from nexi_payments.simulator.answers import Reply

if TYPE_CHECKING:
    from nexi_payments.simulator.engine import Simulator


class Lookups:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def answer(self, path: str, query: Mapping[str, str]) -> Reply:
        """404 with an empty body for what does not exist, as every source has it."""
        if path == "/payment_methods":
            return _payment_methods()
        if path == "/orders":
            return self._list(query)
        store, now = self._simulator.store, self._simulator.now()
        kind, _, name = path.removesuffix("/").lstrip("/").partition("/")
        name = unquote(name)
        if kind == "orders" and (record := store.by_order(name)):
            return answers.as_json(answers.order(ledger.as_of(record, now)))
        if kind == "operations" and (record := store.by_any_operation(name)):
            aged = ledger.as_of(record, now)
            return answers.as_json(answers.any_operation(aged, name))
        return Reply(404)

    def _list(self, query: Mapping[str, str]) -> Reply:
        """The last month, newest first, 20 rows, unless the query says otherwise."""
        now = self._simulator.now()
        since = _moment(query.get("fromTime"), now - timedelta(days=30))
        until = _moment(query.get("toTime"), now)
        most = query.get("maxRecords", "20")
        if since is None or until is None:
            return answers.error("PS0008", "a date is not in ISO 8601 format")
        if not (most.isascii() and most.isdigit() and 1 <= int(most) <= 500):
            return answers.error("PS0026", "invalid parameter maxRecords")
        rows = self._simulator.store.between(since.isoformat(), until.isoformat())
        wanted = query.get("orderId")
        found = [row for row in rows if wanted in (None, row["order_id"])]
        statuses = [
            answers.order_status(ledger.as_of(row, now)) for row in found[: int(most)]
        ]
        return answers.as_json({"orders": statuses})


def _payment_methods() -> Reply:
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
    return answers.as_json({"paymentMethods": methods})


def _moment(text: str | None, default: datetime) -> datetime | None:
    """In UTC; a time without a zone is taken for UTC."""
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
