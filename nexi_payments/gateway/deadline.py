"""How long one browser request may take over all its gateway calls, and who sees to it.

``requests`` bounds the gaps between bytes, not the whole: a peer that drips one byte
every few seconds holds a worker for ever. So one thread a process, started on first
use, shuts the socket of a call whose time is over.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection


class Deadline:
    """A budget in seconds, started when it is made."""

    def __init__(self, seconds: float) -> None:
        self.total = seconds
        self.at = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.at - time.monotonic())


class TooLate(Exception):
    """The time was over before the first byte; it was not sent."""


class Call:
    """One exchange on the wire: which socket it uses now, and how far it got."""

    __slots__ = (
        "_connection",
        "_lock",
        "_over",
        "_socket",
        "at",
        "fired",
        "keep_alive",
        "sent",
    )

    def __init__(self, at: float, keep_alive: float) -> None:
        self.at = at
        self.keep_alive = keep_alive
        #: a byte of the request may have left this machine
        self.sent = False
        #: the watchdog cut it: whatever was read is not to be believed
        self.fired = False
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._over = False
        self._lock = threading.Lock()

    def uses(self, connection: HTTPConnection | None) -> None:
        """Tells the watchdog what to cut; ``None`` when the connection goes back."""
        with self._lock:
            self._connection = connection
            self._socket = None

    def sends(self, connection: HTTPConnection) -> None:
        """A byte may leave now. Raises ``TooLate`` when the first one comes too late:
        a look-up of the host's name can outlast the whole budget."""
        with self._lock:
            if self.fired and not self.sent:
                raise TooLate
            # the socket itself: a connection forgets it at "Connection: close"
            self._socket = connection.sock
            self.sent = True

    def finish(self) -> None:
        with self._lock:
            self._over = True
            self._connection = self._socket = None

    def cut(self) -> None:
        with self._lock:
            if self._over:
                return
            self.fired = True
            sock = self._socket or getattr(self._connection, "sock", None)
            if sock is not None:
                with contextlib.suppress(OSError):
                    # the plain method: SSLSocket's own would drop its state under the
                    # thread that is reading
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Watchdog:
    """One daemon thread that cuts calls at their deadline."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Call]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._started = False

    def watch(self, call: Call) -> None:
        with self._wake:
            heapq.heappush(self._heap, (call.at, next(self._order), call))
            if not self._started:
                self._started = True
                threading.Thread(
                    target=self._run, name="nexi-deadline", daemon=True
                ).start()
            elif self._heap[0][2] is call:
                self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._heap:
                    self._wake.wait()
                wait = self._heap[0][0] - time.monotonic()
                if wait > 0:
                    self._wake.wait(wait)
                    continue
                call = heapq.heappop(self._heap)[2]
            call.cut()


_watchdogs: Final[dict[int, Watchdog]] = {}


def watchdog() -> Watchdog:
    """The process's own: a thread does not survive a fork."""
    return _watchdogs.setdefault(os.getpid(), Watchdog())
