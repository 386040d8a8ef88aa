"""Refunds or voids money that came twice: ``DUPLICATES = "refund"``.

The commit that finds a duplicate queues its refund, or a void where the money is only
held. ``refund_worker`` sends it, if another payment of the purchase still has its money
just before. A payment has one such row for ever: in doubt it is watched.
"""

from __future__ import annotations

from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from nexi_payments import conf, enums, payment_methods
from nexi_payments.enums import (
    DiscrepancyKind,
    Duplicates,
    EventKind,
    OperationKind,
    OrderState,
)
from nexi_payments.flows.ledger import discrepancies, queued_refunds, totals
from nexi_payments.flows.ledger.transitions import NO_ACTOR
from nexi_payments.flows.orders import purchase
from nexi_payments.models import PaymentOrder, QueuedRefund

_KEY: Final = "duplicate:"
#: What an inquiry writes when it finds a duplicate.
_KINDS: Final = (
    DiscrepancyKind.REFERENCE_TAKEN,
    DiscrepancyKind.CHARGED_AFTER_CANCEL,
)


def queue_refund(order: PaymentOrder) -> None:
    """Queues what a duplicate holds or took, if the setting says so, another payment of
    the purchase keeps its money, and the method has refunds.

    Call it in the commit that finds the duplicate. Idempotent.
    """
    if conf.current().duplicates != Duplicates.REFUND or not _may_be_refunded(order):
        return
    if find_other(order) is None or _rows(order).exists():
        return
    totals.lock_order(order)
    kept, held = _kept(order), totals.uncaptured_amount(order)
    if (kept > 0) == (held > 0):
        return  # nothing, or a part of each: staff decide
    queued_refunds.add(
        order,
        OperationKind.REFUND if kept else OperationKind.VOID,
        kept or held,
        actor=NO_ACTOR,
        first_attempt_at=timezone.now(),
        key=f"{_KEY}{order.order_id}",
        reason="duplicate",
    )


def is_of_duplicate(refund: QueuedRefund) -> bool:
    """Whether ``queue_refund`` wrote this row."""
    return refund.key == f"{_KEY}{refund.order.order_id}"


def find_other(order: PaymentOrder) -> PaymentOrder | None:
    """A payment of the same purchase that keeps or holds its money, by our books."""
    others = purchase.attempts(order).exclude(pk=order.pk)
    found = others.filter(state__in=enums.SUCCESSFUL).order_by("pk")
    return next((one for one in found if has_money(one)), None)


def has_money(order: PaymentOrder) -> bool:
    """Whether a payment keeps or holds money whose return is not under way."""
    if order.state == OrderState.PAID:
        return _kept(order) - order.refunding_amount - order.queued_amount > 0
    if order.state != OrderState.AUTHORIZED or order.queued_amount:
        return False
    voids = order.operations.filter(kind=OperationKind.VOID)
    return not voids.filter(outcome__in=enums.RESERVING).exists()


def follow_capture(refund: QueuedRefund, order: PaymentOrder) -> None:
    """Makes a void that waits a refund, if what was held is captured by now."""
    is_void = refund.kind == OperationKind.VOID
    if is_void and _kept(order) == refund.amount and order.state == OrderState.REVIEW:
        queued_refunds.change_kind(refund, OperationKind.REFUND)


def is_untold(order: PaymentOrder) -> bool:
    """Whether an order under review is a duplicate, and the shop was never told that it
    is paid or authorized. It is not told that the money is back, either.
    """
    if order.state != OrderState.REVIEW:
        return False
    kinds = set(order.events.values_list("kind", flat=True))
    return EventKind.DUPLICATE in kinds and not kinds & enums.SUCCESSFUL


def close(order: PaymentOrder) -> None:
    """Close the review of a duplicate that was refunded or voided."""
    if _rows(order).exists():
        discrepancies.resolve(order.discrepancies.filter(kind__in=_KINDS), NO_ACTOR)


def _rows(order: PaymentOrder) -> QuerySet[QueuedRefund]:
    return QueuedRefund.objects.filter(key=f"{_KEY}{order.order_id}")


def _kept(order: PaymentOrder) -> int:
    return order.captured_amount - order.refunded_amount


def _may_be_refunded(order: PaymentOrder) -> bool:
    method = payment_methods.find(order.method, conf.current().method_overrides)
    return method is None or method.refunds != payment_methods.NONE
