"""The machine: a request in, a reply out. Mounted as a ``requests`` adapter, inside a
Django project, or behind its own server; it knows none of them.

It shares no code with the client, so that a misread page is not right on both sides.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from nexi_payments.simulator import answers, cards, issuer, schema
from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.charging import Charging
from nexi_payments.simulator.store import Record, Store

_API: Final = re.compile(r"(?P<prefix>.*?)/api/phoenix-0\.0/psp/api/v1(?P<path>/.*)")
_ISSUER: Final = re.compile(r".*/monetaweb(?P<path>/phoenixstos.*)")

#: An id in a path, for the counts; "3steps" and "init" are not ids.
_ID: Final = re.compile(r"(?<=/orders)/(?![23]steps)[^/]+|(?<=/operations)/[^/]+")


@dataclass
class Planned:
    """A one-time answer for the next call whose path holds ``part``."""

    part: str
    reply: Reply | None  # None = process the call, then lose the answer


class Simulator:
    """``path`` keeps the orders in a file; ``None`` in memory. ``api_keys=None`` takes
    any key that is not empty. ``pending_seconds`` is how long "pending" lasts."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        api_keys: Collection[str] | None = None,
        pending_seconds: float = 20,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.store = Store(path)
        self.api_keys = api_keys
        self.pending_seconds = pending_seconds
        self._clock = clock or (lambda: datetime.now(UTC))
        self._ahead = timedelta()
        self._planned: list[Planned] = []
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self._charging = Charging(self)
        self._issuer = issuer.Issuer(self)

    # -- for tests ---------------------------------------------------------------------

    def now(self) -> datetime:
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Moves the gateway's clock ahead."""
        self._ahead += timedelta(seconds=seconds)

    def lose_next_answer(self, part: str) -> None:
        """The next call to a path with ``part`` is done, its answer never arrives."""
        self._planned.append(Planned(part, None))

    def next_reply(self, part: str, reply: Reply) -> None:
        """The next call to a path with ``part`` is not done; it gets ``reply``."""
        self._planned.append(Planned(part, reply))

    def challenge(self, operation_id: str, answer: str) -> dict[str, str]:
        """What the browser posts back after "approve", "refuse" or "walk_away"."""
        return self._issuer.decide(operation_id, answer)

    def record(self, order_id: str) -> Record | None:
        """The gateway's row of an order, for a test to compare with."""
        found = self.store.by_order(order_id)
        return self._aged(found) if found else None

    def charges(self, order_id: str) -> int:
        """How often the order was charged: 0 or 1."""
        found = self.record(order_id)
        return int(found is not None and found["result"] in ("EXECUTED", "AUTHORIZED"))

    def reset(self) -> None:
        """Forgets plans and counts; with memory as the store, the orders too."""
        self._planned.clear()
        self.counts.clear()
        self._ahead = timedelta()
        self.store.close()

    # -- requests ----------------------------------------------------------------------

    def handle(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """``url`` is absolute: the issuer's page is on the same host and prefix."""
        parts = urlsplit(url)
        if page := _ISSUER.fullmatch(parts.path):
            return self._issuer.page(method, page["path"], headers, body)
        api = _API.fullmatch(parts.path)
        if api is None:
            return Reply(404)
        path = api["path"]
        with self._lock:
            self.counts[f"{method} {_ID.sub('/{id}', path)}"] += 1
            planned = self._take_plan(path)
        if planned is not None and planned.reply is not None:
            return planned.reply
        issuer_url = (
            f"{parts.scheme}://{parts.netloc}{api['prefix']}/monetaweb/phoenixstos"
        )
        answer = self._api(method, path, dict(parse_qsl(parts.query)), headers, body)
        reply = answer.at(issuer_url) if isinstance(answer, Pending3DS) else answer
        if planned is not None:
            return replace(reply, fault="cut")
        return replace(reply, headers={**reply.headers, "cid": str(uuid.uuid4())})

    def _take_plan(self, path: str) -> Planned | None:
        for planned in self._planned:
            if planned.part in path:
                self._planned.remove(planned)
                return planned
        return None

    def _api(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply | Pending3DS:
        found = {name.lower(): value for name, value in headers.items()}
        key = found.get("x-api-key", "").strip()
        if not key or (self.api_keys is not None and key not in self.api_keys):
            return Reply(401)
        try:
            uuid.UUID(found.get("correlation-id", ""))
        except ValueError:
            return answers.error("PS0026", "invalid parameter Correlation-Id")
        if method == "GET":
            return self._look(path, query)
        if method == "POST":
            return self._post(path, body)
        return Reply(405)

    def _look(self, path: str, query: dict[str, str]) -> Reply:
        if path == "/payment_methods":
            methods = [
                {"methodType": "CARD", "circuit": name, "recurringSupported": True}
                for name in ("VISA", "MC", "MAESTRO", "AMEX")
            ]
            return answers.as_json({"paymentMethods": methods})
        if path == "/orders":
            return self._list(query)
        kind, _, name = path.lstrip("/").partition("/")
        name = unquote(name)
        if kind == "orders" and (record := self.store.by_order(name)):
            return answers.as_json(answers.order(self._aged(record)))
        if kind == "operations" and (record := self.store.by_operation(name)):
            return answers.as_json(answers.operation(self._aged(record)))
        return Reply(404)

    def _list(self, query: dict[str, str]) -> Reply:
        now = self.now()
        since = _moment(query.get("fromTime"), now - timedelta(days=30))
        until = _moment(query.get("toTime"), now)
        most = query.get("maxRecords", "20")
        if since is None or until is None or not most.isdigit() or int(most) > 500:
            return answers.error("PS0008", "invalid parameter")
        rows = self.store.between(since.isoformat(), until.isoformat(), int(most))
        return answers.as_json(
            {"orders": [answers.order_status(self._aged(row)) for row in rows]}
        )

    def _aged(self, record: Record) -> Record:
        """A pending charge ends by itself when its time has come."""
        due = record.get("settles_at")
        if due and record["result"] == "PENDING" and self.now().isoformat() >= due:
            booked = "EXECUTED" if record["capture"] == "IMPLICIT" else "AUTHORIZED"
            return {**record, "result": booked, "code": "000"}
        return record

    def _post(self, path: str, body: bytes) -> Reply | Pending3DS:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            return answers.error("PS0035", "the body is not JSON")
        try:
            if path in ("/orders/3steps/init", "/orders/2steps/init"):
                return self._init(path.split("/")[2], data)
            if path == "/orders/3steps/validation":
                return self._charging.validate(data)
            if path in ("/orders/3steps/payment", "/orders/2steps/payment"):
                return self._charging.pay(path.split("/")[2], data)
        except schema.Invalid as refusal:
            return answers.error(refusal.code, str(refusal))
        return Reply(404)

    def _init(self, flow: str, data: Any) -> Reply | Pending3DS:
        schema.check(data, schema.INIT)
        pan = data["card"]["pan"]
        ending = cards.ending_of(pan)
        if ending == "gateway_down":
            return Reply(503, b"<html>down</html>", fault="refused")
        now = self.now()
        record: Record = {
            "order_id": data["order"]["orderId"],
            "operation_id": f"{random.SystemRandom().randrange(10**17, 10**18)}",
            "flow": flow,
            "amount": data["order"]["amount"],
            "currency": data["order"]["currency"],
            "description": data["order"].get("description", ""),
            "masked": f"{pan[:6]}{'*' * (len(pan) - 10)}{pan[-4:]}",
            "expiry": data["card"]["expiryDate"],
            "brand": cards.brand_of(pan),
            "ending": ending,
            "result": "DENIED_BY_RISK" if ending == "risk" else "PENDING",
            "code": "",
            "pares": "",
            "approved": False,
            "value": "",
            "capture": "",
            "charged_at": None,
            "settles_at": None,
            "created": now.isoformat(),
            "time": answers.local_time(now),
        }
        if not self.store.add(record):
            return answers.error("PS0026", "invalid parameter orderId")
        return Pending3DS(record)


@dataclass(frozen=True)
class Pending3DS:
    """An init answer that still lacks the address of the issuer's page."""

    record: Record

    def at(self, issuer_url: str) -> Reply:
        asks = self.record["result"] == "PENDING"
        enrolled = asks and self.record["ending"] != "not_enrolled"
        return answers.as_json(
            {
                "operation": answers.operation(self.record),
                "threeDSEnrollmentStatus": "ENROLLED" if enrolled else None,
                "threeDSAuthRequest": "notneeded" if enrolled else None,
                "threeDSAuthUrl": issuer_url if enrolled else None,
            }
        )


def _moment(text: str | None, default: datetime) -> datetime | None:
    if text is None:
        return default
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
