"""Refunds that a shop decides inside a transaction: ``enqueue_refund``.

The row is written in the caller's transaction. A rolled-back transaction leaves no
refund, and a committed one loses none (``refund_worker``).
"""

from __future__ import annotations

from decimal import Decimal

from django.db import IntegrityError

from nexi_payments import money
from nexi_payments.enums import OperationKind, QueuedRefundState
from nexi_payments.exceptions import InvalidState, RefundKeyInUse
from nexi_payments.flows import ceilings, refund_worker
from nexi_payments.flows.availability import available, validated_amount
from nexi_payments.flows.capture_refund import checked_text
from nexi_payments.flows.ledger import queued_refunds
from nexi_payments.flows.ledger.totals import lock_order
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.models import (
    Operation,
    PaymentOrder,
    QueuedRefund,
    db_transactions,
)


def enqueue_refund(
    order: PaymentOrder,
    amount: Decimal | None = None,
    *,
    capture: Operation | None = None,
    reason: str = "",
    key: str | None = None,
    actor: Actor = NO_ACTOR,
) -> QueuedRefund:
    """Queues a refund of ``amount`` (major units; default: the remaining amount), in
    the caller's transaction if there is one.

    It is sent after the commit: at once if Nexi answers within seconds, otherwise by
    ``nexi_reconcile`` or the Celery task. Until then the amount is reserved:
    ``available`` has less. ``payment_refunded`` follows when Nexi confirms it,
    ``refund_failed`` if it is given up. ``capture`` as in ``refund``. ``reason`` (300
    characters) and ``actor`` are for the payment's history; the operation has them,
    too.

    An amount above the ceiling of ``actor`` waits for another person first: the row's
    state is "awaiting_approval". If it is not approved, it is given up.

    Idempotent by ``key`` (100 characters, of the shop): the same one with the same
    order, amount and capture returns the first row, whatever became of it; with others
    it raises ``RefundKeyInUse``. Also raises ``InvalidState``, ``MethodForbids`` (the
    payment method has no refunds, or none in part), ``ExceedsRemaining``,
    ``OrderBusy``, ``InvalidAmount``, ``CardDataNotAllowed`` (a card number in ``key``
    or ``reason``) and ``ValueError`` (one of them too long); nothing was queued then.
    """
    wanted = None if amount is None else money.to_minor(amount, order.currency)
    key = checked_text("key", key or "", 100) or None
    reason = checked_text("reason", reason.strip(), 300)
    refund, is_new = _enqueue(order, wanted, capture, reason, key, actor)
    if is_new:
        refund_worker.send_after_commit(refund)
    return refund


def withdraw_refund(
    refund: QueuedRefund, *, reason: str = "", actor: Actor = NO_ACTOR
) -> QueuedRefund:
    """Withdraws a queued refund before it is sent, and frees its amount.

    Joins the caller's transaction. Idempotent. Raises ``InvalidState`` when it was sent
    or given up, ``CardDataNotAllowed`` and ``ValueError`` as ``enqueue_refund``.
    """
    reason = checked_text("reason", reason.strip(), 300)
    done = queued_refunds.withdraw(refund, refund.order, actor, reason)
    if not done:
        refund.refresh_from_db()
        if refund.state != QueuedRefundState.WITHDRAWN:
            raise InvalidState(refund.order)
    return refund


@db_transactions.retried(durable=False)
def _enqueue(
    order: PaymentOrder,
    wanted: int | None,
    capture: Operation | None,
    reason: str,
    key: str | None,
    actor: Actor,
) -> tuple[QueuedRefund, bool]:
    """The row of ``key``, or a new one; and whether it is new."""
    lock_order(order)
    if found := _find(order, wanted, capture, key):
        return found, False
    now = available(order)
    now.require_allowed(OperationKind.REFUND)
    if now.refund is None:
        raise InvalidState(order)
    chosen = now.capture_to_refund(capture, wanted)
    amount = validated_amount(order, now.refund_of(chosen), wanted)
    now.require_whole(amount, chosen)
    try:
        with db_transactions.atomic():
            refund = queued_refunds.add(
                order,
                OperationKind.REFUND,
                amount,
                actor=actor,
                first_attempt_at=refund_worker.first_attempt_at(),
                capture=chosen.operation if chosen else None,
                key=key,
                reason=reason,
                is_remainder=wanted is None,
                needs_approval=ceilings.is_exceeded(
                    order, OperationKind.REFUND, amount, actor
                ),
            )
        return refund, True
    except IntegrityError:
        # the key was used for another order at the same moment
        if not key or not QueuedRefund.objects.filter(key=key).exists():
            raise
    raise RefundKeyInUse(order, QueuedRefund.objects.get(key=key))


def _find(
    order: PaymentOrder,
    wanted: int | None,
    capture: Operation | None,
    key: str | None,
) -> QueuedRefund | None:
    """The row of ``key``. Raises ``RefundKeyInUse`` if it is of another request."""
    found = QueuedRefund.objects.filter(key=key).first() if key else None
    if found is None:
        return None
    amount = None if found.is_remainder and wanted is None else found.amount
    same = (found.order_id, amount) == (order.pk, wanted)
    if capture is not None and capture.pk != found.capture_id:
        same = False
    if not same:
        raise RefundKeyInUse(order, found)
    return found
