"""For the demo shop: the simulator of this process, and a clock to move forward."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.models.bookkeeping import Heartbeat
from nexi_payments.simulator import Simulator
from nexi_payments.testing.clock import Clock

CLOCK: Final = Clock()
_LOCK: Final = threading.Lock()


def simulator_for(terminal: str) -> Simulator | None:
    """Return the built-in simulator if it serves all terminals, else ``None``.

    The clock must not move forward while a real gateway still processes a payment."""
    terminals = conf.current().terminals
    all_simulated = all(one.simulated for one in terminals.values())
    return conf.simulator() if all_simulated and terminal in terminals else None


def advance(by: timedelta) -> None:
    """Move the clock forward in this process and in the simulated gateway."""
    with _LOCK:
        CLOCK.advance(by)
        conf.simulator().advance(by.total_seconds())


def catch_up_with_database() -> None:
    """Continue at the latest time in the database, so that a restart does not go back.

    With a real gateway the real time stays."""
    if simulator_for("default") is None:
        return
    ahead = _latest_timestamp() - timezone.now()
    if ahead > timedelta():
        advance(ahead)


def _latest_timestamp() -> datetime:
    columns = (
        (PaymentOrder, "created_at"),
        (Event, "created_at"),
        (Heartbeat, "ended_at"),
    )
    found = (
        model._default_manager.order_by(f"-{name}").values_list(name, flat=True).first()
        for model, name in columns
    )
    return max((moment for moment in found if moment), default=timezone.now())
