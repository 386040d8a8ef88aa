"""A model of Nexi's books for one order: what was executed, and what its list shows.

Its list lags by up to half of ``LAG``, its total runs ahead of the list, operations may
be PENDING for hours and then fail, and people make captures and refunds in the back
office.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nexi_payments.enums import OperationKind
from nexi_payments.gateway.responses import OperationResult
from tests.support.readings import NOON, TOTAL, authorization

TYPES = {
    OperationKind.CAPTURE: "CAPTURE",
    OperationKind.VOID: "REFUND",
    OperationKind.REFUND: "REFUND",
    OperationKind.CANCEL: "CANCEL",
}
DONE_WORDS = {
    OperationKind.CAPTURE: "EXECUTED",
    OperationKind.VOID: "VOIDED",
    OperationKind.REFUND: "REFUNDED",
    OperationKind.CANCEL: "EXECUTED",
}


@dataclass
class Movement:
    """``ends_at``: PENDING until then. ``fails``: it ends as FAILED."""

    id: str
    kind: str
    amount: int
    visible_at: datetime
    ends_at: datetime
    fails: bool = False
    target: str = ""

    def word(self, now: datetime) -> str:
        if now < self.ends_at:
            return "PENDING"
        return "FAILED" if self.fails else DONE_WORDS[OperationKind(self.kind)]

    def is_done(self, now: datetime) -> bool:
        return now >= self.ends_at and not self.fails


@dataclass
class NexiBooks:
    movements: list[Movement] = field(default_factory=list)
    now: datetime = NOON

    @property
    def elapsed(self) -> timedelta:
        return self.now - NOON

    def counted(self, kind: str, *, pending: bool = False) -> int:
        """The sum of a kind; a captured amount that was cancelled does not count."""
        cancelled = {
            one.target
            for one in self.movements
            if one.kind == OperationKind.CANCEL and one.is_done(self.now)
        }
        return sum(
            one.amount
            for one in self.movements
            if one.kind == kind
            and one.id not in cancelled
            and (one.is_done(self.now) or (pending and self.now < one.ends_at))
        )

    @property
    def is_released(self) -> bool:
        return bool(self.counted(OperationKind.VOID, pending=True))

    def room(self, kind: str) -> int:
        """The largest amount that Nexi accepts, what is pending included."""
        captured = self.counted(OperationKind.CAPTURE)
        if kind == OperationKind.CAPTURE:
            pending = self.counted(OperationKind.CAPTURE, pending=True)
            return 0 if self.is_released else TOTAL - pending
        if kind == OperationKind.VOID:
            nothing = self.counted(OperationKind.CAPTURE, pending=True) == 0
            return TOTAL if nothing and not self.is_released else 0
        returned = self.counted(OperationKind.REFUND, pending=True)
        cancelling = self.counted(OperationKind.CANCEL, pending=True)
        cancelling -= self.counted(OperationKind.CANCEL)
        return captured - returned - cancelling

    def execute(
        self,
        kind: str,
        amount: int,
        *,
        lag: int = 0,
        pending: float = 0,
        fails: bool = False,
        target: str = "",
    ) -> str:
        """Executes a request; returns its id, "" if there is no room for it. ``lag`` is
        in seconds, ``pending`` in hours."""
        if not 0 < amount <= self.room(kind):
            return ""
        new = Movement(
            f"op-{len(self.movements)}",
            kind,
            amount,
            self.now + timedelta(seconds=lag),
            self.now + timedelta(hours=pending),
            fails and pending > 0,
            target,
        )
        self.movements.append(new)
        return new.id

    def listed(self) -> list[OperationResult]:
        shown = [one for one in self.movements if one.visible_at <= self.now]
        return [
            authorization(),
            *(
                OperationResult(
                    operation_id=one.id,
                    type=TYPES[OperationKind(one.kind)],
                    result=one.word(self.now),
                    amount=one.amount,
                    cancelled_operation_id=one.target,
                )
                for one in shown
            ),
        ]

    @property
    def captured_total(self) -> int:
        """Nexi's total counts what its list does not show yet, and what is pending."""
        return self.counted(OperationKind.CAPTURE, pending=True)
