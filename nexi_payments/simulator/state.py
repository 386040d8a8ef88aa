"""What the endpoints share: the stored orders, the gateway's clock and its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from nexi_payments.simulator.store import Store


@dataclass
class SimulatorState:
    """The state of one simulated gateway.

    ``clock`` returns a time with a zone; ``clock_offset`` moves it forward.
    ``default_capture`` applies to a payment without ``captureType``.
    ``pending_seconds`` is how long "pending" lasts."""

    store: Store
    clock: Callable[[], datetime]
    default_capture: str
    pending_seconds: float
    clock_offset: timedelta = timedelta()

    def now(self) -> datetime:
        return self.clock() + self.clock_offset
