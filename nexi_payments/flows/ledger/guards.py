"""What a claim of an order requires, and what it writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from nexi_payments.models import raw_sql
from nexi_payments.models.bookkeeping import AttemptLock
from nexi_payments.models.raw_sql import Rows


@dataclass(frozen=True, repr=False)
class Guard:
    """Rows that forbid a request; the statement that claims the order counts them.

    ``locks`` are numbers of ``AttemptLock``, locked first: requests that count the same
    rows do so one after the other, and each sees the claims before it. ``columns`` are
    written to the order with the claim. ``explain`` raises why nothing was claimed, or
    returns if that is no longer so.
    """

    unless: Sequence[Rows] = ()
    locks: Collection[int] = ()
    columns: dict[str, Any] = field(default_factory=dict)
    explain: Callable[[], None] = lambda: None

    def lock(self) -> None:
        """Call it first in the transaction of the claim."""
        if self.locks:
            raw_sql.lock(AttemptLock, sorted(self.locks))


NO_GUARD = Guard()


@dataclass(frozen=True)
class Claim:
    """What the first commit requires and writes, besides the states of the call.

    ``conditions`` are filters on the order's row, ``changes`` are columns of it,
    ``details`` are columns of the operation, its amount (minor units) among them.
    ``guard`` is what other rows have to say.
    """

    conditions: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    guard: Guard = NO_GUARD
