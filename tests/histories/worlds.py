"""The worlds of the post-charge histories, scaled to their short ``SETTLE_AFTER``."""

from __future__ import annotations

from typing import Final

from nexi_payments.simulator.worlds import (
    Ahead,
    BackOffice,
    Forgetful,
    Lagging,
    Pending,
    Twice,
    World,
)

#: ``SETTLE_AFTER`` and ``WATCH_FOR`` in seconds: longer than in the other histories, so
#: that a list which is behind is behind longer than a request takes.
SETTLE: Final = 20
WATCH: Final = 80
#: Beside this the worlds' defaults fit, which are made for 900 seconds.
_SCALE: Final = SETTLE / 900
#: A request of the world "late" is executed that many seconds later, at most.
LATEST: Final = 3 * SETTLE

#: By name; "plain" is a gateway without one. "late" concerns the faults of the proxy:
#: it executes a request later that was not answered as it should.
SCALED: Final[dict[str, tuple[World, ...]]] = {
    "plain": (),
    "lagging": (Lagging(1 * _SCALE, 30 * _SCALE),),
    "ahead": (Ahead(1 * _SCALE, 30 * _SCALE),),
    "pending": (Pending(60 * _SCALE, WATCH * 0.7, failing=0.3),),
    "forgetful": (Forgetful(SETTLE / 2),),
    "twice": (Twice(),),
    "late": (),
    "backoffice": (BackOffice(),),
}
