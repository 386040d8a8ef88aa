"""For a demo that people click through: the simulator in this process, and time that
passes when somebody says so."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.models import Event, LastPass, PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.testing.clock import Clock

CLOCK: Final = Clock()
_LOCK: Final = threading.Lock()


def simulator_of(terminal: str) -> Simulator | None:
    """The built-in simulator, where it answers for this terminal and for every other:
    a clock that is moved on must not settle what a real gateway is still at."""
    terminals = conf.current().terminals
    rehearsing = all(one.simulated for one in terminals.values())
    return conf.simulator() if rehearsing and terminal in terminals else None


def pass_time(by: timedelta) -> None:
    """It is later now: in this process, and at the gateway it simulates."""
    with _LOCK:
        CLOCK.advance(by)
        conf.simulator().advance(by.total_seconds())


def catch_up() -> None:
    """Time does not run backwards at a restart: it goes on where our rows end. With a
    real gateway it is now, whatever they say."""
    if simulator_of("default") is None:
        return
    ahead = _newest() - timezone.now()
    if ahead > timedelta():
        pass_time(ahead)


def _newest() -> datetime:
    columns = (
        (PaymentOrder, "created_at"),
        (Event, "created_at"),
        (LastPass, "ended_at"),
    )
    found = (
        model._default_manager.order_by(f"-{name}").values_list(name, flat=True).first()
        for model, name in columns
    )
    return max((moment for moment in found if moment), default=timezone.now())
