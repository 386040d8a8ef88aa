"""The events of operations that an inquiry found done, each once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from nexi_payments import enums
from nexi_payments.enums import EventKind, OperationKind, OperationOutcome, OrderState
from nexi_payments.flows.inquiry import duplicates
from nexi_payments.flows.ledger import transitions
from nexi_payments.flows.ledger.facts import OperationFacts
from nexi_payments.models import Operation, PaymentOrder

#: States whose event comes after those of the operations that led to it.
ENDS: Final = enums.RETURNED | {OrderState.AUTHORIZED}
#: State → the kinds of operations that lead to it, the likeliest first.
_LEADING: Final[dict[str, tuple[str, ...]]] = {
    OrderState.PAID: (OperationKind.CAPTURE, *sorted(enums.CHARGING)),
    OrderState.AUTHORIZED: (OperationKind.CANCEL, *sorted(enums.CHARGING)),
    OrderState.REFUNDED: (OperationKind.REFUND, OperationKind.VOID),
    OrderState.VOIDED: (OperationKind.VOID,),
}
_CHARGES: Final = tuple(sorted(enums.CHARGING))


@dataclass(frozen=True)
class News:
    """``done``: operations that are done now and were not before. ``ended``: charges
    that ended without money.
    """

    done: tuple[Operation, ...]
    ended: tuple[Operation, ...] = ()

    @classmethod
    def of(cls, changed: Iterable[Operation], before: Iterable[OperationFacts]) -> News:
        amounts = {one.key: one.amount for one in before if one.done}
        changed = list(changed)
        done = [
            row
            for row in changed
            if row.outcome == OperationOutcome.DONE
            and (row.amount or 0) > (amounts.get(row.pk) or 0)
        ]
        done = _without_known(changed, done, amounts)
        # done and taken back in one reading: no money moved
        rolled_back = {row.capture_id for row in done if _is_cancel(row)}
        found = {row.pk for row in done}
        ended = [row for row in changed if row.outcome in enums.NEGATIVE_OUTCOMES]
        return cls(
            tuple(
                row
                for row in done
                if row.pk not in rolled_back
                and not (_is_cancel(row) and row.capture_id in found)
            ),
            tuple(ended),
        )

    def named_by(self, state: str) -> Operation | None:
        """The operation that the event of a new state names."""
        rows = (*self.done, *self.ended)
        for kind in _LEADING.get(state, _CHARGES):
            of_kind = [row for row in rows if row.kind == kind]
            if of_kind:
                # the first capture makes it paid, the last refund makes it refunded
                return of_kind[0 if state == OrderState.PAID else -1]
        return None

    def write(
        self, order: PaymentOrder, named: Operation | None = None, target: str = ""
    ) -> None:
        """Writes the events of all operations but ``named``, which the event of the
        new state names. Nothing that is gone already is announced as captured.
        """
        for row in self.done:
            if row is named and not _is_cancel(row):
                continue
            if kind := _event_kind(order, row, target):
                silent = kind == EventKind.REFUNDED and self.is_untold(order)
                transitions.write_event(
                    order, kind, source=order.state, operation=row, silent=silent
                )

    def is_untold(self, order: PaymentOrder) -> bool:
        """Whether the shop does not know of the money that goes back: a duplicate."""
        return bool(self.done) and duplicates.is_untold(order)


def _without_known(
    changed: Iterable[Operation], done: list[Operation], before: dict[int, int | None]
) -> list[Operation]:
    """``done`` without the captures that Nexi's total had shown: they were announced
    then, and the row of the total gives way to them.
    """
    gave_way = sum(
        max(0, (before.get(row.pk) or 0) - (row.amount or 0))
        for row in changed
        if row.by_totals
    )
    found = []
    for row in done:
        if row.kind == OperationKind.CAPTURE and (row.amount or 0) <= gave_way:
            gave_way -= row.amount or 0
        else:
            found.append(row)
    return found


def _event_kind(order: PaymentOrder, row: Operation, target: str) -> str:
    if row.kind == OperationKind.CAPTURE and order.state == OrderState.PAID:
        return "" if target in ENDS else EventKind.CAPTURED
    if row.kind == OperationKind.REFUND:
        return EventKind.REFUNDED
    if not _is_cancel(row) or row.capture is None:
        return ""
    of_capture = row.capture.kind == OperationKind.CAPTURE
    return EventKind.CAPTURE_CANCELLED if of_capture else ""


def _is_cancel(row: Operation) -> bool:
    return row.kind == OperationKind.CANCEL
