"""Faults of the simulated gateway, for the next call or until they are cleared."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from typing import Final

DOWN: Final = "down"
SLOW: Final = "slow"
LOST: Final = "lost"
FAULTS: Final = (DOWN, SLOW, LOST)

#: Seconds that "slow" adds to each call.
_SLOW_SECONDS: Final = 4.0
#: Calls that move money; "lost" affects these.
_MONEY_CALLS: Final = re.compile(
    r"/payment$|/orders/(moto|mit)$|/(captures|refunds|cancels)$"
)


@dataclass(frozen=True)
class Fault:
    """One of ``FAULTS``. With ``once`` it ends after the first call it affects."""

    name: str
    once: bool = False


class FaultInjector:
    """Injects the current fault into calls.

    "lost" affects calls that move money: the call is processed, its response is lost.
    Unless it is set with ``once``, responses to GET are lost too, so that the outcome
    of the charge stays unknown until the fault is cleared."""

    def __init__(self) -> None:
        self._fault: Fault | None = None
        self._lock = threading.Lock()

    @property
    def fault(self) -> Fault | None:
        return self._fault

    def set_fault(self, name: str = "", *, once: bool = False) -> None:
        """Set the fault ``name``, or clear it without a name."""
        if name and name not in FAULTS:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(FAULTS)}")
        with self._lock:
            self._fault = Fault(name, once) if name else None

    def inject(self, method: str, path: str, pause: float = _SLOW_SECONDS) -> str:
        """Return the fault of this call, or "". "slow" waits here."""
        with self._lock:
            fault = self._fault
            if fault is None or not _applies_to(fault, method, path):
                return ""
            if fault.once:
                self._fault = None
        if fault.name == SLOW:
            time.sleep(pause)
        return fault.name


def moves_money(method: str, path: str) -> bool:
    """Whether a call charges, captures, refunds, voids or cancels."""
    return method == "POST" and bool(_MONEY_CALLS.search(path))


def _applies_to(fault: Fault, method: str, path: str) -> bool:
    if fault.name != LOST:
        return True
    if method == "GET":
        return not fault.once
    return moves_money(method, path)
