"""Settles captures, voids, refunds and cancels, and updates the order's totals.

The totals are recomputed from all operations of the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from nexi_payments import enums
from nexi_payments.enums import EventKind, OperationKind, OperationOutcome, OrderState
from nexi_payments.flows.ledger import poll_schedule, transitions
from nexi_payments.gateway import result_codes
from nexi_payments.models import Operation, PaymentOrder


def settle_operation(operation: Operation, outcome: str, **facts: Any) -> bool:
    """Writes the outcome of a capture, void, refund or cancel.

    Call it inside a transaction, before the order's row is changed. False when the
    operation was settled before, or when a negative outcome is about an earlier send
    than the last.
    """
    final = outcome in enums.NEGATIVE_OUTCOMES | {OperationOutcome.DONE}
    values = {
        "outcome": outcome,
        "unsettled_order_id": None,
        "settled_at": timezone.now() if final else None,
        **facts,
    }
    rows = Operation.objects.filter(pk=operation.pk, outcome__in=enums.RESERVING)
    if outcome in enums.NEGATIVE_OUTCOMES:
        rows = rows.filter(send_count=operation.send_count)
    if not rows.update(**values):
        return False
    transitions.assign(operation, values)
    return True


def lock_order(order: PaymentOrder) -> None:
    """Locks the order's row for the transaction and reloads ``order``.

    An UPDATE, because SQLite has no SELECT FOR UPDATE.
    """
    PaymentOrder.objects.filter(pk=order.pk).update(state=F("state"))
    order.refresh_from_db()


def captures_total(order: PaymentOrder) -> int:
    """Confirmed captures without the cancelled ones, in minor units."""
    done = order.operations.filter(outcome=OperationOutcome.DONE)
    captured = done.filter(kind=OperationKind.CAPTURE)
    cancelled = done.filter(kind=OperationKind.CANCEL)
    return sum(row.amount or 0 for row in captured) - sum(
        row.amount or 0 for row in cancelled
    )


def returned_amount(capture: Operation) -> int:
    """What of one capture is refunded, cancelled or reserved for it, in minor units."""
    rows = capture.refunds.filter(
        kind__in=enums.REFUNDING, outcome__in=enums.RESERVING | {OperationOutcome.DONE}
    )
    return sum(row.amount or 0 for row in rows)


def remaining_of(capture: Operation) -> int:
    """What of one capture is neither refunded, cancelled nor reserved for it, in minor
    units. Negative inside a claim that asks for too much.
    """
    return (capture.amount or 0) - returned_amount(capture)


def uncaptured_amount(order: PaymentOrder) -> int:
    """Authorized, neither captured nor reserved for a capture, in minor units."""
    return order.authorized_amount - order.captured_amount - order.capturing_amount


def unrefunded_amount(order: PaymentOrder) -> int:
    """Captured, neither refunded nor reserved for a refund, in minor units."""
    return order.captured_amount - order.refunded_amount - order.refunding_amount


def update_totals(order: PaymentOrder, operation: Operation | None = None) -> None:
    """Recomputes the order's totals and applies the state that follows from them.

    ``operation`` is the one that has just changed. Call it inside a transaction, right
    after the change of the operation. It locks the order's row first, so concurrent
    calls run one after the other.
    """
    lock_order(order)
    rows = list(order.operations.all())
    before = order.refunded_amount
    changes = _totals(order, rows)
    if order.refunded_amount != changes["refunded_amount"]:
        changes["refunded_at"] = timezone.now()
    transitions.assign(order, changes)
    changes |= _poll_columns(order, rows)
    PaymentOrder.objects.filter(pk=order.pk).update(**changes)
    transitions.assign(order, changes)
    _transition_by_totals(order, operation, refunded=order.refunded_amount > before)


def _totals(order: PaymentOrder, rows: Iterable[Operation]) -> dict[str, Any]:
    def total(outcomes: Iterable[str], *kinds: str) -> int:
        return sum(
            row.amount or 0
            for row in rows
            if row.kind in kinds and row.outcome in outcomes
        )

    captured_at_once = any(
        row.kind in enums.CHARGING
        and row.outcome == OperationOutcome.DONE
        and row.result == result_codes.EXECUTED
        for row in rows
    )
    done = {OperationOutcome.DONE}
    captured = total(done, OperationKind.CAPTURE) - total(done, OperationKind.CANCEL)
    return {
        "captured_amount": order.amount if captured_at_once else captured,
        "capturing_amount": total(enums.RESERVING, OperationKind.CAPTURE),
        "refunded_amount": total(done, OperationKind.REFUND),
        # a capture that is being cancelled must not be refunded
        "refunding_amount": total(enums.RESERVING, *enums.REFUNDING),
    }


def _poll_columns(order: PaymentOrder, rows: Iterable[Operation]) -> dict[str, Any]:
    """``unsettled_since`` and ``next_poll_at`` by what is still on its way."""
    if order.state == OrderState.REVIEW:
        return {}
    waiting = [
        row.created_at
        for row in rows
        if row.kind in enums.POST_CHARGE and row.outcome in enums.RESERVING
    ]
    since = min(waiting, default=None)
    return {"unsettled_since": since, "next_poll_at": _next_poll(order, since)}


def _next_poll(order: PaymentOrder, since: datetime | None) -> datetime | None:
    now = timezone.now()
    if since is not None:
        due = now + poll_schedule.scaled_minutes(1)
        return min(order.next_poll_at, due) if order.next_poll_at else due
    if order.state == OrderState.AUTHORIZED:
        state = poll_schedule.PollState.of(order, unsettled_since=None)
        return poll_schedule.next_poll(state, now, answered=False)
    return None


def _transition_by_totals(
    order: PaymentOrder, operation: Operation | None, *, refunded: bool
) -> None:
    """Applies the state that follows from the totals.

    The first capture makes the order paid, a complete refund refunded, the cancel of
    the only capture authorized again. A later capture, a partial refund or a cancel of
    one of several captures writes an event and changes no state.
    """
    since = order.unsettled_since
    cancelled = _is_done(operation, OperationKind.CANCEL)
    if order.state == OrderState.AUTHORIZED and order.captured_amount:
        transitions.transition(order, OrderState.PAID, operation=operation)
        _keep_unsettled(order, since)
    elif cancelled and order.state == OrderState.PAID:
        _apply_cancel(order, operation, since)
    elif _is_done(operation, OperationKind.CAPTURE) and order.state == OrderState.PAID:
        transitions.write_event(
            order, EventKind.CAPTURED, source=order.state, operation=operation
        )
    elif _is_done(operation, OperationKind.VOID):
        transitions.transition(order, OrderState.VOIDED, operation=operation)
    elif refunded and order.state in (OrderState.PAID, OrderState.REVIEW):
        pending = order.capturing_amount or order.refunding_amount
        if order.refunded_amount == order.captured_amount and not pending:
            transitions.transition(order, OrderState.REFUNDED, operation=operation)
        else:
            transitions.write_event(
                order, OrderState.REFUNDED, source=order.state, operation=operation
            )


def _apply_cancel(
    order: PaymentOrder, operation: Operation | None, since: datetime | None
) -> None:
    transitions.write_event(
        order, EventKind.CAPTURE_CANCELLED, source=order.state, operation=operation
    )
    if order.captured_amount == 0 and not order.capturing_amount:
        transitions.transition(
            order,
            OrderState.AUTHORIZED,
            reason=enums.Reason.CAPTURE_CANCELLED,
            operation=operation,
        )
        _keep_unsettled(order, since)
    elif order.refunded_amount == order.captured_amount and not (
        order.capturing_amount or order.refunding_amount
    ):
        transitions.transition(order, OrderState.REFUNDED, operation=operation)


def _keep_unsettled(order: PaymentOrder, since: datetime | None) -> None:
    """Restores what a transition has reset while other operations are on their way."""
    columns = {"unsettled_since": since, "next_poll_at": _next_poll(order, since)}
    PaymentOrder.objects.filter(pk=order.pk).update(**columns)
    transitions.assign(order, columns)


def _is_done(operation: Operation | None, kind: str) -> bool:
    return (
        operation is not None
        and operation.kind == kind
        and operation.outcome == OperationOutcome.DONE
    )
