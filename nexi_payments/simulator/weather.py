"""What is wrong with the gateway: switched on by a person, until the next call or until
it is switched off again."""

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

#: Seconds that "slow" takes for each call.
_SLOW: Final = 4.0
#: Calls that move money: the ones whose answer is worth losing.
_MONEY: Final = re.compile(
    r"/payment$|/orders/(moto|mit)$|/(captures|refunds|cancels)$"
)


@dataclass(frozen=True)
class Fault:
    """One of ``FAULTS``. ``once`` ends it with the first call that it has hit."""

    name: str
    once: bool = False


class Weather:
    """``lost`` hits calls that move money: the deed is done, its answer never arrives.
    Until it is switched off, look-ups that follow are lost, too, so that nobody knows
    how the charge ended."""

    def __init__(self) -> None:
        self._fault: Fault | None = None
        self._lock = threading.Lock()

    @property
    def fault(self) -> Fault | None:
        return self._fault

    def switch(self, name: str = "", *, once: bool = False) -> None:
        """On, or off without a name."""
        if name and name not in FAULTS:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(FAULTS)}")
        with self._lock:
            self._fault = Fault(name, once) if name else None

    def strike(self, method: str, path: str, pause: float = _SLOW) -> str:
        """What happens to this call: one of ``FAULTS``, or "". Slow ones wait here."""
        with self._lock:
            fault = self._fault
            if fault is None or not _is_hit(fault, method, path):
                return ""
            if fault.once:
                self._fault = None
        if fault.name == SLOW:
            time.sleep(pause)
        return fault.name


def _is_hit(fault: Fault, method: str, path: str) -> bool:
    if fault.name != LOST:
        return True
    if method == "GET":
        return not fault.once
    return bool(_MONEY.search(path))
