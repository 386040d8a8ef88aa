"""Rows of approvals.

A row leaves "waiting" once, and becomes "used" once: in the commit that claims its
operation. Each change is a compare-and-swap on the state. The order is locked before
its approvals are changed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from nexi_payments import enums
from nexi_payments.enums import (
    ApprovalState,
    EventKind,
    OperationKind,
    OrderState,
)
from nexi_payments.exceptions import OrderNotPayable
from nexi_payments.flows.ledger import approval_rights, transitions
from nexi_payments.flows.ledger.totals import lock_order
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.models import Approval, Operation, PaymentOrder, db_transactions
from nexi_payments.models.audit import STAFF_NAME_LENGTH

#: How long a request waits, and how long an approved phone order waits for its card.
LIFETIME: Final = timedelta(hours=24)
#: The event of each end.
_EVENT_KINDS: Final[dict[str, str]] = {
    ApprovalState.REFUSED: EventKind.APPROVAL_REFUSED,
    ApprovalState.WITHDRAWN: EventKind.APPROVAL_WITHDRAWN,
    ApprovalState.EXPIRED: EventKind.APPROVAL_EXPIRED,
    ApprovalState.OUTDATED: EventKind.APPROVAL_OUTDATED,
}


@db_transactions.retried(durable=False)
def get_or_add(
    order: PaymentOrder,
    kind: str,
    amount: int,
    actor: Actor,
    *,
    expected_remaining: int | None = None,
    capture: Operation | None = None,
    nonce: str | None = None,
    reason: str = "",
) -> Approval:
    """The request of ``nonce``, in any state; else the same one of the same person that
    is still open; else a new one. Amounts in minor units. Raises ``OrderNotPayable``
    for a phone order that was charged, or ended, meanwhile.
    """
    lock_order(order)
    if kind == OperationKind.MOTO and order.state != OrderState.INIT:
        raise OrderNotPayable(order)
    same = order.approvals.filter(
        kind=kind,
        amount=amount,
        capture=capture,
        requester=actor.user,
        queued_refund=None,
        expires_at__gt=timezone.now(),
        state__in=enums.OPEN_APPROVALS,
    )
    rows = Approval.objects.filter(nonce=nonce) if nonce else same.none()
    found = rows.first() or same.order_by("pk").first()
    if found is not None:
        return found
    return add(
        order,
        kind,
        amount,
        actor,
        expected_remaining=expected_remaining,
        capture=capture,
        nonce=nonce or None,
        reason=reason,
    )


def add(
    order: PaymentOrder, kind: str, amount: int, actor: Actor, **columns: Any
) -> Approval:
    """Stores a request. Call it inside a transaction, with ``order`` locked."""
    now = timezone.now()
    approval = Approval.objects.create(
        order=order,
        kind=kind,
        amount=amount,
        terminal=order.terminal,
        requester=actor.user,
        requester_name=_name(actor.user),
        address=actor.address,
        request_id=actor.request_id[:64],
        created_at=now,
        expires_at=now + LIFETIME,
        **columns,
    )
    _keep_order(approval)
    _write_event(approval, EventKind.APPROVAL_REQUESTED, actor, approval.reason)
    return approval


def _name(user: Any) -> str:
    return str(user.get_username())[:STAFF_NAME_LENGTH]


def _keep_order(approval: Approval) -> None:
    """A phone order waits for its card as long as its approval is valid."""
    if approval.kind == OperationKind.MOTO:
        until = approval.expires_at
        rows = PaymentOrder.objects.filter(pk=approval.order_id, state=OrderState.INIT)
        rows.filter(expires_at__lt=until).update(expires_at=until, next_poll_at=until)


def _write_event(
    approval: Approval,
    kind: str,
    actor: Actor,
    note: str = "",
    operation: Operation | None = None,
) -> None:
    order = approval.order
    transitions.write_event(
        order,
        kind,
        source=order.state,
        actor=actor,
        note=note,
        operation=operation,
        reason=approval.failure,
        approval=approval,
    )


# -- decisions -------------------------------------------------------------------------


def claim(
    approval: Approval, operation: Operation, approver: Actor | None = None
) -> bool:
    """Uses ``approval`` for ``operation``, in the commit that claims the operation.

    With ``approver`` it is approved in the same commit. False when it is not what was
    asked for, is not open any more, or when one of the two people may not do it now:
    the caller rolls back.
    """
    key = approval.approver_id if approver is None else approver.user.pk
    if approval_rights.failure_of_rights(approval, key):
        return False
    now = timezone.now()
    is_waiting = approver is not None
    rows = Approval.objects.filter(
        pk=approval.pk,
        order=operation.order_id,
        kind=operation.kind,
        amount=operation.amount or 0,
        terminal=operation.order.terminal,
        state=ApprovalState.WAITING if is_waiting else ApprovalState.APPROVED,
    )
    if is_waiting or approval.kind == OperationKind.MOTO:
        rows = rows.filter(expires_at__gt=now)
    values: dict[str, Any] = {"state": ApprovalState.USED, "operation": operation}
    if approver is not None:
        values |= _decision(approver, now)
    if not _change(approval, rows, values):
        return False
    if approver is not None:
        _write_event(approval, EventKind.APPROVED, approver, operation=operation)
    return True


@db_transactions.retried()
def approve(approval: Approval, approver: Actor) -> bool:
    """Approves a phone order, for another 24 hours. False when it is not waiting."""
    lock_order(approval.order)
    now = timezone.now()
    return mark_approved(approval, approver, now + LIFETIME)


def mark_approved(approval: Approval, approver: Actor, expires_at: datetime) -> bool:
    """Writes the decision. Call it inside a transaction, with the order locked."""
    now = timezone.now()
    values = {
        "state": ApprovalState.APPROVED,
        "expires_at": expires_at,
        **_decision(approver, now),
    }
    if not _change(approval, _waiting(approval, now), values):
        return False
    _keep_order(approval)
    _write_event(approval, EventKind.APPROVED, approver)
    return True


def end(
    approval: Approval,
    state: str,
    actor: Actor,
    *,
    reason: str = "",
    failure: str = "",
    source: str = ApprovalState.WAITING,
) -> bool:
    """Ends an approval that is in the state ``source``. False when it is not. Call it
    inside a transaction, with the order locked.
    """
    values: dict[str, Any] = {"state": state, "failure": failure}
    if state == ApprovalState.REFUSED:
        values |= _decision(actor, timezone.now())
    if reason:
        values["decision_reason"] = reason
    rows = Approval.objects.filter(pk=approval.pk, state=source)
    if not _change(approval, rows, values):
        return False
    _write_event(approval, _EVENT_KINDS[state], actor, reason)
    return True


def reopen(approval: Approval) -> None:
    """Of a queued refund of which no byte was sent: it may be sent with it again."""
    rows = Approval.objects.filter(pk=approval.pk, state=ApprovalState.USED)
    _change(approval, rows, {"state": ApprovalState.APPROVED, "operation": None})


def due(now: datetime) -> QuerySet[Approval]:
    """Approvals whose time is over. An approved refund in the queue has none."""
    over = Q(state=ApprovalState.WAITING) | Q(
        state=ApprovalState.APPROVED, kind=OperationKind.MOTO
    )
    return Approval.objects.filter(over, expires_at__lte=now).order_by("pk")


def _waiting(approval: Approval, now: datetime) -> QuerySet[Approval]:
    return Approval.objects.filter(
        pk=approval.pk, state=ApprovalState.WAITING, expires_at__gt=now
    )


def _decision(actor: Actor, now: datetime) -> dict[str, Any]:
    name = _name(actor.user)
    return {"approver": actor.user, "approver_name": name, "decided_at": now}


def _change(
    approval: Approval, rows: QuerySet[Approval], values: dict[str, Any]
) -> bool:
    changed = bool(rows.update(**values))
    if changed:
        transitions.assign(approval, values)
    return changed
