"""Ends approvals without a request to Nexi: refused, withdrawn, expired, outdated."""

from __future__ import annotations

import logging

from django.utils import timezone

from nexi_payments.enums import ApprovalFailure, ApprovalState
from nexi_payments.exceptions import ApprovalClosed, ApprovalNotAllowed
from nexi_payments.flows.ledger import approval_rights, approvals, queued_refunds
from nexi_payments.flows.ledger.totals import lock_order
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.models import Approval, QueuedRefund, db_transactions
from nexi_payments.pan_scanner import reject_card_number

log = logging.getLogger("nexi_payments.approvals")


def refuse_approval(approval: Approval, *, reason: str, actor: Actor) -> Approval:
    """Refuses a request that waits, or withdraws it if ``actor`` asked for it.

    ``reason`` (300 characters) is for the payment's history. A queued refund is given
    up with it. Joins the caller's transaction. Raises ``ApprovalClosed`` when nothing
    is left to decide, ``ApprovalNotAllowed``, ``CardDataNotAllowed`` and
    ``ValueError`` (no reason, or too long); nothing was changed then.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= 300:
        raise ValueError("reason must have 1 to 300 characters")
    reject_card_number("reason", reason)
    approval.refresh_from_db()
    state = ApprovalState.REFUSED
    if approval.is_by(actor.user):
        state = ApprovalState.WITHDRAWN
    elif not approval_rights.may_decide(approval, actor.user):
        raise ApprovalNotAllowed(approval)
    if not approval.is_waiting or not end(approval, state, actor, reason=reason):
        approval.refresh_from_db()
        raise ApprovalClosed(approval)
    return approval


@db_transactions.retried(durable=False)
def end(
    approval: Approval,
    state: str,
    actor: Actor = NO_ACTOR,
    *,
    reason: str = "",
    failure: str = "",
    source: str = ApprovalState.WAITING,
) -> bool:
    """Ends an approval in the state ``source``, and its queued refund. False when it is
    in another state.
    """
    order = approval.order
    lock_order(order)
    if not approvals.end(
        approval, state, actor, reason=reason, failure=failure, source=source
    ):
        return False
    refund = find_queued_refund(approval)
    if refund is not None:
        queued_refunds.give_up_unapproved(refund, order)
    return True


def find_queued_refund(approval: Approval) -> QueuedRefund | None:
    """The row of the queue that waits for ``approval``, if it is about one."""
    return QueuedRefund.objects.filter(approval=approval).first()


def end_if_invalid(refund: QueuedRefund) -> bool:
    """Gives up a queued refund that one of the two people may not make any more."""
    approval = refund.approval
    assert approval is not None  # noqa: S101  for the type checker
    failure = approval_rights.failure_of_rights(approval, approval.approver_id)
    return bool(failure) and end(
        approval,
        ApprovalState.OUTDATED,
        failure=ApprovalFailure(failure),
        source=ApprovalState.APPROVED,
    )


def expire_due(*, limit: int = 1000) -> int:
    """Ends the approvals whose time is over. Any number of workers may run this."""
    expired = 0
    for approval in approvals.due(timezone.now()).select_related("order")[:limit]:
        try:
            expired += end(approval, ApprovalState.EXPIRED, source=approval.state)
        except Exception:
            # a broken row must not block the rows behind it
            log.exception("approval %s", approval.pk)
    return expired
