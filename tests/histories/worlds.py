"""The worlds of the histories, scaled to their short ``SETTLE_AFTER``.

A name is that of one world or of a mixture: ``"lagging+pending+backoffice"``.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
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

#: ``SETTLE_AFTER`` and ``WATCH_FOR`` of the post-charge histories in seconds: longer
#: than in the other histories, so that a list which is behind is behind longer than a
#: request takes.
SETTLE: Final = 20
WATCH: Final = 80
#: A gateway without a world.
PLAIN: Final = "plain"
#: "late" concerns the faults of the proxy: it executes a request later that was not
#: answered as it should.
LATE: Final = "late"
NAMES: Final = (
    PLAIN,
    "lagging",
    "ahead",
    "pending",
    "forgetful",
    "twice",
    LATE,
    "backoffice",
)
#: How many worlds a drawn mixture has.
_SIZES: Final = (2, 2, 3, 3, 4)


def parts(name: str) -> list[str]:
    """The worlds of a mixture."""
    return name.split("+")


def parse(text: str) -> str:
    """A name, for ``argparse``. A mixture may have commas, too."""
    wanted = parts(text.replace(",", "+"))
    if unknown := [one for one in wanted if one not in NAMES]:
        raise argparse.ArgumentTypeError(f"no world {unknown[0]!r}: {NAMES}")
    return "+".join(one for one in NAMES if one in wanted)


def draw(seed: str, many: int) -> list[str]:
    """Some mixtures, each once: the same for the same seed."""
    dice = random.Random(f"{seed}/worlds")
    found: dict[str, None] = {}
    while len(found) < many:
        chosen = dice.sample(NAMES[1:], dice.choice(_SIZES))
        found[parse("+".join(chosen))] = None
    return list(found)


def latest(settle: float = SETTLE) -> float:
    """A request of the world "late" is executed that many seconds later, at most."""
    return 3 * settle


def scaled(name: str, settle: float = SETTLE, watch: float = WATCH) -> Sequence[World]:
    """The worlds of a name, with times that fit ``settle`` and ``watch`` as the
    defaults fit 900 seconds and three days.
    """
    scale = settle / 900
    known: dict[str, World] = {
        "lagging": Lagging(1 * scale, 30 * scale),
        "ahead": Ahead(1 * scale, 30 * scale),
        "pending": Pending(60 * scale, watch * 0.7, failing=0.3),
        "forgetful": Forgetful(settle / 2),
        "twice": Twice(),
        "backoffice": BackOffice(),
    }
    return tuple(known[one] for one in parts(name) if one in known)


def may_execute_twice(name: str) -> bool:
    """Whether a repetition may be executed although the first request was: that is a
    discrepancy then, and cannot be prevented.
    """
    on = set(parts(name))
    return "twice" in on or {"forgetful", LATE} <= on
