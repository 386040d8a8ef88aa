"""What was asked of the simulator. Ids and outcomes only: a body may hold a card. The
demo shows bodies, and gets them scrubbed."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final

from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.scrubbing import scrubbed

#: An id in a path, for the counts; "3steps/init" and "moto" are not ids.
_ID: Final = re.compile(
    r"(?<=/orders/)(?![23]steps/|moto$|mit$|card_verification$)[^/]+"
    r"|(?<=/operations/)[^/]+|(?<=/contracts/customers/)[^/]+"
    r"|(?<=/contracts/)(?!customers/)[^/]+"
)

#: Calls that are remembered; the oldest go first.
_MOST: Final = 1000


@dataclass(frozen=True)
class Call:
    """``fault`` is "cut" or "refused" when no answer arrived; ids are "" if unknown.

    ``asked`` and ``answer`` are scrubbed bodies, kept only with ``keep_bodies``;
    ``number`` counts the calls of this process.
    """

    method: str
    path: str
    status: int
    ms: float
    order_id: str
    operation_id: str
    fault: str
    number: int = 0
    asked: Any = ""
    answer: Any = ""


def endpoint(method: str, path: str) -> str:
    """``"GET /orders/{id}"``."""
    return f"{method} {_ID.sub('{id}', path)}"


class Recorder:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.keep_bodies = False
        self._number = 0
        self._calls: deque[Call] = deque(maxlen=_MOST)
        self._lock = threading.Lock()

    def arrived(self, method: str, path: str) -> None:
        with self._lock:
            self.counts[endpoint(method, path)] += 1

    def answered(
        self, method: str, path: str, asked: bytes, reply: Reply, ms: float
    ) -> None:
        question, answer = "", ""
        if self.keep_bodies:
            question, answer = scrubbed(asked), scrubbed(reply.body)
        order_id, operation_id = _ids(reply)
        with self._lock:
            self._number += 1
            self._calls.append(
                Call(
                    method,
                    path,
                    reply.status,
                    ms,
                    order_id,
                    operation_id,
                    reply.fault,
                    self._number,
                    question,
                    answer,
                )
            )

    def calls(self) -> tuple[Call, ...]:
        with self._lock:
            return tuple(self._calls)

    def count(self, part: str) -> int:
        """Calls whose endpoint holds ``part``: "payment", "POST /orders/moto"."""
        with self._lock:
            return sum(n for name, n in self.counts.items() if part in name)

    def clear(self) -> None:
        with self._lock:
            self.counts.clear()
            self._calls.clear()


def _ids(reply: Reply) -> tuple[str, str]:
    """From our own answer, so that nothing a client sent can end up here."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    operation = _object(body.get("operation")) or body
    order = _object(_object(body.get("orderStatus")).get("order"))
    order_id = operation.get("orderId") or order.get("orderId") or ""
    return str(order_id), str(operation.get("operationId") or "")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
