"""What the endpoints share: the stored orders, the gateway's clock and its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from nexi_payments.simulator.notifications import NotificationQueue
from nexi_payments.simulator.payment_methods import DEFAULT_METHODS
from nexi_payments.simulator.store import Store
from nexi_payments.simulator.worlds import WorldSet


@dataclass
class SimulatorState:
    """The state of one simulated gateway.

    ``clock`` returns a time with a zone; ``clock_offset`` moves it forward.
    ``default_capture`` applies to a payment without ``captureType``.
    ``pending_seconds`` is how long "pending" lasts, ``late_seconds`` what comes late on
    a hosted page. ``payment_methods`` are offered beside cards. At a ``fixed_time`` the
    clock stands."""

    store: Store
    clock: Callable[[], datetime]
    default_capture: str
    pending_seconds: float
    clock_offset: timedelta = timedelta()
    worlds: WorldSet = field(default_factory=WorldSet)
    fixed_time: datetime | None = None
    payment_methods: tuple[str, ...] = DEFAULT_METHODS
    late_seconds: float = 2 * 3600
    notifications: NotificationQueue = field(init=False)

    def __post_init__(self) -> None:
        self.notifications = NotificationQueue(self.now)

    def now(self) -> datetime:
        return self.fixed_time or self.clock() + self.clock_offset

    def at(self, moment: datetime) -> SimulatorState:
        """Return the same gateway at another time."""
        other = replace(self, fixed_time=moment)
        other.notifications = self.notifications
        return other
