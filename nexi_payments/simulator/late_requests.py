"""Requests of the world ``Late``: they are executed when their time has come.

Nothing waits for that time: the next call, or the next question of a test, finds them
due and executes them at the time they were due.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from nexi_payments.simulator.routes import Request


@dataclass(order=True)
class _Waiting:
    due: datetime
    request: Request = field(compare=False)


class LateRequests:
    """In memory only: the body of a charge has a card."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._lock = threading.Lock()

    def add(self, request: Request, due: datetime) -> None:
        with self._lock:
            self._waiting.append(_Waiting(due, request))

    def take_due(self, now: datetime) -> list[tuple[datetime, Request]]:
        """Return the requests that are due, earliest first, each of them once."""
        with self._lock:
            due = sorted(one for one in self._waiting if one.due <= now)
            self._waiting = [one for one in self._waiting if one.due > now]
        return [(one.due, one.request) for one in due]

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
