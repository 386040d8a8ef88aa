"""The simulator: takes a request, returns a reply.

It can be used as a ``requests`` adapter, inside a Django project, or behind its own
server; it depends on none of them.

It shares no code with the client, so that a misread specification shows.
"""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from nexi_payments.simulator import (
    balances,
    captures_refunds,
    contracts,
    issuer_page,
    order_creation,
    payments,
    queries,
    responses,
)
from nexi_payments.simulator.balances import Charge
from nexi_payments.simulator.call_log import Call, CallLog
from nexi_payments.simulator.faults import DOWN, LOST, FaultInjector
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request, RouteTable
from nexi_payments.simulator.schema_validator import RequestRejected
from nexi_payments.simulator.state import SimulatorState
from nexi_payments.simulator.store import Store

_API_URL: Final = re.compile(
    r"(?P<prefix>.*?)/api/phoenix-0\.0/psp/api/v1(?P<path>/.*)"
)
_ISSUER_URL: Final = re.compile(r".*/monetaweb(?P<path>/phoenixstos.*)")

_ROUTES: Final = RouteTable(
    {
        "POST /orders/{flow}/init": order_creation.init,
        "POST /orders/3steps/validation": payments.validate,
        "POST /orders/{flow}/payment": payments.pay,
        "POST /orders/moto": order_creation.moto,
        "POST /orders/mit": contracts.charge,
        "POST /orders/card_verification": contracts.verify,
        "POST /operations/{id}/captures": captures_refunds.capture,
        "POST /operations/{id}/refunds": captures_refunds.refund,
        "POST /operations/{id}/cancels": captures_refunds.cancel,
        "POST /contracts/{id}/deactivation": contracts.deactivate,
        "GET /contracts/customers/{id}": contracts.list_for_customer,
        "GET /orders": queries.orders,
        "GET /orders/{id}": queries.order,
        "GET /operations/{id}": queries.operation,
        "GET /payment_methods": queries.payment_methods,
    }
)


@dataclass
class PlannedReply:
    """One-time reply for the next call whose path contains ``path_part``.

    Alternatives are separated by "|"."""

    path_part: str
    reply: Reply | None  # None = process the call, then lose the response


