"""Total time budget of a request's gateway calls, enforced by a watchdog thread.

``requests`` limits the gaps between bytes, not the whole call: a peer that sends one
byte every few seconds would hold a worker forever. One thread for each process, started
on first use, shuts the socket of a call that is past its deadline.
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


#: A money request is sent only if this share of the time is left for its response: it
#: would end in doubt.
_ENOUGH_FOR_A_REQUEST: Final = 2 / 5


class Deadline:
    """Time budget in seconds. It starts when the object is created."""

    def __init__(self, seconds: float) -> None:
        self.total = seconds
        self.at = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def is_late(self) -> bool:
        """Whether too little time is left to begin a request that moves money."""
        return self.remaining < self.total * _ENOUGH_FOR_A_REQUEST


class DeadlineExceeded(Exception):
    """The deadline passed before the first byte: nothing was sent."""


class Call:
    """One HTTP exchange: its current socket, and whether it may have been sent."""

    __slots__ = (
        "_connection",
        "_finished",
        "_lock",
        "_socket",
        "at",
        "keep_alive",
        "sent",
        "timed_out",
    )

    def __init__(self, at: float, keep_alive: float) -> None:
        self.at = at
        self.keep_alive = keep_alive
        #: a byte of the request may have left this machine
        self.sent = False
        #: the watchdog aborted it: do not trust what was read
        self.timed_out = False
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._finished = False
        self._lock = threading.Lock()

    def use_connection(self, connection: HTTPConnection | None) -> None:
        """Set the connection to abort; ``None`` when it goes back to the pool."""
        with self._lock:
            self._connection = connection
            self._socket = None

    def mark_sent(self, connection: HTTPConnection) -> None:
        """Record that a byte may leave now.

        Raises ``DeadlineExceeded`` if the first byte is past the deadline: a DNS
        look-up can outlast the whole budget, and a suspended process wakes before its
        watchdog.
        """
        with self._lock:
            if not self.sent and (self.timed_out or time.monotonic() >= self.at):
                raise DeadlineExceeded
            # keep the socket: a connection drops it at "Connection: close"
            self._socket = connection.sock
            self.sent = True

    def finish(self) -> None:
        with self._lock:
            self._finished = True
            self._connection = self._socket = None

    def abort(self) -> None:
        with self._lock:
            if self._finished:
                return
            self.timed_out = True
            sock = self._socket or getattr(self._connection, "sock", None)
            if sock is not None:
                with contextlib.suppress(OSError):
                    # the plain method: SSLSocket.shutdown would drop the TLS state
                    # while the other thread reads
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Watchdog:
    """Daemon thread that aborts calls at their deadline."""

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
            call.abort()


_watchdogs: Final[dict[int, Watchdog]] = {}


def watchdog() -> Watchdog:
    """Return this process's watchdog. A thread does not survive a fork."""
    return _watchdogs.setdefault(os.getpid(), Watchdog())
