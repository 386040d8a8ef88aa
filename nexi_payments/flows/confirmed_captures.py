"""Captures that Nexi has confirmed, and what of each may still be returned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils import timezone

from nexi_payments import enums
from nexi_payments.enums import CaptureMode, OperationKind, OperationOutcome
from nexi_payments.flows.ledger import books, queued_refunds, totals
from nexi_payments.models import Operation, PaymentOrder, QueuedRefund

#: Nexi counts days in this time zone.
_GATEWAY_TIME_ZONE: Final = ZoneInfo("Europe/Rome")


@dataclass(frozen=True)
class ConfirmedCapture:
    """One capture that Nexi has confirmed, or one of several charges that were captured
    at once. Amounts in minor units.

    ``remaining`` is neither refunded, cancelled nor reserved. It is 0 with manual
    capture as long as Nexi's total alone shows the capture. ``cancel`` is the amount
    that a cancel would take back: always the whole capture, 0 after a partial refund,
    ``None`` if the order's state allows no cancel or Nexi lists no such capture. Nexi
    accepts a cancel only while ``is_of_today`` (Italian time).
    """

    operation: Operation
    remaining: int
    is_cancelled: bool
    cancel: int | None

    @property
    def is_of_today(self) -> bool:
        today = timezone.now().astimezone(_GATEWAY_TIME_ZONE).date()
        made = self.operation.created_at.astimezone(_GATEWAY_TIME_ZONE).date()
        return made == today


def of_operations(done: QuerySet[Operation]) -> list[Operation]:
    """The operations that a refund may name."""
    kinds = enums.CHARGING | {OperationKind.CAPTURE}
    rows = list(done.filter(kind__in=kinds))
    captures = [row for row in rows if row.kind == OperationKind.CAPTURE and row.amount]
    if captures:
        return captures
    at_once = [row for row in rows if row.result in books.CAPTURED_WITH_CHARGE]
    return at_once if len(at_once) > 1 else []


def sum_of_refunds(queued: Iterable[QueuedRefund]) -> int:
    return sum(one.amount for one in queued if one.kind == OperationKind.REFUND)


def remaining_after(
    capture: Operation, order: PaymentOrder, queued: Iterable[QueuedRefund]
) -> int:
    if capture.by_totals and order.capture == CaptureMode.MANUAL:
        # Nexi refunds it by its id, which is not listed yet. On the id of the charge
        # the same request voids what is held.
        return 0
    of_it = [one for one in queued if one.capture_id == capture.pk]
    return max(0, totals.remaining_of(capture) - sum_of_refunds(of_it))


def remaining_of(operation: Operation) -> int | None:
    """What of a confirmed capture is neither refunded, cancelled nor reserved, for a
    queued refund for example, in minor units. ``None`` for any other operation.
    """
    if (operation.kind, operation.outcome) != (
        OperationKind.CAPTURE,
        OperationOutcome.DONE,
    ):
        return None
    order = operation.order
    queued = queued_refunds.waiting(order) if order.queued_amount else []
    return remaining_after(operation, order, queued)
