"""What was asked of the simulator. Ids and outcomes only: a body may hold a card."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final

from nexi_payments.simulator.answers import Reply

#: An id in a path, for the counts; "3steps/init" and "moto" are not ids.
_ID: Final = re.compile(
    r"(?<=/orders/)(?![23]steps/|moto$)[^/]+|(?<=/operations/)[^/]+"
)

#: Calls that are remembered; the oldest go first.
_MOST: Final = 1000


@dataclass(frozen=True)
class Call:
    """``fault`` is "cut" or "refused" when no answer arrived; ids are "" if unknown."""

    method: str
    path: str
    status: int
    ms: float
    order_id: str
    operation_id: str
    fault: str


def endpoint(method: str, path: str) -> str:
    """``"GET /orders/{id}"``."""
    return f"{method} {_ID.sub('{id}', path)}"


class Recorder:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._calls: deque[Call] = deque(maxlen=_MOST)
        self._lock = threading.Lock()

    def arrived(self, method: str, path: str) -> None:
        with self._lock:
            self.counts[endpoint(method, path)] += 1

    def answered(self, method: str, path: str, reply: Reply, ms: float) -> None:
        order_id, operation_id = _ids(reply)
        call = Call(method, path, reply.status, ms, order_id, operation_id, reply.fault)
        with self._lock:
            self._calls.append(call)

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
