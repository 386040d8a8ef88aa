"""The browser's clock, moved on by a test, while answers come from a real server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def moved_by_hand(page: Any, path: str) -> Callable[[float, float], None]:
    """``forward(seconds, step)``: time passes in ``page`` from here on, in steps; after
    each step what was asked of an address with ``path`` has been answered."""
    page.clock.install()
    open_requests: set[Any] = set()
    page.on("request", lambda one: path in one.url and open_requests.add(one))
    for over in ("requestfinished", "requestfailed"):
        page.on(over, lambda one: open_requests.discard(one))

    def forward(seconds: float, step: float) -> None:
        for _ in range(round(seconds / step)):
            page.clock.run_for(round(step * 1000))
            asked = bool(open_requests)
            patience = time.monotonic() + 30
            while open_requests:
                assert time.monotonic() < patience, open_requests
                page.wait_for_timeout(2)  # events arrive meanwhile
            if asked:
                page.evaluate("0")  # its own scripts have heard of it, too

    return forward
