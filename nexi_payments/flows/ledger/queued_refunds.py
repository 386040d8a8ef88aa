"""The rows of refunds and voids that wait to be sent, and what is reserved for them.

A row leaves the state "queued" once: in the commit that claims its operation, or when
it is withdrawn or given up. So two workers, or a worker and a person, cannot both have
it. ``PaymentOrder.queued_amount`` is the sum of the queued rows, written in the same
commit. The order is locked before its queued rows are changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.db.models import Sum
from django.utils import timezone

from nexi_payments import enums
from nexi_payments.enums import (
    ApprovalFailure,
    ApprovalState,
    DiscrepancyKind,
    EventKind,
    OperationOutcome,
    QueuedRefundState,
    RefundFailure,
)
from nexi_payments.exceptions import OrderBusy
from nexi_payments.flows.ledger import (
    approvals,
    discrepancies,
    poll_schedule,
    transitions,
)
from nexi_payments.flows.ledger.totals import lock_order
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.models import (
    Approval,
    Operation,
    PaymentOrder,
    QueuedRefund,
    db_transactions,
    raw_sql,
)

#: Outcomes after which nothing is left to wait for, or the row must be looked at again.
_TELLING: Final = enums.NEGATIVE_OUTCOMES | {
    OperationOutcome.NOT_SENT,
    OperationOutcome.ACCEPTED,
    OperationOutcome.DONE,
}


def waiting(order: PaymentOrder) -> list[QueuedRefund]:
    """The rows of ``order`` that are not sent yet, oldest first."""
    rows = order.queued_refunds.filter(state__in=enums.QUEUED)
    return list(rows.order_by("pk"))


def add(
    order: PaymentOrder,
    kind: str,
    amount: int,
    *,
    actor: Actor,
    first_attempt_at: datetime,
    capture: Operation | None = None,
    key: str | None = None,
    reason: str = "",
    is_remainder: bool = False,
    needs_approval: bool = False,
) -> QueuedRefund:
    """Queues a refund or void of ``amount`` (minor units) and reserves it.

    ``needs_approval``: it is not sent before another person has approved it.

    Call it inside a transaction, with ``order`` locked and as it is in the database;
    raises ``OrderBusy`` if it is not. Whether the amount is available is the caller's
    question.
    """
    approval = None
    if needs_approval:
        approval = approvals.add(
            order, kind, amount, actor, capture=capture, reason=reason
        )
    refund = QueuedRefund.objects.create(
        order=order,
        kind=kind,
        state=QueuedRefundState.AWAITING_APPROVAL
        if needs_approval
        else QueuedRefundState.QUEUED,
        approval=approval,
        amount=amount,
        is_remainder=is_remainder,
        capture=capture,
        key=key,
        reason=reason,
        idempotency_key=str(uuid.uuid4()),
        actor=actor.user,
        actor_name=actor.staff_name,
        address=actor.address,
        request_id=actor.request_id[:64],
        next_attempt_at=None if needs_approval else first_attempt_at,
        created_at=timezone.now(),
    )
    if not _reserve(order, {"version": order.version}):
        raise OrderBusy(order)
    transitions.write_event(
        order, EventKind.REFUND_QUEUED, source=order.state, actor=actor, note=reason
    )
    return refund


def _reserve(order: PaymentOrder, conditions: dict[str, Any] | None = None) -> bool:
    """Writes the sum of the queued rows. A request that is judged by the old sum loses
    its claim, because the version grows.
    """
    rows = QueuedRefund.objects.filter(order=order, state__in=enums.QUEUED)
    total = rows.aggregate(total=Sum("amount"))["total"] or 0
    where = {"pk": order.pk, **(conditions or {})}
    values = {"queued_amount": total}
    written = bool(raw_sql.update(PaymentOrder, where, values, increment="version"))
    if written:
        transitions.assign(order, values)
    return written


def lease(refund: QueuedRefund, until: datetime) -> bool:
    """Moves ``next_attempt_at`` by compare-and-swap. False when another worker did."""
    rows = QueuedRefund.objects.filter(
        pk=refund.pk, next_attempt_at=refund.next_attempt_at
    )
    leased = bool(rows.update(next_attempt_at=until))
    if leased:
        refund.next_attempt_at = until
    return leased


def claim(refund: QueuedRefund, operation: Operation) -> bool:
    """Makes ``operation`` the one that sends ``refund``.

    Call it in the commit that claims the operation, after the claim of the order. False
    when the row was sent, withdrawn or given up meanwhile.
    """
    taken = _end(
        refund,
        {"state": QueuedRefundState.SENT, "operation": operation},
        (QueuedRefundState.QUEUED,),
    )
    if taken and refund.approval is not None:
        taken = approvals.claim(refund.approval, operation)
    return taken and _reserve(operation.order)


@db_transactions.retried()
def approve(
    refund: QueuedRefund, approval: Approval, approver: Actor, due: datetime
) -> bool:
    """Lets ``refund`` be sent, at ``due`` or later. False when ``approval`` does not
    wait any more.
    """
    lock_order(approval.order)
    if not approvals.mark_approved(approval, approver, approval.expires_at):
        return False
    values = {"state": QueuedRefundState.QUEUED, "next_attempt_at": due}
    return _end(refund, values, (QueuedRefundState.AWAITING_APPROVAL,))


def _end(
    refund: QueuedRefund, values: dict[str, Any], sources: tuple[str, ...]
) -> bool:
    values = {"next_attempt_at": None, **values}
    rows = QueuedRefund.objects.filter(pk=refund.pk, state__in=sources)
    ended = bool(rows.update(**values))
    if ended:
        transitions.assign(refund, values)
    return ended


def change_kind(refund: QueuedRefund, kind: str) -> None:
    """Makes a row that is still queued one of another kind."""
    rows = QueuedRefund.objects.filter(pk=refund.pk, state=QueuedRefundState.QUEUED)
    if rows.update(kind=kind):
        refund.kind = kind


def postpone(refund: QueuedRefund, error: str, *, counts: bool = True) -> None:
    """Records an attempt in which nothing was sent, and when to try again.

    ``counts``: the pause grows. Without it the next attempt follows in a minute: what
    prevents it ends at a known moment.
    """
    attempts = refund.attempts + 1
    pause = poll_schedule.retry_delay(attempts if counts else 1)
    values = {
        "error": error,
        "attempts": attempts,
        "next_attempt_at": timezone.now() + pause,
    }
    rows = QueuedRefund.objects.filter(pk=refund.pk, state=QueuedRefundState.QUEUED)
    if rows.update(**values):
        transitions.assign(refund, values)


@db_transactions.retried(durable=False)
def withdraw(
    refund: QueuedRefund, order: PaymentOrder, actor: Actor, reason: str
) -> bool:
    """Takes ``refund`` back and releases its amount. False when it is not queued any
    more.
    """
    lock_order(order)
    values = {"state": QueuedRefundState.WITHDRAWN}
    if not _end(refund, values, tuple(enums.QUEUED)):
        return False
    if refund.approval is not None:
        _end_approval(refund.approval, ApprovalState.WITHDRAWN, actor, reason=reason)
    event = transitions.write_event(
        order,
        EventKind.REFUND_WITHDRAWN,
        source=order.state,
        actor=actor,
        note=reason,
    )
    _name_event(refund, event)
    _reserve(order)
    return True


@db_transactions.retried()
def give_up(refund: QueuedRefund, order: PaymentOrder, failure: str) -> bool:
    """Ends a queued row that cannot be sent any more. False when it is not queued."""
    lock_order(order)
    if not _fail(refund, order, failure, (QueuedRefundState.QUEUED,)):
        return False
    if refund.approval is not None:
        why = ApprovalFailure.STATE
        _end_approval(refund.approval, ApprovalState.OUTDATED, NO_ACTOR, failure=why)
    _reserve(order)
    return True


def give_up_unapproved(refund: QueuedRefund, order: PaymentOrder) -> bool:
    """Ends a row whose approval has just ended. Call it in the same transaction, with
    the order locked. The shop is told; it is no discrepancy.
    """
    failure = RefundFailure.NOT_APPROVED
    if not _fail(refund, order, failure, tuple(enums.QUEUED)):
        return False
    _reserve(order)
    return True


def _end_approval(approval: Approval, state: str, actor: Actor, **why: str) -> None:
    for source in enums.OPEN_APPROVALS:
        if approvals.end(approval, state, actor, source=source, **why):
            return


def _fail(
    refund: QueuedRefund, order: PaymentOrder, failure: str, sources: tuple[str, ...]
) -> bool:
    """Ends a row whose money does not go back: event, signal and discrepancy."""
    values = {"state": QueuedRefundState.GIVEN_UP, "failure": failure}
    if not _end(refund, values, sources):
        return False
    event = transitions.write_event(
        order,
        EventKind.REFUND_FAILED,
        source=order.state,
        operation=refund.operation,
        reason=failure,
        note=refund.reason,
    )
    _name_event(refund, event)
    if failure == RefundFailure.NOT_APPROVED:
        return True  # staff decided: no discrepancy
    what = f"{refund.kind} {refund.amount}"
    discrepancies.record(
        order, DiscrepancyKind.REFUND_FAILED, what, f"{what} {failure}"
    )
    return True


def _name_event(refund: QueuedRefund, event: Any) -> None:
    QueuedRefund.objects.filter(pk=refund.pk).update(ended_by=event)
    refund.ended_by = event


def follow(order: PaymentOrder, operations: Iterable[Operation]) -> None:
    """What the new outcomes of ``operations`` mean for the rows that they send.

    Call it in the commit of the outcomes, with the order locked. Not sent: queued again
    (no byte left, so another operation may follow). Not executed: given up. Executed
    after all: sent.
    """
    told = {
        row.pk: row
        for row in operations
        if row.kind in enums.QUEUEABLE and row.outcome in _TELLING
    }
    if not told:
        return
    for refund in QueuedRefund.objects.filter(operation__in=told):
        outcome = told[refund.operation_id or 0].outcome
        if outcome == OperationOutcome.NOT_SENT:
            _queue_again(refund, order)
        elif outcome in enums.NEGATIVE_OUTCOMES:
            failure = RefundFailure(outcome)
            _fail(refund, order, failure, (QueuedRefundState.SENT,))
        elif refund.state == QueuedRefundState.GIVEN_UP:
            values = {"state": QueuedRefundState.SENT, "failure": ""}
            _end(refund, values, (QueuedRefundState.GIVEN_UP,))


def _queue_again(refund: QueuedRefund, order: PaymentOrder) -> None:
    attempts = refund.attempts + 1
    values = {
        "state": QueuedRefundState.QUEUED,
        "operation": None,
        "error": "NotSent",
        "attempts": attempts,
        "next_attempt_at": timezone.now() + poll_schedule.retry_delay(attempts),
    }
    if _end(refund, values, (QueuedRefundState.SENT,)):
        if refund.approval is not None:
            approvals.reopen(refund.approval)
        _reserve(order)
