"""The chain of hashes: each entry names the hash of the one before it.

``hash`` is the SHA-256 of this JSON text, without blanks between its members::

    [number,source,source_id,kind,at,about,facts,personal_digest,previous]

``at`` is UTC in ISO 8601, ``facts`` is the stored text, ``previous`` of the first entry
is "". ``personal_digest`` is the SHA-256 of ``salt`` and ``personal`` as stored.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from datetime import UTC, datetime
from typing import Any, Final

from django.db import IntegrityError

from nexi_payments.audit.sources import SOURCES, Draft
from nexi_payments.enums import AuditSource
from nexi_payments.models import db_transactions
from nexi_payments.models.audit import AuditEntry, StaffAccess

log = logging.getLogger("nexi_payments.audit")

#: Rows of each source in one transaction.
BATCH_SIZE: Final = 100


def append_due(*, limit: int = 10_000) -> int:
    """Puts what staff did into the chain, oldest first. Returns the number of entries.

    Any number of processes may run it: one of them wins a batch, and the others leave
    the rest to it. Raises ``RuntimeError`` inside a transaction. Idempotent.
    """
    written = 0
    while written < limit and any(one.rows().exists() for one in SOURCES.values()):
        try:
            entries = _append_batch()
        except IntegrityError:
            break  # another process has written these numbers
        if not entries:
            break
        last = entries[-1]
        # a copy that no writer of the database can change (``nexi_doctor --anchor``)
        log.info(
            "audit trail: entries %d to %d, anchor %d:%s",
            entries[0].number,
            last.number,
            last.number,
            last.hash,
        )
        written += len(entries)
    return written


def head() -> AuditEntry | None:
    """The last entry; ``None`` of an empty trail."""
    return AuditEntry.objects.order_by("-number").first()


@db_transactions.retried()
def _append_batch() -> list[AuditEntry]:
    rows = {
        name: list(source.rows().order_by("pk")[:BATCH_SIZE])
        for name, source in SOURCES.items()
    }
    drafts = [SOURCES[name].draft(row) for name, found in rows.items() for row in found]
    drafts.sort(key=lambda draft: (draft.at, draft.source, draft.source_id))
    last = head()
    number, previous = (last.number, last.hash) if last else (0, "")
    entries = []
    for draft in drafts:
        number += 1
        entry = _entry(draft, number, previous)
        previous = entry.hash
        entries.append(entry)
    AuditEntry.objects.bulk_create(entries)
    for name, found in rows.items():
        keys = [row.pk for row in found]
        if name == AuditSource.ACCESS:
            StaffAccess.objects.filter(pk__in=keys).delete()
        elif keys:
            SOURCES[name].model._base_manager.filter(pk__in=keys).update(audit_due=None)
    return entries


def _entry(draft: Draft, number: int, previous: str) -> AuditEntry:
    personal, salt = canonical_json(draft.personal), secrets.token_hex(16)
    entry = AuditEntry(
        number=number,
        source=draft.source,
        source_id=draft.source_id,
        kind=draft.kind,
        at=draft.at,
        about=draft.about,
        facts=canonical_json(draft.facts),
        personal=personal,
        salt=salt,
        personal_digest=personal_digest(salt, personal),
        previous=previous,
    )
    entry.hash = entry_hash(entry)
    return entry


def personal_digest(salt: str, personal: str) -> str:
    return hashlib.sha256((salt + personal).encode()).hexdigest()


def entry_hash(entry: AuditEntry) -> str:
    """The hash that the columns of ``entry`` result in."""
    members = [
        entry.number,
        entry.source,
        entry.source_id,
        entry.kind,
        timestamp(entry.at),
        entry.about,
        entry.facts,
        entry.personal_digest,
        entry.previous,
    ]
    return hashlib.sha256(canonical_json(members).encode()).hexdigest()


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def canonical_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
