"""Replies that a test has planned, each for one call."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from nexi_payments.simulator.responses import Reply


@dataclass
class PlannedReply:
    """One-time reply for the next call whose path contains ``path_part``.

    Alternatives are separated by "|"."""

    path_part: str
    reply: Reply | None  # None = process the call, then lose the response


class PlannedReplies:
    def __init__(self) -> None:
        self._planned: list[PlannedReply] = []
        self._lock = threading.Lock()

    def add(self, path_part: str, reply: Reply | None) -> None:
        with self._lock:
            self._planned.append(PlannedReply(path_part, reply))

    def take(self, path: str) -> PlannedReply | None:
        """Return the oldest plan for ``path``, and forget it."""
        with self._lock:
            for planned in self._planned:
                if any(part in path for part in planned.path_part.split("|")):
                    self._planned.remove(planned)
                    return planned
        return None

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()
