"""Discrepancies between us and the gateway: a row and the signal for each."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from nexi_payments import outbox
from nexi_payments.enums import DiscrepancyKind
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.models import Discrepancy, PaymentOrder

#: Kinds that each inquiry finds again as long as they last.
_LASTING: Final = frozenset(
    {
        DiscrepancyKind.TOTALS,
        DiscrepancyKind.STILL_PENDING,
        DiscrepancyKind.UNKNOWN_RESULT,
        DiscrepancyKind.MISMATCH,
        DiscrepancyKind.SAME_ID,
    }
)


def record(
    order: PaymentOrder | None,
    kind: str,
    ours: str,
    theirs: str,
    *,
    since: datetime | None = None,
) -> None:
    """Writes a discrepancy and sends ``discrepancy_found``.

    Idempotent while the same one is unresolved; and after a person has dealt with it,
    as long as it lasts. ``since``: when it began, if it may begin anew.
    """
    known = Discrepancy.objects.filter(order=order, kind=kind, theirs=theirs[:200])
    if known.filter(resolved_at__isnull=True).exists():
        return
    if kind in _LASTING:
        known = known.filter(ours=ours[:200])
        if since is not None:
            known = known.filter(created_at__gte=since)
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


def resolve(rows: QuerySet[Discrepancy], actor: Actor) -> bool:
    """Marks the unresolved ones of ``rows`` as resolved by ``actor``. False when there
    is none.
    """
    values = {
        "resolved_at": timezone.now(),
        "resolved_by": actor.user,
        "resolved_by_name": actor.staff_name,
    }
    return bool(rows.filter(resolved_at=None).update(**values))
