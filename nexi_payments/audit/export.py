"""The audit trail as JSON lines, for an archive or a SIEM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from nexi_payments.audit import chain
from nexi_payments.models.audit import AuditEntry

PAGE_SIZE: Final = 500


def json_lines(
    since: datetime | None = None, until: datetime | None = None
) -> Iterator[str]:
    """Yields a line for each entry whose action is in the half-open period.

    In the order of their numbers, in constant memory. ``facts`` and ``personal`` are
    the stored texts: the digests are of them. ``personal`` is "" when erased.
    """
    rows = AuditEntry.objects.order_by("number")
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    last = 0
    while page := list(rows.filter(number__gt=last)[:PAGE_SIZE]):
        for entry in page:
            yield json.dumps(_members(entry), ensure_ascii=False)
        last = page[-1].number


def _members(entry: AuditEntry) -> dict[str, Any]:
    names = (field.name for field in AuditEntry._meta.concrete_fields)
    values = {name: getattr(entry, name) for name in names}
    return {**values, "at": chain.timestamp(entry.at)}
