"""The machine: a request in, a reply out. Mounted as a ``requests`` adapter, inside a
Django project, or behind its own server; it knows none of them.

It shares no code with the client, so that a misread page is not right on both sides.
"""

from __future__ import annotations

import json
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
from urllib.parse import parse_qsl, unquote, urlsplit

from nexi_payments.simulator import answers, issuer, ledger, schema
from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.charging import Charging
from nexi_payments.simulator.contracts import Contracts
from nexi_payments.simulator.ledger import Charge, Record
from nexi_payments.simulator.lookups import Lookups
from nexi_payments.simulator.opening import Opening
from nexi_payments.simulator.postops import PostOperations
from nexi_payments.simulator.recording import Call, Recorder
from nexi_payments.simulator.store import Store
from nexi_payments.simulator.weather import DOWN, LOST, Weather

_API: Final = re.compile(r"(?P<prefix>.*?)/api/phoenix-0\.0/psp/api/v1(?P<path>/.*)")
_ISSUER: Final = re.compile(r".*/monetaweb(?P<path>/phoenixstos.*)")


@dataclass
class Planned:
    """A one-time answer for the next call whose path holds ``part``, or one of several
    parts with "|" between them."""

    part: str
    reply: Reply | None  # None = process the call, then lose the answer


class Simulator:
    """``path`` keeps the orders in a file; ``None`` in memory. ``api_keys=None`` takes
    any key that is not empty. ``pending_seconds`` is how long "pending" lasts,
    ``latency`` seconds pass before each answer of the API, and ``default_capture`` is
    what the terminal does with a payment that names no ``captureType``."""

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
        self.store = Store(path)
        self.weather = Weather()
        self.api_keys = api_keys
        self.pending_seconds = pending_seconds
        self.latency = latency
        self.default_capture = default_capture
        self._clock = clock or (lambda: datetime.now(UTC))
        self._ahead = timedelta()
        self._planned: list[Planned] = []
        self._lock = threading.Lock()
        self._recorder = Recorder()
        self._charging = Charging(self)
        self._opening = Opening(self, self._charging)
        self._contracts = Contracts(self, self._charging)
        self._later = PostOperations(self)
        self._lookups = Lookups(self)
        self._issuer = issuer.Issuer(self)

    # -- for tests ---------------------------------------------------------------------

    def now(self) -> datetime:
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Moves the gateway's clock ahead."""
        self._ahead += timedelta(seconds=seconds)

    def lose_next_answer(self, part: str) -> None:
        """The next call to a path with ``part`` is done, its answer never arrives."""
        self._plan(Planned(part, None))

    def next_reply(self, part: str, reply: Reply) -> None:
        """The next call to a path with ``part`` is not done; it gets ``reply``."""
        self._plan(Planned(part, reply))

    def fail_next(
        self,
        part: str,
        *,
        status: int = 500,
        body: bytes = b"",
        content_type: str = "application/json",
    ) -> None:
        """The next call to a path with ``part`` is not done and fails."""
        self.next_reply(part, Reply(status, body, {"Content-Type": content_type}))

    def challenge(self, operation_id: str, answer: str) -> dict[str, str]:
        """What the browser posts back after "approve", "refuse" or "walk_away"."""
        return self._issuer.decide(operation_id, answer)

    def record(self, order_id: str) -> Record | None:
        """The gateway's row of an order, for a test to compare with."""
        found = self.store.by_order(order_id)
        return ledger.as_of(found, self.now()) if found else None

    def charge_of(self, order_id: str) -> Charge | None:
        """The gateway's books for an order: held, captured, refunded."""
        found = self.record(order_id)
        return ledger.charge(found) if found else None

    def charges(self, order_id: str) -> int:
        """How often the order was charged: 0 or 1."""
        found = self.record(order_id)
        return int(found is not None and found["result"] in ledger.CHARGED)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The last calls of the API, oldest first; bodies after ``keep_bodies()``."""
        return self._recorder.calls()

    def keep_bodies(self) -> None:
        """From now on calls are listed with their bodies, without cards."""
        self._recorder.keep_bodies = True

    @property
    def counts(self) -> Counter[str]:
        """Calls for each endpoint: ``counts["POST /orders/3steps/init"]``."""
        return self._recorder.counts

    def count(self, part: str) -> int:
        """Calls to all endpoints whose name holds ``part``: ``count("payment")``."""
        return self._recorder.count(part)

    def reset(self) -> None:
        """Forgets plans, faults, counts; with memory as the store, the orders too."""
        self._planned.clear()
        self.weather.switch()
        self._recorder.clear()
        self._ahead = timedelta()
        self.close()

    def close(self) -> None:
        """Closes the store; the next call opens it again."""
        self.store.close()

    # -- requests ----------------------------------------------------------------------

    def handle(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """``url`` is absolute: the issuer's page is on the same host and prefix."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return Reply(400)
        if page := _ISSUER.fullmatch(parts.path):
            return self._issuer.page(method, page["path"], headers, body)
        api = _API.fullmatch(parts.path)
        if api is None:
            return Reply(404)
        started = time.monotonic()
        path = api["path"]
        self._recorder.arrived(method, path)
        if self.latency:
            time.sleep(self.latency)
        struck = self.weather.strike(method, path)
        planned = None if struck == DOWN else self._take_plan(path)
        if struck == DOWN:
            reply = Reply(503, fault="refused")
        elif planned is not None and planned.reply is not None:
            reply = planned.reply
        else:
            site = f"{parts.scheme}://{parts.netloc}{api['prefix']}"
            reply = self._api(
                Request(method, path, parts.query, site, _lowered(headers), body)
            )
            reply = replace(reply, headers={**reply.headers, "cid": str(uuid.uuid4())})
            if planned is not None or struck == LOST:
                reply = replace(reply, fault="cut")
        ms = (time.monotonic() - started) * 1000
        self._recorder.answered(method, path, body, reply, ms)
        return reply

    def _plan(self, planned: Planned) -> None:
        with self._lock:
            self._planned.append(planned)

    def _take_plan(self, path: str) -> Planned | None:
        with self._lock:
            for planned in self._planned:
                if any(part in path for part in planned.part.split("|")):
                    self._planned.remove(planned)
                    return planned
        return None

    def _api(self, request: Request) -> Reply:
        key = request.headers.get("x-api-key", "").strip()
        if not key or (self.api_keys is not None and key not in self.api_keys):
            return Reply(401)
        try:
            uuid.UUID(request.headers.get("correlation-id", ""))
        except ValueError:
            return answers.error("PS0026", "invalid parameter Correlation-Id")
        if request.method == "GET":
            return self._look(request.path, dict(parse_qsl(request.query)))
        if request.method != "POST":
            return Reply(405)
        try:
            return self._post(request) or Reply(404)
        except schema.Invalid as refusal:
            return answers.error(refusal.code, str(refusal))

    def _look(self, path: str, query: dict[str, str]) -> Reply:
        if path.startswith("/contracts/customers/"):
            return self._contracts.listed(unquote(path.split("/")[3]))
        return self._lookups.answer(path, query)

    def _post(self, request: Request) -> Reply | None:
        """``None`` for a path that does not exist."""
        path = request.path
        if path.startswith("/contracts/"):
            return self._contracts.deactivate(path)
        if not path.startswith(("/orders/", "/operations/")):
            return None
        try:
            # a cancel may come without a body
            data = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            return answers.error("PS0035", "the body is not JSON")
        if path in ("/orders/3steps/init", "/orders/2steps/init"):
            site = f"{request.site}/monetaweb/phoenixstos"
            return self._opening.init(path.split("/")[2], data, site)
        if path == "/orders/3steps/validation":
            return self._charging.validate(data)
        if path in ("/orders/3steps/payment", "/orders/2steps/payment"):
            return self._charging.pay(path.split("/")[2], data)
        if path == "/orders/moto":
            return self._opening.moto(data)
        if path == "/orders/card_verification":
            return self._contracts.verify(data)
        key = request.headers.get("idempotency-key", "")
        if path == "/orders/mit":
            return self._contracts.charge(key, data)
        return self._later.answer(path, key, data)


@dataclass(frozen=True)
class Request:
    """``path`` is what follows the base URL, ``site`` what precedes it, header names
    are in lower case."""

    method: str
    path: str
    query: str
    site: str
    headers: Mapping[str, str]
    body: bytes


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
