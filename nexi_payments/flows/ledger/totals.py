"""The sums of an order, recomputed from all its operations."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from nexi_payments import enums
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.flows.ledger import books, facts, poll_schedule, transitions
from nexi_payments.flows.ledger.books import Books
from nexi_payments.flows.ledger.facts import OperationFacts
from nexi_payments.models import Operation, PaymentOrder, raw_sql


def lock_order(order: PaymentOrder) -> None:
    """Locks the order's row for the transaction and reloads ``order``.

    An UPDATE, because SQLite has no SELECT FOR UPDATE.
    """
    PaymentOrder.objects.filter(pk=order.pk).update(state=F("state"))
    order.refresh_from_db()


def of_operations(order: PaymentOrder) -> list[OperationFacts]:
    """The operations that move the order's money, oldest first."""
    kinds = enums.CHARGING | enums.POST_CHARGE
    now = timezone.now()
    return [
        facts.of_operation(row, now)
        for row in order.operations.filter(kind__in=kinds).order_by("pk")
    ]


def columns(order: PaymentOrder, sums: Books) -> dict[str, Any]:
    """The columns of ``order`` that hold ``sums``."""
    found: dict[str, Any] = {
        "authorized_amount": sums.authorized,
        "captured_amount": sums.captured,
        "capturing_amount": sums.capturing,
        "refunded_amount": sums.refunded,
        # a capture that is being cancelled must not be refunded
        "refunding_amount": sums.refunding,
        "released_amount": sums.released,
    }
    if order.refunded_amount != sums.refunded:
        found["refunded_at"] = timezone.now()
    return found


def update_totals(order: PaymentOrder) -> None:
    """Writes the sums and the schedule after a claim or a settlement.

    The state stays: only a status inquiry changes it. Call it inside a transaction,
    right after the change of the operation. It locks the order's row first, so
    concurrent calls run one after the other.
    """
    lock_order(order)
    rows = of_operations(order)
    changes = columns(order, books.sum_up(rows))
    now = timezone.now()
    followed = poll_schedule.follow(rows, now)
    if order.state != OrderState.REVIEW:
        changes["unsettled_since"] = followed.since
    due = poll_schedule.next_poll(
        poll_schedule.PollState.of(order), now, answered=False, followed=followed
    )
    if due is not None and order.next_poll_at is not None:
        due = min(order.next_poll_at, due)
    changes["next_poll_at"] = due
    raw_sql.update(PaymentOrder, {"pk": order.pk}, changes, increment="version")
    transitions.assign(order, changes)


def returned_amount(capture: Operation) -> int:
    """What of one capture, or of one of several charges, is refunded, cancelled or
    reserved for it, in minor units.
    """
    of_it = Q(capture=capture)
    if capture.kind in enums.CHARGING:
        # as long as there was one charge, a refund named its id alone
        of_it |= Q(
            order=capture.order_id,
            capture=None,
            target_operation_id=capture.gateway_operation_id,
        )
    rows = Operation.objects.filter(
        of_it,
        kind__in=enums.REFUNDING,
        outcome__in=enums.RESERVING | {OperationOutcome.DONE},
    )
    return sum(row.amount or 0 for row in rows)


def remaining_of(capture: Operation) -> int:
    """What of one capture is neither refunded, cancelled nor reserved for it, in minor
    units.
    """
    return (capture.amount or 0) - returned_amount(capture)


def uncaptured_amount(order: PaymentOrder) -> int:
    """Authorized, neither captured, reserved for a capture nor released, in minor
    units.
    """
    used = order.captured_amount + order.capturing_amount + order.released_amount
    return max(0, order.authorized_amount - used)


def unrefunded_amount(order: PaymentOrder) -> int:
    """Captured, neither refunded nor reserved for a refund, in minor units."""
    left = order.captured_amount - order.refunded_amount - order.refunding_amount
    return max(0, left)
