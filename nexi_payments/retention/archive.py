"""Archives old, finished payments: writes them to files and deletes their rows.

A file is gzipped JSON lines: a head, one line per order with its operations, events,
discrepancies, queued refunds and approvals, and an end with counts, totals and the
SHA-256 of all lines before it. It contains no personal data (see ``erasure``). Amounts
are in minor units. A row is deleted only after its line was written to disk, read back,
and compared with the table (decision 26).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from nexi_payments import audit, enums
from nexi_payments.enums import AccessKind, ContractState, OrderState
from nexi_payments.models import (
    Approval,
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
    QueuedRefund,
    db_transactions,
)
from nexi_payments.models.audit import AUDIT_DUE

FORMAT: Final = "nexi_payments archive 1"
#: A payer may dispute an unauthorised payment for thirteen months (PSD2, article 71).
MINIMUM_AGE: Final = timedelta(days=400)
#: Only a refund could follow, and these orders are too old for one.
ARCHIVABLE_STATES: Final = frozenset(
    {OrderState.PAID, OrderState.FAILED, OrderState.VOIDED, OrderState.REFUNDED}
)
#: Orders per transaction: on SQLite other writers wait that long.
BATCH_SIZE: Final = 200
_CHILD_MODELS: Final[tuple[tuple[str, type[models.Model]], ...]] = (
    ("operations", Operation),
    ("events", Event),
    ("discrepancies", Discrepancy),
    ("queued_refunds", QueuedRefund),
    ("approvals", Approval),
)
_OMITTED_FIELDS: Final[dict[type[models.Model], set[str]]] = {
    PaymentOrder: {
        "public_id",
        "customer_name",
        "customer_email",
        "email_key",
        "cardholder_name",
        "description",
        "success_url",
        "failure_url",
        "token_hash",
        "attempt_network",
        "clerk_name",
    },
    Operation: {"address", "calls", "reason", "actor_name", "audit_due"},
    Event: {"address", "note", "actor_name", "audit_due"},
    Discrepancy: {"resolved_by_name"},
    QueuedRefund: {"address", "reason", "actor_name"},
    Approval: {
        "address",
        "reason",
        "decision_reason",
        "requester_name",
        "approver_name",
    },
}


class CorruptArchive(Exception):
    """An archive file differs from what was written."""


@dataclass
class ArchiveTotals:
    """The contents of a file: ``rows`` by model, and ``totals`` by currency (captured,
    refunded; minor units).
    """

    orders: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    totals: dict[str, list[int]] = field(default_factory=dict)

    def add(self, line: dict[str, Any]) -> None:
        self.orders += 1
        for name, _model in _CHILD_MODELS:
            self.rows[name] += len(line[name])
        order = line["order"]
        totals = self.totals.setdefault(order["currency"], [0, 0])
        totals[0] += order["captured_amount"]
        totals[1] += order["refunded_amount"]

    def as_json(self) -> dict[str, Any]:
        return {"orders": self.orders, **self.rows, "totals": self.totals}


@dataclass(frozen=True)
class ArchiveResult:
    """``kept`` orders changed while the file was written. They stay in the table, and
    the file has an outdated copy.
    """

    path: Path
    removed: int
    kept: int


def archivable_orders(before: datetime) -> QuerySet[PaymentOrder]:
    """Orders that were created before that moment and are finished, oldest first.

    Excluded: later operations; anything in doubt, watched, unsettled, queued,
    undelivered, or not in the audit trail yet; open discrepancies and approvals;
    contracts that have not ended; and orders that another row refers to, such as a
    later attempt or a row of the shop.
    """
    of_order: dict[str, Any] = {"order": OuterRef("pk")}
    # a recent refund belongs to the current accounts
    recent = Q(created_at__gte=before) | Q(settled_at__gte=before)
    rows = PaymentOrder.objects.filter(
        Q(watch_until=None) | Q(watch_until__lt=timezone.now()),
        Q(contract=None)
        | Q(contract__state__in=(ContractState.ENDED, ContractState.NOT_MADE)),
        created_at__lt=before,
        state__in=ARCHIVABLE_STATES,
        unsettled_since=None,
        next_poll_at=None,
        capturing_amount=0,
        refunding_amount=0,
        queued_amount=0,
    ).exclude(
        Exists(
            Operation.objects.filter(
                recent | Q(outcome__in=enums.RESERVING) | AUDIT_DUE, **of_order
            )
        )
        | Exists(
            Event.objects.filter(Q(deliver_at__isnull=False) | AUDIT_DUE, **of_order)
        )
        | Exists(Discrepancy.objects.filter(resolved_at=None, **of_order))
        | Exists(Approval.objects.filter(state__in=enums.OPEN_APPROVALS, **of_order))
    )
    for referencing in _referencing_rows():
        rows = rows.exclude(Exists(referencing))
    return rows.order_by("created_at", "id")


def _referencing_rows() -> Iterator[QuerySet[Any]]:
    """Rows of any model that a deletion of the order would delete or change."""
    ours: set[Any] = {model for _name, model in _CHILD_MODELS}
    for target, path in ((PaymentOrder, ""), *((model, "__order") for model in ours)):
        for relation in target._meta.get_fields(include_hidden=True):
            source: Any = relation.related_model
            if not relation.auto_created or relation.concrete or source in ours:
                continue
            if (
                getattr(relation, "on_delete", None) is models.CASCADE
                and source._meta.app_label == target._meta.app_label
            ):
                continue  # personal data of the order: deleted with it
            name = relation.remote_field.name + path
            yield source._base_manager.filter(**{name: OuterRef("pk")})


def archive(folder: Path, before: datetime, limit: int) -> ArchiveResult | None:
    """Moves the oldest ``limit`` orders to a new file in ``folder``.

    ``None`` when there are none. Raises ``ValueError`` if ``before`` is not at least
    ``MINIMUM_AGE`` ago. Raises ``OSError`` and ``CorruptArchive`` if the file is not
    reliable; nothing was deleted then.
    """
    if before > timezone.now() - MINIMUM_AGE:
        raise ValueError(
            f"orders younger than {MINIMUM_AGE.days} days are not archived"
        )
    keys = list(archivable_orders(before).values_list("pk", flat=True)[:limit])
    if not keys:
        return None
    stamp = timezone.now().strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"nexi-{stamp}-{uuid.uuid4().hex[:8]}.jsonl.gz"
    digests = _write_file(path, keys)
    detail = f"{path.name}: {len(keys)} payments"
    audit.record_access(
        AccessKind.ARCHIVED, audit.Shell(), page="nexi_archive", detail=detail
    )
    removed = 0
    for start in range(0, len(keys), BATCH_SIZE):
        removed += _delete_archived(keys[start : start + BATCH_SIZE], before, digests)
    return ArchiveResult(path, removed, len(keys) - removed)


def read_archive(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the orders of a file: ``{"order": {…}, "operations": […], …}``.

    Raises ``CorruptArchive`` if any byte differs, at the end at the latest.
    """
    digest, totals, end = hashlib.sha256(), ArchiveTotals(), None
    try:
        with gzip.open(path, "rb") as lines:
            for number, text in enumerate(lines):
                line = json.loads(text)
                if number == 0 and line.get("format") != FORMAT:
                    raise CorruptArchive(f"{path.name} is not an archive")
                if end is not None:
                    raise CorruptArchive(f"{path.name} has data after its end")
                if "end" in line:
                    end = line["end"]
                    continue
                digest.update(text)
                if number:
                    totals.add(line)
                    yield line
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise CorruptArchive(f"{path.name}: {type(error).__name__}") from error
    if end != {**totals.as_json(), "sha256": digest.hexdigest()}:
        raise CorruptArchive(f"{path.name} differs from what was written")


