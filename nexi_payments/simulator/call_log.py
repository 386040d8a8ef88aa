"""Log of the simulator's calls: ids and outcomes, as a body may hold a card.

The demo shows bodies; it gets them redacted."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final

from nexi_payments.simulator.redaction import redacted_body
from nexi_payments.simulator.responses import Reply

#: An id in a path; "3steps/init" and "moto" are not ids.
_ID_IN_PATH: Final = re.compile(
    r"(?<=/orders/)(?![23]steps/|moto$|mit$|card_verification$|hpp$|paybylink)[^/]+"
    r"|(?<=/paybylink/)[^/]+|(?<=/operations/)[^/]+|(?<=/contracts/customers/)[^/]+"
    r"|(?<=/contracts/)(?!customers/)[^/]+"
)

#: Calls that are kept; the oldest are dropped first.
MAX_CALLS: Final = 1000


@dataclass(frozen=True)
class Call:
    """One call. ``fault`` is "cut" or "refused" if no response arrived.

    Ids are "" if unknown. ``request_body`` and ``response_body`` are redacted, and kept
    only with ``keep_bodies``. ``number`` counts the calls of this process.
    """

    method: str
    path: str
    status: int
    duration_ms: float
    order_id: str
    operation_id: str
    fault: str
    number: int = 0
    request_body: Any = ""
    response_body: Any = ""


def endpoint(method: str, path: str) -> str:
    """Return the endpoint of a call: ``"GET /orders/{id}"``."""
    return f"{method} {_ID_IN_PATH.sub('{id}', path)}"


class CallLog:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.keep_bodies = False
        self._number = 0
        self._calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self._lock = threading.Lock()

    def record_request(self, method: str, path: str) -> None:
        with self._lock:
            self.counts[endpoint(method, path)] += 1

    def record_reply(
        self, method: str, path: str, request_body: bytes, reply: Reply, ms: float
    ) -> None:
        question, answer = "", ""
        if self.keep_bodies:
            question, answer = redacted_body(request_body), redacted_body(reply.body)
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
        """Count calls whose endpoint contains ``part``, as "POST /orders/moto"."""
        with self._lock:
            return sum(n for name, n in self.counts.items() if part in name)

    def clear(self) -> None:
        with self._lock:
            self.counts.clear()
            self._calls.clear()


def _ids(reply: Reply) -> tuple[str, str]:
    """Return the ids of our own response, so that no value of a client is kept."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    operation = _dict_or_empty(body.get("operation")) or body
    order = _dict_or_empty(_dict_or_empty(body.get("orderStatus")).get("order"))
    order_id = operation.get("orderId") or order.get("orderId") or ""
    return str(order_id), str(operation.get("operationId") or "")


def _dict_or_empty(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
