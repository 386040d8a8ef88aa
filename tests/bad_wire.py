"""The simulator behind a wire that does one thing wrong when told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from nexi_payments.simulator import Reply, Simulator


class Wire:
    """``plan`` says what goes wrong with the next call whose address has ``part``."""

    def __init__(self, gateway: Simulator) -> None:
        self.gateway = gateway
        self.handle = gateway.handle
        self.fault = self.part = ""
        self.waiting: list[tuple[datetime, tuple[Any, ...]]] = []
        self.late: set[str] = set()
        self.sent: Counter[str] = Counter()
        #: contracts that were ended, as the test itself knows it
        self.over: set[str] = set()
        self.broken: list[str] = []
        gateway.handle = self  # type: ignore[method-assign, assignment]

    def plan(self, fault: str, part: str) -> None:
        self.fault, self.part = fault, part

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        order_id = ""
        if url.endswith(("/payment", "/moto", "/mit")):
            data = json.loads(body)
            order_id = data["order"]["orderId"]
            self.sent[order_id] += 1
            if data.get("contractId") in self.over:
                self.broken.append(f"{order_id}: charged after the end")
        if not self.fault or self.part not in url:
            return self.handle(method, url, headers, body)
        fault, self.fault = self.fault, ""
        call = (method, url, dict(headers), body)
        if fault == "late":
            self.waiting.append((timezone.now(), call))
            self.late.add(order_id)
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

    def catch_up(self) -> None:
        """What is late arrives; what is late by more than a day never does."""
        waiting, self.waiting = self.waiting, []
        oldest = timezone.now() - timedelta(days=1)
        for sent, call in waiting:
            if sent > oldest:
                self.handle(*call)
