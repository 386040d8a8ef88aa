"""Checks that the audit trail was not changed, and that it agrees with its sources."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.audit import chain
from nexi_payments.audit.sources import OUTCOME, SOURCES, Draft
from nexi_payments.enums import AccessKind, AuditSource
from nexi_payments.models import PaymentOrder
from nexi_payments.models.audit import NO_STAFF, AuditEntry

PAGE_SIZE: Final = 500
#: Problems that are described; the others are only counted.
MAX_PROBLEMS: Final = 50
#: The reconciler runs every minute.
_PENDING_AFTER: Final = timedelta(hours=1)


@dataclass
class Verification:
    """The result. ``head`` is "number:hash" of the last entry, "" without one.

    ``archived``: entries whose payment ``nexi_archive`` has moved into a file.
    """

    entries: int = 0
    archived: int = 0
    head: str = ""
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)

    def report(self, text: str) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)


def verify(anchors: Mapping[int, str] | None = None) -> Verification:
    """Reads the whole trail in constant memory. Changes nothing.

    Found are: a gap, a changed or missing entry, personal data that was erased too
    early, a source row that was changed or deleted, and staff's rows that are not in
    the trail. ``anchors`` are hashes by number, kept outside of the database: only they
    show that the end was cut off, or everything written anew.
    """
    result = Verification()
    _verify_chain(result, dict(anchors or {}))
    _verify_completeness(result)
    return result


def erasable_before() -> datetime | None:
    """Personal data of staff that is older may be erased; ``None``: none may."""
    seconds = conf.current().audit_retention
    return None if seconds is None else timezone.now() - timedelta(seconds=seconds)


def _verify_chain(result: Verification, anchors: dict[int, str]) -> None:
    erasable, previous, archive_known = erasable_before(), "", False
    for page in _pages(AuditEntry.objects.order_by("number"), "number"):
        drafts = _drafts(page)
        orders = _existing_orders(page)
        for entry in page:
            result.entries += 1
            if entry.number != result.entries:
                result.report(f"entry {result.entries} is missing")
                result.entries = entry.number
            if entry.previous != previous or entry.hash != chain.entry_hash(entry):
                result.report(f"entry {entry.number} is not as it was written")
            previous = entry.hash
            result.head = f"{entry.number}:{entry.hash}"
            anchor = anchors.pop(entry.number, entry.hash)
            if anchor != entry.hash:
                result.report(f"entry {entry.number} has another hash than its anchor")
            _verify_personal(result, entry, erasable)
            archive_known |= entry.kind == AccessKind.ARCHIVED
            if entry.source != AuditSource.ACCESS:
                draft = drafts.get((entry.source, entry.source_id))
                _verify_source(result, entry, draft, entry.about in orders, erasable)
    for number in sorted(anchors):
        result.report(f"entry {number} is missing: there is an anchor of it")
    if result.archived and not archive_known:
        result.report(
            f"the payments of {result.archived} entries are gone, and none was archived"
        )


def _verify_personal(
    result: Verification, entry: AuditEntry, erasable: datetime | None
) -> None:
    if entry.personal:
        digest = chain.personal_digest(entry.salt, entry.personal)
        if digest != entry.personal_digest:
            result.report(f"the personal data of entry {entry.number} was changed")
    elif erasable is None or entry.at >= erasable:
        result.report(f"the personal data of entry {entry.number} was erased too early")


def _verify_source(
    result: Verification,
    entry: AuditEntry,
    draft: Draft | None,
    order_exists: bool,
    erasable: datetime | None,
) -> None:
    name = f"{entry.source} {entry.source_id} of {entry.about}, entry {entry.number},"
    if draft is None:
        if order_exists or entry.source == AuditSource.VERIFICATION:
            result.report(f"{name} is gone")
        else:
            result.archived += 1
        return
    facts = {**json.loads(entry.facts), OUTCOME: ""}
    same = (entry.kind, entry.at, entry.about, facts) == (
        draft.kind,
        draft.at,
        draft.about,
        {**draft.facts, OUTCOME: ""},
    )
    if not same or _was_rewritten(entry, draft, erasable):
        result.report(f"{name} was changed")


def _was_rewritten(entry: AuditEntry, draft: Draft, erasable: datetime | None) -> bool:
    """Whether the source names somebody else. A deleted user leaves no key there."""
    if not entry.personal or (erasable is not None and entry.at < erasable):
        return False
    personal = json.loads(entry.personal)
    names = ("actor", "address", "note")
    return any(personal.get(name) != draft.personal.get(name) for name in names)


def _verify_completeness(result: Verification) -> None:
    """Rows of staff that did not enter the trail."""
    late = timezone.now() - _PENDING_AFTER
    for name, source in SOURCES.items():
        waiting = source.rows().filter(created_at__lt=late).count()
        if waiting:
            result.report(
                f"{waiting} rows ({name}) wait for more than an hour: does"
                " nexi_reconcile run?"
            )
        if name == AuditSource.ACCESS:
            continue
        rows = source.model._base_manager.filter(~NO_STAFF, Q(audit_due=None))
        for page in _pages(rows.only("pk").order_by("pk"), "pk"):
            keys = {row.pk for row in page}
            known = AuditEntry.objects.filter(source=name, source_id__in=keys)
            for key in sorted(keys - set(known.values_list("source_id", flat=True))):
                result.report(f"{name} {key} is not in the trail")


def _pages(rows: Any, key: str) -> Iterator[list[Any]]:
    """Keyset pagination: constant memory, on every database."""
    last = 0
    while page := list(rows.filter(**{f"{key}__gt": last})[:PAGE_SIZE]):
        yield page
        last = page[-1].pk


def _drafts(page: Iterable[AuditEntry]) -> dict[tuple[str, int], Draft]:
    """What the source rows of a page say now."""
    found = {}
    for name, source in SOURCES.items():
        if name == AuditSource.ACCESS:
            continue
        keys = [one.source_id for one in page if one.source == name]
        rows = source.model._base_manager.filter(pk__in=keys)
        if name != AuditSource.VERIFICATION:
            rows = rows.select_related("order")
        for row in rows if keys else ():
            found[name, row.pk] = source.draft(row)
    return found


def _existing_orders(page: Iterable[AuditEntry]) -> set[str]:
    ids = {one.about for one in page}
    rows = PaymentOrder.objects.filter(order_id__in=ids)
    return set(rows.values_list("order_id", flat=True))
