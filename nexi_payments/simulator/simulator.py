"""The simulator: takes a request, returns a reply.

It can be used as a ``requests`` adapter, inside a Django project, or behind its own
server; it depends on none of them.

It shares no code with the client, so that a misread specification shows.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from nexi_payments.simulator import (
    back_office,
    balances,
    captures_refunds,
    contracts,
    hosted_orders,
    hosted_page,
    issuer_page,
    order_creation,
    payment_links,
    payments,
    queries,
    responses,
)
from nexi_payments.simulator.balances import Charge
from nexi_payments.simulator.call_log import Call, CallLog
from nexi_payments.simulator.faults import DOWN, LOST, FaultInjector, moves_money
from nexi_payments.simulator.hosted import HostedPages
from nexi_payments.simulator.late_requests import LateRequests
from nexi_payments.simulator.notifications import Deliver
from nexi_payments.simulator.payment_methods import DEFAULT_METHODS
from nexi_payments.simulator.planned_replies import PlannedReplies
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.routes import Request, RouteTable
from nexi_payments.simulator.schema_validator import RequestRejected
from nexi_payments.simulator.state import SimulatorState
from nexi_payments.simulator.store import Store
from nexi_payments.simulator.worlds import Late, World, WorldSet

_API_URL: Final = re.compile(
    r"(?P<prefix>.*?)/api/phoenix-0\.0/psp/api/v1(?P<path>/.*)"
)
_ISSUER_URL: Final = re.compile(r".*/monetaweb(?P<path>/phoenixstos.*)")
_HOSTED_PAGE_URL: Final = re.compile(r".*" + re.escape(hosted_orders.PAGE_PATH))

_ROUTES: Final = RouteTable(
    {
        "POST /orders/{flow}/init": order_creation.init,
        "POST /orders/3steps/validation": payments.validate,
        "POST /orders/{flow}/payment": payments.pay,
        "POST /orders/moto": order_creation.moto,
        "POST /orders/mit": contracts.charge,
        "POST /orders/card_verification": contracts.verify,
        "POST /orders/hpp": hosted_orders.create,
        "POST /orders/paybylink": payment_links.create,
        "GET /orders/paybylink/{id}": payment_links.get,
        "POST /orders/paybylink/{id}/renewals": payment_links.renew,
        "POST /paybylink/{id}/cancels": payment_links.cancel,
        "POST /operations/{id}/captures": captures_refunds.capture,
        "POST /operations/{id}/refunds": captures_refunds.refund,
        "POST /operations/{id}/cancels": captures_refunds.cancel,
        "POST /contracts/{id}/deactivation": contracts.deactivate,
        "GET /contracts/customers/{id}": contracts.list_for_customer,
        "GET /orders": queries.orders,
        "GET /orders/{id}": queries.order,
        "GET /operations": queries.operations,
        "GET /operations/{id}": queries.operation,
        "GET /payment_methods": queries.payment_methods,
    }
)


class Simulator:
    """Simulated gateway.

    ``path`` is a file for the orders; ``None`` keeps them in memory. ``api_keys=None``
    accepts any key that is not empty. ``pending_seconds`` is how long "pending" lasts.
    ``latency`` is in seconds, for each response of the API. ``default_capture`` applies
    to a payment without ``captureType``. ``worlds`` are what a real gateway may do; see
    ``nexi_payments.simulator.worlds``. The same ``seed`` repeats their decisions.
    ``payment_methods`` are the terminal's, beside cards. ``late_seconds`` is how late a
    hosted page is paid, and how late a notification comes, where that is asked for."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        api_keys: Collection[str] | None = None,
        pending_seconds: float = 20,
        clock: Callable[[], datetime] | None = None,
        latency: float = 0.0,
        default_capture: str = "IMPLICIT",
        worlds: Iterable[World] = (),
        seed: str = "",
        payment_methods: Iterable[str] = DEFAULT_METHODS,
        late_seconds: float = 2 * 3600,
    ) -> None:
        self.state = SimulatorState(
            Store(path),
            clock or (lambda: datetime.now(UTC)),
            default_capture,
            pending_seconds,
            worlds=WorldSet(worlds, seed),
            payment_methods=tuple(payment_methods),
            late_seconds=late_seconds,
        )
        self._hosted = HostedPages(self.state)
        self.faults = FaultInjector()
        self.api_keys = api_keys
        self.latency = latency
        self._planned = PlannedReplies()
        self._call_log = CallLog()
        self._late = LateRequests()

    # -- for tests ---------------------------------------------------------------------

    @property
    def store(self) -> Store:
        return self.state.store

    @property
    def worlds(self) -> tuple[World, ...]:
        """The worlds that are on. Set them to change them; decisions start anew."""
        return self.state.worlds.worlds

    @worlds.setter
    def worlds(self, worlds: Iterable[World]) -> None:
        self.state.worlds = WorldSet(worlds, self.state.worlds.seed)

    def make_at_nexi(self, order_id: str, kind: str, amount: int | None = None) -> str:
        """Capture, refund or void in Nexi's back office. Return the operation's id.

        ``kind`` is "capture", "refund" or "void", ``amount`` is in minor units
        (default: the largest possible one). Raises ``ValueError`` where Nexi's rules do
        not allow it."""
        self._execute_late()
        return back_office.make_at_nexi(self.state, order_id, kind, amount)

    def now(self) -> datetime:
        return self.state.now()

    def advance(self, seconds: float) -> None:
        """Move the gateway's clock forward."""
        self.state.clock_offset += timedelta(seconds=seconds)

    def lose_next_answer(self, path_part: str) -> None:
        """Process the next call with ``path_part`` in its path; lose its response."""
        self._planned.add(path_part, None)

    def next_reply(self, path_part: str, reply: Reply) -> None:
        """Reply to the next call with ``path_part`` in its path; do not process it."""
        self._planned.add(path_part, reply)

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

    @property
    def hosted(self) -> HostedPages:
        """Customers on hosted pages: ``simulator.hosted.pay("ORDER1")``."""
        return self._hosted

    @property
    def payment_methods(self) -> tuple[str, ...]:
        """Codes of the terminal's methods beside cards. Set them to change them."""
        return self.state.payment_methods

    @payment_methods.setter
    def payment_methods(self, codes: Iterable[str]) -> None:
        self.state.payment_methods = tuple(codes)

    @property
    def deliver(self) -> Deliver:
        """What posts a notification to the shop: URL, headers, body → HTTP status.

        The default reaches shops on this machine only, by http. A shop in this process
        sets its own."""
        return self.state.notifications.deliver

    @deliver.setter
    def deliver(self, deliver: Deliver) -> None:
        self.state.notifications.deliver = deliver

    @property
    def notifies_in_background(self) -> bool:
        """Whether a thread delivers notifications that are due; else only
        ``hosted.deliver_due`` and the next request for a page do. Not for tests."""
        return self.state.notifications.in_background

    @notifies_in_background.setter
    def notifies_in_background(self, on: bool) -> None:
        self.state.notifications.in_background = on

    def payments(self, order_id: str) -> list[Record]:
        """Return the gateway's records of an order's payments, oldest first.

        There are several only on a hosted page."""
        self._execute_late()
        now = self.now()
        return [balances.as_of(one, now) for one in self.store.payments_of(order_id)]

    def record(self, order_id: str) -> Record | None:
        """Return the record of the payment that charged the order, or of its first."""
        return balances.main_payment(self.payments(order_id))

    def charge_of(self, order_id: str) -> Charge | None:
        """Return the gateway's totals of an order: authorized, captured, refunded."""
        found = self.record(order_id)
        return balances.charge_from_record(found) if found else None

    def charges_of(self, order_id: str) -> list[Charge]:
        """Return the totals of each payment that charged the order, oldest first."""
        found = map(balances.charge_from_record, self.payments(order_id))
        return [charge for charge in found if charge.result in balances.CHARGED]

    def charge_count(self, order_id: str) -> int:
        """Return how often the order was charged: more than once on a hosted page."""
        return len(self.charges_of(order_id))

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
        """Clear plans, faults, worlds, counts and, in memory, the orders."""
        self._planned.clear()
        self._late.clear()
        self.worlds = ()
        self.faults.set_fault()
        self._hosted.clear()
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
        """Handle a request. ``url`` is absolute: the pages of the browser share a
        prefix with the API."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return Reply(400)
        if page := _ISSUER_URL.fullmatch(parts.path):
            return issuer_page.handle(self.state, method, page["path"], headers, body)
        if _HOSTED_PAGE_URL.fullmatch(parts.path):
            self._execute_late()
            return hosted_page.handle(self._hosted, method, parts.query, headers, body)
        api = _API_URL.fullmatch(parts.path)
        if api is None:
            return Reply(404)
        site = f"{parts.scheme}://{parts.netloc}{api['prefix']}"
        return self._handle_call(
            Request(
                method,
                api["path"],
                parts.query,
                site,
                _lowercase_names(headers),
                body,
            )
        )

    def _handle_call(self, request: Request) -> Reply:
        started = time.monotonic()
        method, path = request.method, request.path
        self._call_log.record_request(method, path)
        if self.latency:
            time.sleep(self.latency)
        self._execute_late()
        fault = self.faults.inject(method, path)
        planned = None if fault == DOWN else self._planned.take(path)
        if fault == DOWN:
            reply = Reply(503, fault="refused")
        elif planned is not None and planned.reply is not None:
            reply = planned.reply
            if reply.status >= 400:
                self._postpone(request)
        elif planned is None and fault != LOST:
            reply = self._handle_api(self.state, request)
        elif self._postpone(request):
            reply = Reply(0, fault="cut")
        else:
            reply = replace(self._handle_api(self.state, request), fault="cut")
        ms = (time.monotonic() - started) * 1000
        self._call_log.record_reply(method, path, request.body, reply, ms)
        self.state.notifications.deliver_in_background()
        return reply

    def _postpone(self, request: Request) -> bool:
        """In the world ``Late``, let a request that moves money wait for its time."""
        worlds = self.state.worlds
        late = worlds.find(Late) and moves_money(request.method, request.path)
        if late:
            wait = timedelta(seconds=worlds.late_by())
            self._late.add(request, self.now() + wait)
        return bool(late)

    def _execute_late(self) -> None:
        for due, request in self._late.take_due(self.now()):
            self._handle_api(self.state.at(due), request)
        self._hosted.execute_late()

    def _handle_api(self, state: SimulatorState, request: Request) -> Reply:
        reply = self._route(state, request)
        return replace(reply, headers={**reply.headers, "cid": str(uuid.uuid4())})

    def _route(self, state: SimulatorState, request: Request) -> Reply:
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
            return handler(state, request, *parameters)
        except RequestRejected as rejection:
            return responses.error_reply(rejection.code, str(rejection))


def _lowercase_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
