"""Above which amount a second person has to approve: ``APPROVAL_CEILINGS``.

The only such rule: ``flows.refund``, ``enqueue_refund`` and ``pay_moto`` ask it. It
binds people. What the shop's own code does, without a user in ``actor``, needs no
approval.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from django.utils import timezone

from nexi_payments import conf, enums, permissions
from nexi_payments.conf.staff_rules import EVERY
from nexi_payments.enums import ApprovalState, OperationKind, OperationOutcome
from nexi_payments.exceptions import ApprovalRequired, InvalidState
from nexi_payments.flows.ledger import approval_rights, approvals
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.models import Approval, Operation, PaymentOrder


def ceiling_of(user: Any, permission: str, currency: str) -> int | None:
    """The largest amount (minor units) that ``user`` moves alone; ``None`` for any.

    The highest of the user's groups counts; "*" is for those in none of the table. A
    currency that an entry does not name has the ceiling 0.
    """
    table = conf.current().approval_ceilings.get(permission, {})
    if not table:
        return None
    names = (permissions.group_names(user) & table.keys()) - {EVERY}
    found = [table[name] for name in names or table.keys() & {EVERY}]
    if not found:
        return None
    amounts = [entry.get(currency, 0) for entry in found]
    known = [minor for minor in amounts if minor is not None]
    return max(known) if len(known) == len(amounts) else None


def is_exceeded(order: PaymentOrder, kind: str, amount: int, actor: Actor) -> bool:
    """Whether ``amount`` (minor units) of ``order`` needs an approval.

    The refunds of one payment that people made without an approval count together:
    parts below the ceiling would evade it.
    """
    user = actor.user
    if getattr(user, "pk", None) is None:
        return False
    ceiling = ceiling_of(user, approval_rights.PERMISSION[kind], order.currency)
    if ceiling is None:
        return False
    if kind == OperationKind.REFUND:
        amount += _refunded_without_approval(order)
    return amount > ceiling


def _refunded_without_approval(order: PaymentOrder) -> int:
    by_people = {"kind": OperationKind.REFUND, "actor__isnull": False}
    sent = order.operations.filter(
        approval=None,
        queued_refund__approval=None,
        outcome__in=enums.RESERVING | {OperationOutcome.DONE},
        **by_people,
    )
    queued = order.queued_refunds.filter(
        approval=None, state__in=enums.QUEUED, **by_people
    )
    totals = (rows.aggregate(total=Sum("amount"))["total"] for rows in (sent, queued))
    return sum(total or 0 for total in totals)


def require_approval_of_refund(
    order: PaymentOrder,
    amount: int,
    actor: Actor,
    *,
    remaining: int,
    capture: Operation | None,
    reason: str,
    nonce: str | None,
) -> None:
    """Stores a request and raises ``ApprovalRequired`` if the refund needs one.

    ``remaining`` is what is left of the capture now, in minor units: the refund is sent
    only while it is the same.
    """
    if not is_exceeded(order, OperationKind.REFUND, amount, actor):
        return
    approval = approvals.get_or_add(
        order,
        OperationKind.REFUND,
        amount,
        actor,
        expected_remaining=remaining,
        capture=capture,
        reason=reason,
        nonce=nonce,
    )
    if (approval.order_id, approval.kind) != (order.pk, OperationKind.REFUND):
        raise InvalidState(order)  # the nonce of another request
    raise ApprovalRequired(approval)


def require_approval_of_phone_order(
    order: PaymentOrder, actor: Actor, *, ask_again: bool = False
) -> Approval | None:
    """The approval with which ``actor`` may charge ``order``; ``None`` if none is
    needed. Asks for one, and raises ``ApprovalRequired``, if there is none yet.

    No card is known here: amount, reference and terminal are approved before it is
    entered. Where the last request was refused, only ``ask_again`` asks once more.
    """
    if not is_exceeded(order, OperationKind.MOTO, order.amount, actor):
        return None
    latest = latest_of_phone_order(order, actor.user)
    if latest and latest.state == ApprovalState.REFUSED and not ask_again:
        raise ApprovalRequired(latest)
    approval = approvals.get_or_add(order, OperationKind.MOTO, order.amount, actor)
    if approval.state != ApprovalState.APPROVED or approval.is_over:
        raise ApprovalRequired(approval)
    return approval


def phone_order_needs_approval(order: PaymentOrder, actor: Actor) -> bool:
    """Whether ``actor`` may not charge this phone order yet. Asks for nothing."""
    if not is_exceeded(order, OperationKind.MOTO, order.amount, actor):
        return False
    latest = latest_of_phone_order(order, actor.user)
    is_approved = latest is not None and latest.state == ApprovalState.APPROVED
    return not (is_approved and latest and not latest.is_over)


def latest_of_phone_order(order: PaymentOrder, user: Any) -> Approval | None:
    """The last request of ``user`` to charge this phone order, in any state."""
    rows = order.approvals.filter(kind=OperationKind.MOTO, requester=user)
    return rows.order_by("-pk").first()


def waiting_now() -> Any:
    """The requests that a person may decide now, oldest first."""
    rows = Approval.objects.filter(
        state=ApprovalState.WAITING, expires_at__gt=timezone.now()
    )
    return rows.select_related("order").order_by("created_at", "pk")
