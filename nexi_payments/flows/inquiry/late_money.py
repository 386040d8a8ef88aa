"""Money that appears after an attempt had ended: paid, or a duplicate.

It is paid only if no other attempt of the purchase ever held or took money, and if the
attempt was not replaced by one of another amount or currency. Anything else is a
duplicate, which a person decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from nexi_payments import enums
from nexi_payments.enums import DiscrepancyKind, OrderState, Reason
from nexi_payments.flows.inquiry.reading import Finding
from nexi_payments.flows.ledger.operations import PreconditionFailed
from nexi_payments.flows.orders import create
from nexi_payments.models import PaymentOrder


class AnotherAttemptRuns(PreconditionFailed):
    """Another attempt of the purchase is being paid: its end is waited for."""


@dataclass(frozen=True)
class Decision:
    """The order's next state (``None``: unchanged), with further columns."""

    state: str | None = None
    reason: str = ""
    columns: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    is_duplicate: bool = False


def decide(order: PaymentOrder, state: str | None, reason: str) -> Decision:
    """What becomes of an order that a reading moves to ``state``.

    Supersedes another attempt whose card was not used yet: call it inside the
    transaction of the reading. Raises ``AnotherAttemptRuns``.
    """
    if state not in enums.SUCCESSFUL or order.live_reference is not None:
        return Decision(state, reason)
    others = other_attempts(order)
    if others.filter(authorized_amount__gt=0).exists():
        return _duplicate("another payment of this purchase")
    holder = others.filter(live_reference=order.live_key).first()
    if _was_replaced(order, others):
        return _duplicate("replaced by another amount")
    if holder is not None:
        if holder.state == OrderState.REVIEW:
            return _duplicate("another payment of this purchase is under review")
        if not create.supersede(holder):
            raise AnotherAttemptRuns
    return Decision(state, reason, {"live_reference": order.live_key})


def other_attempts(order: PaymentOrder) -> QuerySet[PaymentOrder]:
    """The attempts that share the order's ``live_key``."""
    if order.reference:
        same = Q(reference=order.reference)
    else:
        first = order.retry_of_id or order.pk
        same = Q(pk=first) | Q(retry_of=first)
    return PaymentOrder.objects.filter(same).exclude(pk=order.pk)


def _was_replaced(order: PaymentOrder, others: QuerySet[PaymentOrder]) -> bool:
    if order.reason != Reason.SUPERSEDED:
        return False
    later = others.filter(pk__gt=order.pk)
    return later.exclude(amount=order.amount, currency=order.currency).exists()


def _duplicate(theirs: str) -> Decision:
    finding = Finding(DiscrepancyKind.REFERENCE_TAKEN, "charged late", theirs)
    return Decision(
        OrderState.REVIEW,
        Reason.REFERENCE_TAKEN,
        findings=(finding,),
        is_duplicate=True,
    )
