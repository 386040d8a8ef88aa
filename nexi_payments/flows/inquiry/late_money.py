"""Money that appears after an attempt had ended: paid, or a duplicate.

It is paid only if no other attempt of the purchase ever held or took money, if the shop
has not cancelled it, and if the attempt was not replaced by one of another amount or
currency. Anything else is a duplicate, which staff decide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from nexi_payments import enums
from nexi_payments.enums import DiscrepancyKind, OrderState, Reason
from nexi_payments.flows.inquiry.reading import Finding, Reading
from nexi_payments.flows.ledger.operations import PreconditionFailed
from nexi_payments.flows.orders import attempts, purchase
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


def decide(order: PaymentOrder, reading: Reading) -> Decision:
    """What becomes of an order that ``reading`` moves to another state.

    Supersedes another attempt whose card was not used yet: call it inside the
    transaction of the reading. Raises ``AnotherAttemptRuns``.
    """
    state, reason = reading.state, reading.reason
    if _was_cancelled(order, reading):
        return _charged_after_cancel(order)
    if state not in enums.SUCCESSFUL or order.live_reference is not None:
        return Decision(state, reason)
    others = purchase.attempts(order).exclude(pk=order.pk)
    if others.filter(authorized_amount__gt=0).exists():
        return _duplicate("another payment of this purchase")
    holder = others.filter(live_reference=order.live_key).first()
    if _was_replaced(order, others):
        return _duplicate("replaced by another amount")
    if holder is not None:
        if holder.state == OrderState.REVIEW:
            return _duplicate("another payment of this purchase is under review")
        if not attempts.supersede(holder, lambda: order, even_if_pending=True):
            raise AnotherAttemptRuns
    return Decision(state, reason, {"live_reference": order.live_key})


def _was_cancelled(order: PaymentOrder, reading: Reading) -> bool:
    """Whether money of an attempt that the shop cancelled appears for the first
    time.
    """
    money = (*enums.SUCCESSFUL, OrderState.REVIEW)
    failed = order.is_cancelled and order.state == OrderState.FAILED
    return failed and reading.state in money and reading.books.authorized > 0


def _was_replaced(order: PaymentOrder, others: QuerySet[PaymentOrder]) -> bool:
    """Whether the basket has changed since: what was charged is not what is owed."""
    later = others.filter(pk__gt=order.pk)
    return later.exclude(amount=order.amount, currency=order.currency).exists()


def _charged_after_cancel(order: PaymentOrder) -> Decision:
    cancelled = f"cancelled {order.cancelled_at:%Y-%m-%d %H:%M} UTC"
    kind = DiscrepancyKind.CHARGED_AFTER_CANCEL
    return Decision(
        OrderState.REVIEW,
        Reason.CHARGED_AFTER_CANCEL,
        findings=(Finding(kind, cancelled, "charged late"),),
        is_duplicate=True,
    )


def _duplicate(theirs: str) -> Decision:
    finding = Finding(DiscrepancyKind.REFERENCE_TAKEN, "charged late", theirs)
    return Decision(
        OrderState.REVIEW,
        Reason.REFERENCE_TAKEN,
        findings=(finding,),
        is_duplicate=True,
    )
