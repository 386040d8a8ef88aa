"""Builds the differences of a closing, and the lines of its totals."""

from __future__ import annotations

from nexi_payments.enums import Aspect, DifferenceKind
from nexi_payments.flows.closing import figures
from nexi_payments.flows.closing.figures import Group
from nexi_payments.flows.closing.ledger_rows import LedgerRow
from nexi_payments.gateway.responses import OperationResult, OrderResult
from nexi_payments.models import ClosingDifference, PaymentOrder


def group(row: LedgerRow) -> Group:
    return Group(
        row.terminal,
        row.channel,
        row.method,
        row.circuit,
        row.currency,
        row.clerk_id,
        row.movement,
    )


def group_at_nexi(
    entry: OperationResult, order: PaymentOrder | None, terminal: str
) -> Group:
    """Of an operation that we do not have: what its order says, or the entry."""
    movement = figures.movement_of(entry)
    if order is not None:
        known = (order.terminal, order.channel, order.method, order.card_brand)
        return Group(*known, entry.currency or order.currency, None, movement)
    circuit = entry.brand[:16]
    method = figures.method_of(entry)
    return Group(terminal, "", method, circuit, entry.currency, None, movement)


def of_row(
    kind: str, row: LedgerRow, entry: OperationResult | None = None
) -> ClosingDifference:
    """Of a row of ours, and of Nexi's entry if there is one. Unsaved."""
    difference = ClosingDifference(
        kind=kind,
        terminal=row.terminal,
        order_id=row.order_id,
        reference=row.reference or "",
        operation_id=row.operation_id,
        our_kind=row.kind,
        our_outcome=row.outcome,
        our_amount=row.amount,
        our_currency=row.currency,
        at=row.time,
    )
    return difference if entry is None else _with_entry(difference, entry)


def of_entry(
    entry: OperationResult, order: PaymentOrder | None, terminal: str
) -> ClosingDifference:
    """Of an operation that we do not have. Unsaved."""
    difference = ClosingDifference(
        kind=DifferenceKind.MISSING_HERE,
        terminal=order.terminal if order else terminal,
        order_id=entry.order_id[:64],
        reference=(order.reference if order else "") or "",
    )
    return _with_entry(difference, entry)


def of_totals(
    listed: OrderResult, order: PaymentOrder | None, terminal: str
) -> ClosingDifference:
    """Of an order whose totals differ. Unsaved; the amounts are what was captured."""
    return ClosingDifference(
        kind=DifferenceKind.DIFFERENT if order else DifferenceKind.MISSING_HERE,
        aspects=Aspect.TOTALS,
        terminal=order.terminal if order else terminal,
        order_id=listed.order_id[:64],
        reference=(order.reference if order else "") or "",
        our_amount=order.captured_amount if order else None,
        our_currency=order.currency if order else "",
        their_type=listed.last_type,
        their_amount=listed.captured,
        their_currency=listed.currency[:3],
        at=listed.last_time,
    )


def _with_entry(
    difference: ClosingDifference, entry: OperationResult
) -> ClosingDifference:
    difference.operation_id = entry.operation_id[:64]
    difference.their_type = entry.type
    difference.their_result = entry.result
    difference.their_amount = entry.amount
    difference.their_currency = entry.currency[:3]
    difference.at = entry.time or difference.at
    return difference
