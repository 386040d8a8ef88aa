"""Disagreements between us and the gateway: a row each, and the signal."""

from __future__ import annotations

from django.utils import timezone

from nexi_payments import outbox
from nexi_payments.models import Break, PaymentOrder


def record(order: PaymentOrder | None, kind: str, ours: str, theirs: str) -> None:
    """Writes a disagreement, once: the same one again adds nothing."""
    known = Break.objects.filter(
        order=order, kind=kind, theirs=theirs[:200], resolved_at__isnull=True
    )
    if known.exists():
        return
    row = Break.objects.create(
        order=order,
        kind=kind,
        ours=ours[:200],
        theirs=theirs[:200],
        created_at=timezone.now(),
    )
    outbox.tell_break(row)
