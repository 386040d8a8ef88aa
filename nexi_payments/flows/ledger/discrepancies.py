"""Discrepancies between us and the gateway: a row and the signal for each."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from nexi_payments import outbox
from nexi_payments.models import Discrepancy, PaymentOrder


def record(order: PaymentOrder | None, kind: str, ours: str, theirs: str) -> None:
    """Writes a discrepancy and sends ``discrepancy_found``. Idempotent while the same
    one is unresolved.
    """
    known = Discrepancy.objects.filter(
        order=order, kind=kind, theirs=theirs[:200], resolved_at__isnull=True
    )
    if known.exists():
        return
    row = Discrepancy.objects.create(
        order=order,
        kind=kind,
        ours=ours[:200],
        theirs=theirs[:200],
        created_at=timezone.now(),
    )
    outbox.notify_discrepancy(row)


def resolve(rows: QuerySet[Discrepancy], user: Any) -> bool:
    """Marks the unresolved ones of ``rows`` as resolved by ``user``. False when there
    is none.
    """
    values = {"resolved_at": timezone.now(), "resolved_by": user}
    return bool(rows.filter(resolved_at=None).update(**values))
