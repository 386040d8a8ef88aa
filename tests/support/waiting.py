"""Waiting for something to happen, instead of for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    happened: Callable[[], object], seconds: float, every: float = 0.1
) -> bool:
    """Ask until it has happened, for ``seconds`` at most. Return whether it has."""
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() >= until:
            return False
        time.sleep(every)
    return True


def await_event(happened: Callable[[], object], seconds: float = 60) -> None:
    """Wait until it has happened; fail when it has not."""
    assert wait_until(happened, seconds, every=0.02), "it did not happen"
