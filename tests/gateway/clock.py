"""The clock of the gateway client, which stands still until a test moves it on.

So a busy machine ends no budget: a deadline passes where the test says so, and at that
moment only."""

from __future__ import annotations

import math
import threading
import time

from nexi_payments.gateway.deadline import Call, Watchdog, watchdog

#: Seconds to wait for what must happen; only a test that fails waits so long.
PATIENCE = 60.0


class _Marker(Call):
    """Comes after all that is due by then: what is due before it has been cut."""

    __slots__ = ("passed",)

    def __init__(self, at: float) -> None:
        super().__init__(at, 0)
        self.passed = threading.Event()

    def abort(self) -> None:
        self.passed.set()


class StillClock:
    """Stands for the module ``time`` in the modules of the client."""

    def __init__(self) -> None:
        self._now = time.monotonic()

    def monotonic(self) -> float:
        return self._now

    def leap(self, seconds: float = 1000.0, of: Watchdog | None = None) -> None:
        """Moves on; returns when the watchdog has cut every call that is due."""
        self._now += seconds
        marker = _Marker(self._now)
        of = of or watchdog()
        of.watch(marker)
        of.watch(Call(-math.inf, 0))  # the first of all: the watchdog wakes up
        assert marker.passed.wait(PATIENCE)


#: The clock of the test that runs; the fixture ``still`` sets it in.
CLOCK = StillClock()