# -- writing -------------------------------------------------------------------------


def _write_file(path: Path, keys: list[int]) -> dict[int, bytes]:
    """Writes, syncs and reads back the file. Returns each order line's SHA-256."""
    partial = path.with_suffix(".partial")
    digests: dict[int, bytes] = {}
    digest, totals = hashlib.sha256(), ArchiveTotals()
    raw = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(raw, "wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", filename="") as packed:
                head = {"format": FORMAT, "made_at": timezone.now()}
                text = _encode_line(head)
                packed.write(text)
                digest.update(text)
                for start in range(0, len(keys), BATCH_SIZE):
                    for key, line in _order_lines(keys[start : start + BATCH_SIZE]):
                        text = _encode_line(line)
                        packed.write(text)
                        digest.update(text)
                        totals.add(line)
                        digests[key] = hashlib.sha256(text).digest()
                end = {**totals.as_json(), "sha256": digest.hexdigest()}
                packed.write(_encode_line({"end": end}))
            file.flush()
            os.fsync(file.fileno())
        if sum(1 for _line in read_archive(partial)) != len(digests):
            raise CorruptArchive(f"{partial.name} lacks orders")
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.rename(path)
    _fsync_directory(path.parent)
    return digests


def _fsync_directory(folder: Path) -> None:
    """Syncs the directory: the file's name must survive a power failure, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _encode_line(line: dict[str, Any]) -> bytes:
    text = json.dumps(line, cls=DjangoJSONEncoder, separators=(",", ":"))
    return text.encode() + b"\n"


def _order_lines(keys: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    parts: dict[str, dict[int, list[Any]]] = {}
    for name, model in _CHILD_MODELS:
        rows: Any = model._base_manager.filter(order__in=keys).order_by("pk")
        by_order = parts[name] = {}
        for row in rows:
            by_order.setdefault(row.order_id, []).append(_column_values(row))
    for order in PaymentOrder.objects.filter(pk__in=keys).order_by("created_at", "id"):
        theirs = {name: parts[name].get(order.pk, []) for name, _model in _CHILD_MODELS}
        yield order.pk, {"order": _column_values(order), **theirs}


def _column_values(row: models.Model) -> dict[str, Any]:
    omitted = _OMITTED_FIELDS[type(row)]
    return {
        column.attname: _without_personal_keys(column, getattr(row, column.attname))
        for column in row._meta.concrete_fields
        if column.name not in omitted
    }


def _without_personal_keys(column: Any, value: Any) -> Any:
    """Hashes a user key that is no integer and no UUID: it may be an e-mail address,
    which is personal, or a value of a class of the host.
    """
    user = column.related_model is get_user_model()
    if not user or value is None or isinstance(value, int | uuid.UUID):
        return value
    return "sha256:" + hashlib.sha256(str(value).encode()).hexdigest()


# -- removing ------------------------------------------------------------------------


@db_transactions.retried()
def _delete_archived(
    keys: list[int], before: datetime, digests: dict[int, bytes]
) -> int:
    """Deletes the orders that are still archivable and equal to their line, byte for
    byte. Returns how many.
    """
    rows = PaymentOrder.objects.filter(pk__in=keys)
    if connections[db_transactions.alias()].features.has_select_for_update:
        list(rows.select_for_update().values_list("pk", flat=True))
    still = list(
        archivable_orders(before).filter(pk__in=keys).values_list("pk", flat=True)
    )
    same = [
        key
        for key, line in _order_lines(still)
        if hashlib.sha256(_encode_line(line)).digest() == digests[key]
    ]
    # an operation may point to one of the same order
    Operation.objects.filter(order__in=same, capture__isnull=False).update(capture=None)
    # each names those behind it
    for model in (QueuedRefund, Event, Approval, Operation, Discrepancy):
        model._base_manager.filter(order__in=same).delete()
    PaymentOrder.objects.filter(pk__in=same).delete()
    return len(same)
