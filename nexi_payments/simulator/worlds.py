"""Worlds: what a real gateway may do after a charge, and a simulator mostly does not.

A world is on while it is among ``Simulator.worlds``; several may be on. Each decision
depends on the seed, on the number of the order (in the sequence in which these worlds
met them) and on the number of its operation, so a seed repeats the same decisions. All
times are seconds of the simulator's clock. Nothing sleeps.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar


@dataclass(frozen=True)
class World:
    """Base class of the worlds. ``name`` is that of the command line."""

    name: ClassVar[str]


@dataclass(frozen=True)
class Lagging(World):
    """Nexi's list of operations, its lookups by id and its totals are behind.

    Each operation, and each later result of it, shows after ``shortest`` to ``longest``
    seconds. A phone order or a charge of a contract is a 404 until then. The responses
    to requests are not behind."""

    name: ClassVar[str] = "lagging"
    shortest: float = 1
    longest: float = 30


@dataclass(frozen=True)
class Ahead(World):
    """The totals of an order are ahead of its list of operations.

    Operations are behind as in ``Lagging``; the totals are not, and ``capturedAmount``
    counts pending captures, too, also those that fail later."""

    name: ClassVar[str] = "ahead"
    shortest: float = 1
    longest: float = 30


@dataclass(frozen=True)
class Pending(World):
    """Captures, refunds and voids are PENDING for ``shortest`` to ``longest`` seconds.

    Then they are done, or FAILED: ``failing`` is the share of the latter, 0 to 1."""

    name: ClassVar[str] = "pending"
    shortest: float = 60
    longest: float = 48 * 3600
    failing: float = 0.5


@dataclass(frozen=True)
class Forgetful(World):
    """An Idempotency-Key is forgotten ``seconds`` after its request was executed.

    A repetition is then a new request."""

    name: ClassVar[str] = "forgetful"
    seconds: float = 12 * 3600


@dataclass(frozen=True)
class Twice(World):
    """A repetition with the same Idempotency-Key is executed again."""

    name: ClassVar[str] = "twice"


@dataclass(frozen=True)
class Late(World):
    """A request that moves money, and whose response was lost or was an error, is
    executed later: 0 to ``longest`` seconds, by default three times ``SETTLE_AFTER``.

    It applies to the faults that are set with ``lose_next_answer``, ``fail_next``,
    ``next_reply`` (an HTTP status from 400) and ``faults`` ("lost"), not to test cards.
    A connection that was refused has sent nothing. The requests are kept in memory: a
    restart loses them."""

    name: ClassVar[str] = "late"
    longest: float = 3 * 900


@dataclass(frozen=True)
class BackOffice(World):
    """Somebody captures, refunds and voids in Nexi's back office at the same time.

    ``share`` (0 to 1) of the requests to capture, refund or cancel have an operation
    of the back office just before or just after them, half of these of the same kind
    and amount. Each has an id of its own. Nexi's rules apply to both."""

    name: ClassVar[str] = "backoffice"
    share: float = 0.5


#: All worlds by their name.
WORLDS: Final[dict[str, type[World]]] = {
    one.name: one
    for one in (Lagging, Ahead, Pending, Forgetful, Twice, Late, BackOffice)
}

_W = TypeVar("_W", bound=World)


def world_names(text: str) -> list[str]:
    """Read ``"lagging,pending"``. Raises ``ValueError`` for an unknown name."""
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in WORLDS]:
        known = ", ".join(WORLDS)
        raise ValueError(f"no world {unknown[0]!r}; there are: {known}")
    return names


def worlds_by_name(names: Iterable[str]) -> list[World]:
    """Return worlds with their defaults, each once.

    Each name may be several, separated by commas. Raises ``ValueError`` for an unknown
    one."""
    wanted = dict.fromkeys(one for name in names for one in world_names(name))
    return [WORLDS[name]() for name in wanted]


class WorldSet:
    """The worlds that are on, and what they decide."""

    def __init__(self, worlds: Iterable[World] = (), seed: str = "") -> None:
        self.worlds = tuple(worlds)
        self.seed = seed
        for one in self.worlds:
            if not isinstance(one, World):
                raise TypeError(f"no world: {one!r}; for example Lagging()")
        if len({type(one) for one in self.worlds}) < len(self.worlds):
            raise ValueError("a world is on twice")
        self._order_numbers: dict[str, int] = {}
        self._late_requests = 0
        self._lock = threading.Lock()

    def find(self, kind: type[_W]) -> _W | None:
        return next((one for one in self.worlds if isinstance(one, kind)), None)

    def dice(self, question: str, order_id: str, number: int) -> random.Random:
        """Return the random generator of one question about one operation.

        ``number`` counts the order's operations; the charge is 0."""
        with self._lock:
            order = self._order_numbers.setdefault(
                order_id, len(self._order_numbers) + 1
            )
        return random.Random(f"{self.seed}/{question}/{order}/{number}")  # noqa: S311

    def lag(self, order_id: str, number: int) -> float:
        """Return by how many seconds an operation is shown late."""
        lags = [one for one in self.worlds if isinstance(one, (Lagging, Ahead))]
        dice = self.dice("lag", order_id, number)
        return max(
            (dice.uniform(one.shortest, one.longest) for one in lags), default=0.0
        )

    def pending_time(self, order_id: str, number: int) -> tuple[float, bool]:
        """Return how many seconds an operation is PENDING, and whether it then fails.

        (0.0, False) in any other world."""
        world = self.find(Pending)
        if world is None:
            return 0.0, False
        dice = self.dice("pending", order_id, number)
        seconds = dice.uniform(world.shortest, world.longest)
        return seconds, dice.random() < world.failing

    def late_by(self) -> float:
        """Return after how many seconds the next late request is executed."""
        world = self.find(Late)
        with self._lock:
            self._late_requests += 1
            number = self._late_requests
        dice = random.Random(f"{self.seed}/late/{number}")  # noqa: S311
        return dice.uniform(0, world.longest if world else 0)
