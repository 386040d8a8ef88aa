"""A second person approves a refund or phone order above the ceiling."""

from __future__ import annotations

from nexi_payments import money
from nexi_payments.enums import (
    ApprovalFailure,
    ApprovalState,
    Channel,
    OperationKind,
    OrderState,
)
from nexi_payments.exceptions import (
    AmountChanged,
    ApprovalClosed,
    ApprovalNotAllowed,
    ExceedsRemaining,
    InvalidState,
    OrderBusy,
)
from nexi_payments.flows import approval_requests, refund_worker
from nexi_payments.flows.capture_refund import RefundCall, submit
from nexi_payments.flows.ledger import approval_rights, approvals, queued_refunds
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.models import Approval, QueuedRefund, db_transactions


def approve(approval: Approval, *, actor: Actor) -> Approval:
    """Approves a request, and sends what can be sent now.

    A refund is sent at once, as by ``refund``: see ``approval.operation.outcome``. A
    queued refund is sent after the commit, or by the worker. A phone order then waits
    24 hours for its card, which the person who asked enters.

    The request must be as it was: the same amount left, both people with their
    permissions. Otherwise it is outdated, and ``AmountChanged``, ``ExceedsRemaining``,
    ``InvalidState`` or ``ApprovalClosed`` is raised. Also raises ``ApprovalClosed``
    when another person was faster or the time is over, ``ApprovalNotAllowed`` (one's
    own request, or without the permission), and as ``refund`` ``OrderBusy``,
    ``TerminalUnavailable`` and ``GatewayUnavailable``: it still waits then. Nothing was
    sent after any of these.
    """
    db_transactions.require_no_transaction()
    approval.refresh_from_db()
    if not approval_rights.may_decide(approval, actor.user):
        raise ApprovalNotAllowed(approval)
    if not approval.is_waiting:
        raise ApprovalClosed(approval)
    if failure := approval_rights.failure_of_rights(approval, actor.user.pk):
        if failure == ApprovalFailure.APPROVER:
            raise ApprovalNotAllowed(approval)
        _outdate(approval, failure)
        raise ApprovalClosed(approval)
    queued = approval_requests.find_queued_refund(approval)
    if approval.kind == OperationKind.MOTO:
        _approve_phone_order(approval, actor)
    elif queued is not None:
        _approve_queued(approval, queued, actor)
    else:
        _refund(approval, actor)
    return approval


def _outdate(approval: Approval, failure: str) -> None:
    approval_requests.end(approval, ApprovalState.OUTDATED, failure=failure)
    approval.refresh_from_db()


def _approve_phone_order(approval: Approval, actor: Actor) -> None:
    order = approval.order
    order.refresh_from_db()
    if order.state != OrderState.INIT or order.channel == Channel.LINK:
        _outdate(approval, ApprovalFailure.STATE)
        raise InvalidState(order)
    if not approvals.approve(approval, actor):
        _raise_closed(approval)


def _approve_queued(approval: Approval, queued: QueuedRefund, actor: Actor) -> None:
    due = refund_worker.first_attempt_at()
    if not queued_refunds.approve(queued, approval, actor, due):
        _raise_closed(approval)
    refund_worker.send_after_commit(queued)


def _refund(approval: Approval, actor: Actor) -> None:
    order = approval.order
    requester = Actor(
        approval.requester,
        approval.address,
        approval.request_id,
        name=approval.requester_name,
    )
    seen = None
    if approval.expected_remaining is not None:
        seen = money.to_major(approval.expected_remaining, order.currency)
    call = RefundCall.of(order, requester, approval.nonce, approval.amount, seen)
    call.capture, call.reason = approval.capture, approval.reason
    call.approval, call.approver = approval, actor
    try:
        submit(call)
    except (AmountChanged, ExceedsRemaining):
        _outdate(approval, ApprovalFailure.AMOUNT)
        _raise_if_used(approval)
        raise
    except OrderBusy:
        approval.refresh_from_db()
        _raise_if_used(approval)
        raise
    except InvalidState:
        _outdate(approval, ApprovalFailure.STATE)
        _raise_if_used(approval)
        raise
    approval.refresh_from_db()
    if approval.approver_id != actor.user.pk:
        raise ApprovalClosed(approval)  # another person was faster


def _raise_if_used(approval: Approval) -> None:
    if approval.state == ApprovalState.USED:
        raise ApprovalClosed(approval) from None


def _raise_closed(approval: Approval) -> None:
    approval.refresh_from_db()
    raise ApprovalClosed(approval)
