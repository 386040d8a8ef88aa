"""Adopts captures and refunds that were made at Nexi, not by us, as rows of ours.

Nexi shows a capture twice: in its list of operations and in the order's total. The
total may appear first. It may also include a capture of ours that is still on its way,
or that fails later. So the total counts only where no capture of ours explains it, and
a capture that is listed later is the same money.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf, enums
from nexi_payments.enums import (
    DiscrepancyKind,
    OperationKind,
    OperationOutcome,
    OrderState,
)
from nexi_payments.flows.ledger import discrepancies
from nexi_payments.flows.ledger.totals import (
    captures_total,
    lock_order,
    returned_amount,
    uncaptured_amount,
    unrefunded_amount,
    update_totals,
)
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import Operation, PaymentOrder, db_transactions

#: A capture known from the total alone: no request of ours, no id at Nexi.
KNOWN_FROM_TOTAL: Final = Q(
    kind=OperationKind.CAPTURE,
    outcome=OperationOutcome.DONE,
    correlation_id="",
    gateway_operation_id="",
)


def adopt(order: PaymentOrder, operation: OperationResult) -> None:
    """Adopts a listed capture or refund that no operation of ours explains.

    It becomes a row if the totals allow it, else a discrepancy. Idempotent.
    """
    if operation.result in result_codes.COMPLETED and operation.operation_id:
        _adopt(order, operation)


@db_transactions.retried()
def _adopt(order: PaymentOrder, operation: OperationResult) -> None:
    lock_order(order)
    row = _adopted_operation(order, operation)
    if row is not None:
        _insert_adopted(order, row)


@db_transactions.retried()
def adopt_captured_total(order: PaymentOrder, captured: int) -> None:
    """Adopts the part of Nexi's total that no capture of ours explains.

    ``captured`` is the total in minor units. Captures of ours that are on their way are
    subtracted first. One that was just declined or cancelled may still be in the total:
    a later inquiry decides then. An order has at most one such row; it grows with the
    total.
    """
    lock_order(order)
    if _total_may_lag(order):
        return
    amount = captured - captures_total(order) - order.capturing_amount
    charged = order.state in (
        OrderState.AUTHORIZED,
        OrderState.PAID,
        OrderState.REVIEW,
    )
    if not charged or amount <= 0:
        return
    row = order.operations.filter(KNOWN_FROM_TOTAL).first()
    if row is None:
        row = _new_operation(order, OperationKind.CAPTURE, amount)
        row.save(force_insert=True)
    else:
        row.amount = (row.amount or 0) + amount
        row.save(update_fields=["amount"])
    update_totals(order, row)


def _total_may_lag(order: PaymentOrder) -> bool:
    """Whether Nexi's total may still hold a capture that has ended."""
    since = timezone.now() - timedelta(seconds=conf.current().settle_after)
    ended = Q(kind=OperationKind.CAPTURE, outcome__in=enums.NEGATIVE_OUTCOMES) | Q(
        kind=OperationKind.CANCEL, outcome=OperationOutcome.DONE
    )
    return order.operations.filter(ended, settled_at__gt=since).exists()


def adopt_captures_in_total(
    order: PaymentOrder, operations: Iterable[OperationResult]
) -> list[OperationResult]:
    """Adopts the listed captures that the total already showed, and returns them.

    They replace the row of the total. They must not be matched with a capture of ours:
    the same money would count twice.
    """
    captures = [
        one
        for one in operations
        if one.type == result_codes.CAPTURE
        and one.result in result_codes.COMPLETED
        and one.amount
    ]
    from_total = amount_from_total(order) if captures else 0
    explained = []
    for one in captures:
        if (one.amount or 0) <= from_total:
            from_total -= one.amount or 0
            explained.append(one)
            adopt(order, one)
    return explained


def amount_from_total(order: PaymentOrder) -> int:
    """The amount that only the total shows, in minor units."""
    return sum(row.amount or 0 for row in order.operations.filter(KNOWN_FROM_TOTAL))


def _adopted_operation(
    order: PaymentOrder, operation: OperationResult
) -> Operation | None:
    known = Operation.objects.filter(gateway_operation_id=operation.operation_id[:64])
    if known.filter(order=order).exists():
        return None  # a concurrent inquiry was faster
    kind = (
        OperationKind.CAPTURE
        if operation.type == result_codes.CAPTURE
        else OperationKind.REFUND
    )
    from_total = amount_from_total(order) if kind == OperationKind.CAPTURE else 0
    known_amount = 0 < (operation.amount or 0) <= from_total
    if order.state == OrderState.REVIEW and not known_amount:
        return None  # a person decides, and a new inquiry follows
    if order.state not in (
        OrderState.AUTHORIZED,
        OrderState.PAID,
        OrderState.REVIEW,
    ) or (order.state == OrderState.AUTHORIZED and kind == OperationKind.REFUND):
        return None  # a void is read from the totals
    remaining = (
        uncaptured_amount(order)
        if kind == OperationKind.CAPTURE
        else unrefunded_amount(order)
    )
    theirs = f"{operation.type} {operation.amount} {operation.operation_id}"
    if known.exists():
        discrepancies.record(
            order, DiscrepancyKind.SAME_ID, "an operation of another order", theirs
        )
        return None
    if (
        operation.type == result_codes.CANCEL
        or operation.amount is None
        or not 0 < operation.amount <= remaining + from_total
    ):
        discrepancies.record(
            order, DiscrepancyKind.MADE_AT_NEXI, "no such operation", theirs
        )
        return None
    row = _new_operation(order, kind, operation.amount)
    row.gateway_operation_id = operation.operation_id[:64]
    row.result = operation.result
    row.capture = _only_capture(order) if kind == OperationKind.REFUND else None
    return row


def _new_operation(order: PaymentOrder, kind: str, amount: int) -> Operation:
    now = timezone.now()
    return Operation(
        order=order,
        kind=kind,
        outcome=OperationOutcome.DONE,
        amount=amount,
        correlation_id="",
        created_at=now,
        settled_at=now,
    )


def _insert_adopted(order: PaymentOrder, row: Operation) -> None:
    """Inserts an adopted row, instead of the row of the total where that covers it.

    Call it inside the transaction that has locked the order.
    """
    total_row = order.operations.filter(KNOWN_FROM_TOTAL).first()
    if row.kind != OperationKind.CAPTURE or total_row is None:
        row.save(force_insert=True)
        update_totals(order, row)
        return
    from_total, listed = total_row.amount or 0, row.amount or 0
    if from_total > listed:
        if returned_amount(total_row) > from_total - listed:
            return  # its refunds belong to the whole amount: it is not split
        total_row.amount = from_total - listed
        total_row.save(update_fields=["amount"])
        row.save(force_insert=True)
    else:
        total_row.amount = listed
        total_row.gateway_operation_id = row.gateway_operation_id
        total_row.result = row.result
        total_row.save(update_fields=["amount", "gateway_operation_id", "result"])
    # an event only for a new amount: none if the total showed all of it before
    update_totals(order, total_row if listed > from_total else None)


def _only_capture(order: PaymentOrder) -> Operation | None:
    captures = order.operations.filter(
        kind=OperationKind.CAPTURE, outcome=OperationOutcome.DONE
    )
    return captures[0] if len(captures) == 1 else None
