"""A gateway and a database that do one thing wrong when told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, connection
from django.utils import timezone

from nexi_payments.simulator import Reply, Simulator

#: The statement with which the outcome of a call is stored.
STORES_OUTCOME = ("UPDATE", "nexi_payments_operation", "outcome")


@contextmanager
def database_fails(verb: str, *words: str) -> Iterator[None]:
    """Each statement that begins with ``verb`` and has ``words`` raises
    ``OperationalError``: the others are executed."""

    def execute(run: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(verb) and all(word in sql for word in words):
            raise OperationalError("disk full")
        return run(sql, *rest)

    with connection.execute_wrapper(execute):
        yield


class FaultyGateway:
    """``plan`` says what goes wrong with the next call whose address has ``part``."""

    def __init__(self, gateway: Simulator) -> None:
        self.gateway = gateway
        self.handle = gateway.handle
        self.fault = self.part = ""
        self.delayed: list[tuple[datetime, tuple[Any, ...]]] = []
        self.delayed_order_ids: set[str] = set()
        self.charge_requests: Counter[str] = Counter()
        #: contracts that were ended, as the test itself knows it
        self.ended_contracts: set[str] = set()
        self.violations: list[str] = []
        gateway.handle = self  # type: ignore[method-assign, assignment]

    def fail_next(self, fault: str, path_part: str) -> None:
        self.fault, self.part = fault, path_part

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        order_id = ""
        if url.endswith(("/payment", "/moto", "/mit")):
            data = json.loads(body)
            order_id = data["order"]["orderId"]
            self.charge_requests[order_id] += 1
            if data.get("contractId") in self.ended_contracts:
                self.violations.append(f"{order_id}: charged after the end")
        if not self.fault or self.part not in url:
            return self.handle(method, url, headers, body)
        fault, self.fault = self.fault, ""
        call = (method, url, dict(headers), body)
        if fault == "late":
            self.delayed.append((timezone.now(), call))
            self.delayed_order_ids.add(order_id)
            return Reply(0, fault="cut")
        if fault in ("answer lost", "half"):
            reply = self.handle(*call)
            if fault == "half":
                return Reply(200, reply.body[: len(reply.body) // 2])
            return Reply(0, fault="cut")
        return {
            "500": Reply(500),
            "400": Reply(400, b'{"errors":[{"code":"PS0026"}]}'),
            "429": Reply(429, b"", {"Retry-After": "9"}),
            "unsent": Reply(0, fault="refused"),
        }[fault]

    def deliver_delayed(self) -> None:
        """What is late arrives; what is late by more than a day never does."""
        waiting, self.delayed = self.delayed, []
        oldest = timezone.now() - timedelta(days=1)
        for sent, call in waiting:
            if sent > oldest:
                self.handle(*call)