class Simulator:
    """Simulated gateway.

    ``path`` is a file for the orders; ``None`` keeps them in memory. ``api_keys=None``
    accepts any key that is not empty. ``pending_seconds`` is how long "pending" lasts.
    ``latency`` is in seconds, for each response of the API. ``default_capture`` applies
    to a payment without ``captureType``."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        api_keys: Collection[str] | None = None,
        pending_seconds: float = 20,
        clock: Callable[[], datetime] | None = None,
        latency: float = 0.0,
        default_capture: str = "IMPLICIT",
    ) -> None:
        self.state = SimulatorState(
            Store(path),
            clock or (lambda: datetime.now(UTC)),
            default_capture,
            pending_seconds,
        )
        self.faults = FaultInjector()
        self.api_keys = api_keys
        self.latency = latency
        self._planned: list[PlannedReply] = []
        self._lock = threading.Lock()
        self._call_log = CallLog()

    # -- for tests ---------------------------------------------------------------------

    @property
    def store(self) -> Store:
        return self.state.store

    def now(self) -> datetime:
        return self.state.now()

    def advance(self, seconds: float) -> None:
        """Move the gateway's clock forward."""
        self.state.clock_offset += timedelta(seconds=seconds)

    def lose_next_answer(self, path_part: str) -> None:
        """Process the next call with ``path_part`` in its path; lose its response."""
        self._add_plan(PlannedReply(path_part, None))

    def next_reply(self, path_part: str, reply: Reply) -> None:
        """Reply to the next call with ``path_part`` in its path; do not process it."""
        self._add_plan(PlannedReply(path_part, reply))

    def fail_next(
        self,
        path_part: str,
        *,
        status: int = 500,
        body: bytes = b"",
        content_type: str = "application/json",
    ) -> None:
        """Fail the next call with ``path_part`` in its path, without processing it."""
        self.next_reply(path_part, Reply(status, body, {"Content-Type": content_type}))

    def answer_challenge(self, operation_id: str, answer: str) -> dict[str, str]:
        """Return what the browser posts after "approve", "refuse" or "walk_away"."""
        return issuer_page.record_answer(self.state, operation_id, answer)

    def record(self, order_id: str) -> Record | None:
        """Return the gateway's record of an order, for a test to compare with."""
        found = self.store.find_by_order(order_id)
        return balances.as_of(found, self.now()) if found else None

    def charge_of(self, order_id: str) -> Charge | None:
        """Return the gateway's totals of an order: authorized, captured, refunded."""
        found = self.record(order_id)
        return balances.charge_from_record(found) if found else None

    def charge_count(self, order_id: str) -> int:
        """Return how often the order was charged: 0 or 1."""
        found = self.record(order_id)
        return int(found is not None and found["result"] in balances.CHARGED)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The last API calls, oldest first; with bodies after ``keep_bodies()``."""
        return self._call_log.calls()

    def keep_bodies(self) -> None:
        """Keep redacted bodies of calls from now on."""
        self._call_log.keep_bodies = True

    @property
    def counts(self) -> Counter[str]:
        """Calls by endpoint: ``counts["POST /orders/3steps/init"]``."""
        return self._call_log.counts

    def count(self, endpoint_part: str) -> int:
        """Count calls whose endpoint contains ``endpoint_part``, as "payment"."""
        return self._call_log.count(endpoint_part)

    def reset(self) -> None:
        """Clear plans, faults, counts and, with the store in memory, the orders."""
        self._planned.clear()
        self.faults.set_fault()
        self._call_log.clear()
        self.state.clock_offset = timedelta()
        self.close()

    def close(self) -> None:
        """Close the store. The next call opens it again."""
        self.store.close()

    # -- requests ----------------------------------------------------------------------

    def handle(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Handle a request. ``url`` is absolute: the issuer's page shares a prefix."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return Reply(400)
        if page := _ISSUER_URL.fullmatch(parts.path):
            return issuer_page.handle(self.state, method, page["path"], headers, body)
        api = _API_URL.fullmatch(parts.path)
        if api is None:
            return Reply(404)
        started = time.monotonic()
        path = api["path"]
        self._call_log.record_request(method, path)
        if self.latency:
            time.sleep(self.latency)
        fault = self.faults.inject(method, path)
        planned = None if fault == DOWN else self._take_plan(path)
        if fault == DOWN:
            reply = Reply(503, fault="refused")
        elif planned is not None and planned.reply is not None:
            reply = planned.reply
        else:
            site = f"{parts.scheme}://{parts.netloc}{api['prefix']}"
            reply = self._handle_api(
                Request(
                    method, path, parts.query, site, _lowercase_names(headers), body
                )
            )
            reply = replace(reply, headers={**reply.headers, "cid": str(uuid.uuid4())})
            if planned is not None or fault == LOST:
                reply = replace(reply, fault="cut")
        ms = (time.monotonic() - started) * 1000
        self._call_log.record_reply(method, path, body, reply, ms)
        return reply

    def _add_plan(self, planned: PlannedReply) -> None:
        with self._lock:
            self._planned.append(planned)

    def _take_plan(self, path: str) -> PlannedReply | None:
        with self._lock:
            for planned in self._planned:
                if any(part in path for part in planned.path_part.split("|")):
                    self._planned.remove(planned)
                    return planned
        return None

    def _handle_api(self, request: Request) -> Reply:
        key = request.headers.get("x-api-key", "").strip()
        if not key or (self.api_keys is not None and key not in self.api_keys):
            return Reply(401)
        try:
            uuid.UUID(request.headers.get("correlation-id", ""))
        except ValueError:
            return responses.error_reply("PS0026", "invalid parameter Correlation-Id")
        if request.method not in ("GET", "POST"):
            return Reply(405)
        route = _ROUTES.find(request.method, request.path)
        if route is None:
            return Reply(404)
        handler, parameters = route
        try:
            return handler(self.state, request, *parameters)
        except RequestRejected as rejection:
            return responses.error_reply(rejection.code, str(rejection))


def _lowercase_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
