"""Captures, voids and refunds settle here: the operation, then the sums on the order's
row, added up anew from all its operations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.db.models import F
from django.utils import timezone

from nexi_payments import states
from nexi_payments.flows import moves, schedule
from nexi_payments.gateway import codes
from nexi_payments.models import Operation, PaymentOrder

#: ``Event.kind`` of a capture after the first, and of a cancelled one
CAPTURED: Final = "captured"
CANCELLED: Final = "cancelled"


def confirm(operation: Operation, outcome: str, **facts: Any) -> bool:
    """A capture, void or refund as a look-up shows it. To be called inside a
    transaction, before the order's row is touched; False when it was settled before.
    """
    final = outcome in (states.DONE, states.DECLINED)
    values = {
        "outcome": outcome,
        "open_slot": None,
        "settled_at": timezone.now() if final else None,
        **facts,
    }
    rows = Operation.objects.filter(pk=operation.pk, outcome__in=states.RESERVING)
    if not rows.update(**values):
        return False
    moves.assign(operation, values)
    return True


def lock(order: PaymentOrder) -> None:
    """Whoever changes this order's sums waits here for whoever does it already; then
    ``order`` is as it is on disk."""
    PaymentOrder.objects.filter(pk=order.pk).update(state=F("state"))
    order.refresh_from_db()


def booked_in_parts(order: PaymentOrder) -> int:
    """The sum of the confirmed captures that stand, minor units."""
    done = order.operations.filter(outcome=states.DONE)
    captured = done.filter(kind=states.CAPTURE)
    cancelled = done.filter(kind=states.CANCEL)
    return sum(row.amount or 0 for row in captured) - sum(
        row.amount or 0 for row in cancelled
    )


def tally(order: PaymentOrder, operation: Operation | None = None) -> None:
    """Writes what was captured and given back, and what is on its way, and moves the
    order on where that follows. ``operation`` is the one that has just changed.

    Inside a transaction, after the operation and before anything else: the order's row
    is locked first, so that two of them add up one after the other.
    """
    lock(order)
    rows = list(order.operations.all())
    before = order.refunded_amount
    changes = _sums(order, rows)
    if order.refunded_amount != changes["refunded_amount"]:
        changes["refunded_at"] = timezone.now()
    moves.assign(order, changes)
    changes |= _times(order, rows)
    PaymentOrder.objects.filter(pk=order.pk).update(**changes)
    moves.assign(order, changes)
    _follow(order, operation, gave_back=order.refunded_amount > before)


def _sums(order: PaymentOrder, rows: Iterable[Operation]) -> dict[str, Any]:
    def total(outcomes: Iterable[str], *kinds: str) -> int:
        return sum(
            row.amount or 0
            for row in rows
            if row.kind in kinds and row.outcome in outcomes
        )

    booked_at_once = any(
        row.kind in states.CHARGING
        and row.outcome == states.DONE
        and row.result == codes.EXECUTED
        for row in rows
    )
    done = {states.DONE}
    captured = total(done, states.CAPTURE) - total(done, states.CANCEL)
    return {
        "captured_amount": order.amount if booked_at_once else captured,
        "capturing_amount": total(states.RESERVING, states.CAPTURE),
        "refunded_amount": total(done, states.REFUND),
        # a capture that is being cancelled is nobody's to refund
        "refunding_amount": total(states.RESERVING, *states.BACKWARDS),
    }


def _times(order: PaymentOrder, rows: Iterable[Operation]) -> dict[str, Any]:
    """Since when something is open, and when to look again."""
    if order.state == states.REVIEW:
        return {}
    waiting = [
        row.created_at
        for row in rows
        if row.kind in states.AFTERWARDS and row.outcome in states.RESERVING
    ]
    since = min(waiting, default=None)
    return {"unsettled_since": since, "due_at": _due(order, since)}


def _due(order: PaymentOrder, since: datetime | None) -> datetime | None:
    now = timezone.now()
    if since is not None:
        soon = now + schedule.minutes(1)
        return min(order.due_at, soon) if order.due_at else soon
    if order.state == states.AUTHORIZED:
        situation = schedule.Situation.of(order, unsettled_since=None)
        return schedule.next_look(situation, now, good=False)
    return None


def _follow(
    order: PaymentOrder, operation: Operation | None, *, gave_back: bool
) -> None:
    """The state that follows from the sums: the first capture pays, the last refund
    ends it, the cancel of the only capture leaves the authorization; a later capture,
    a refund or a cancel in part is told to the shop and changes no state."""
    since = order.unsettled_since
    cancelled = _is_done(operation, states.CANCEL)
    if order.state == states.AUTHORIZED and order.captured_amount:
        moves.move(order, states.PAID, operation=operation)
        _keep_open(order, since)
    elif cancelled and order.state == states.PAID:
        _after_cancel(order, operation, since)
    elif _is_done(operation, states.CAPTURE) and order.state == states.PAID:
        moves.write_event(order, CAPTURED, source=order.state, operation=operation)
    elif _is_done(operation, states.VOID):
        moves.move(order, states.VOIDED, operation=operation)
    elif gave_back and order.state in (states.PAID, states.REVIEW):
        open_sums = order.capturing_amount or order.refunding_amount
        if order.refunded_amount == order.captured_amount and not open_sums:
            moves.move(order, states.REFUNDED, operation=operation)
        else:
            moves.write_event(
                order, states.REFUNDED, source=order.state, operation=operation
            )


def _after_cancel(
    order: PaymentOrder, operation: Operation | None, since: datetime | None
) -> None:
    moves.write_event(order, CANCELLED, source=order.state, operation=operation)
    if order.captured_amount == 0 and not order.capturing_amount:
        moves.move(
            order,
            states.AUTHORIZED,
            reason=states.Reason.CANCELLED,
            operation=operation,
        )
        _keep_open(order, since)
    elif order.refunded_amount == order.captured_amount and not (
        order.capturing_amount or order.refunding_amount
    ):
        moves.move(order, states.REFUNDED, operation=operation)


def _keep_open(order: PaymentOrder, since: datetime | None) -> None:
    """A new state does not settle what else is on its way."""
    keep = {"unsettled_since": since, "due_at": _due(order, since)}
    PaymentOrder.objects.filter(pk=order.pk).update(**keep)
    moves.assign(order, keep)


def _is_done(operation: Operation | None, kind: str) -> bool:
    return (
        operation is not None
        and operation.kind == kind
        and operation.outcome == states.DONE
    )
