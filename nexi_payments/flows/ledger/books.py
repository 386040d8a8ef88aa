"""Table A: the sums of an order's operations, and the state that follows. Pure.

The sums come from operations alone. Nexi's totals confirm or contradict them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from nexi_payments import enums
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.flows.ledger.facts import OperationFacts
from nexi_payments.gateway import result_codes

CHARGES: Final = enums.CHARGING
_ENDED: Final = result_codes.REVERSED | {result_codes.EXPIRED}
#: Results of a charge that was captured at once.
CAPTURED_WITH_CHARGE: Final = frozenset({result_codes.EXECUTED, result_codes.REFUNDED})


@dataclass(frozen=True)
class Books:
    """Sums in minor units. ``released``: voided or lapsed."""

    authorized: int = 0
    captured: int = 0
    refunded: int = 0
    capturing: int = 0
    refunding: int = 0
    voiding: int = 0
    released: int = 0

    @property
    def held(self) -> int:
        """Authorized, neither captured nor released."""
        return max(0, self.authorized - self.captured - self.released)

    @property
    def kept(self) -> int:
        """Captured and not returned."""
        return self.captured - self.refunded

    @property
    def in_flight(self) -> int:
        return self.capturing + self.refunding + self.voiding

    @property
    def is_empty(self) -> bool:
        """No money is left, and none is on its way."""
        return self.kept == self.held == self.in_flight == 0


def sum_up(rows: Sequence[OperationFacts]) -> Books:
    """Adds up an order's operations."""
    charges = [row for row in rows if row.kind in CHARGES and row.done]
    authorized = _sum(charges)
    done = [row for row in rows if row.done]
    rolled_back = {row.parent for row in done if row.kind == OperationKind.CANCEL}
    captures = [row for row in rows if row.kind == OperationKind.CAPTURE]
    captured = _sum(row for row in captures if row.done and row.key not in rolled_back)
    at_once = [row for row in charges if row.result in CAPTURED_WITH_CHARGE]
    reversed_ = [row for row in charges if row.result in _ENDED]
    reversed_ = [row for row in reversed_ if row not in at_once]
    if not captures:
        captured = _sum(at_once)
    refunded = _sum(
        row
        for row in done
        if row.kind == OperationKind.REFUND and row.key not in rolled_back
    )
    voids = [row for row in done if row.kind == OperationKind.VOID]
    # a void after a capture gives captured money back
    refunded += max(0, _sum(voids) - max(0, authorized - captured)) if voids else 0
    waiting = [row for row in rows if row.in_flight]
    return Books(
        authorized=authorized,
        captured=captured,
        refunded=refunded,
        capturing=_sum(row for row in waiting if row.kind == OperationKind.CAPTURE),
        refunding=_sum(row for row in waiting if row.kind in enums.REFUNDING),
        voiding=_sum(row for row in waiting if row.kind == OperationKind.VOID),
        released=_released(reversed_, voids),
    )


def _released(
    charges: Sequence[OperationFacts], voids: Sequence[OperationFacts]
) -> int:
    """Nexi shows one release twice: as a void, and as the word of its charge. A void
    that was made at Nexi names no charge.
    """
    ids = {row.operation_id for row in charges}
    of_others = _sum(row for row in voids if row.target_id and row.target_id not in ids)
    unnamed = _sum(row for row in voids if not row.target_id)
    return of_others + max(_sum(charges), unnamed)


def state_of(
    books: Books, amount: int, *, undecided: bool, blocked: bool
) -> str | None:
    """The state of an order with these sums; ``None``: unchanged.

    ``amount`` is the order's. ``undecided``: a charge may still be on its way.
    ``blocked``: an unresolved discrepancy needs a person.
    """
    if books.authorized == 0 and undecided:
        return None
    blocked = blocked or is_odd(books, amount)
    if blocked and not (books.is_empty and books.authorized):
        return OrderState.REVIEW
    return plain_state(books)


def is_odd(books: Books, amount: int) -> bool:
    """Whether sums do not fit a payment of ``amount``: a person must look."""
    return (
        books.refunded > books.captured
        or books.captured > books.authorized
        or books.kept + books.held > amount
    )


def plain_state(books: Books) -> str | None:
    """The state by the sums alone; ``None`` while something is on its way."""
    if books.authorized == 0:
        return OrderState.FAILED
    if books.kept > 0:
        return OrderState.PAID
    if books.held > 0:
        return OrderState.AUTHORIZED
    if books.in_flight:
        return None
    return OrderState.REFUNDED if books.captured else OrderState.VOIDED


def _sum(rows: Iterable[OperationFacts]) -> int:
    return sum(row.amount or 0 for row in rows)
