"""Old payments that are over go into files, and out of the tables.

A file is JSON by the line, gzip: a head, a line for each order with its operations,
events and disagreements, and an end that counts and adds them up and carries the
SHA-256 of all before it. No personal data is in it (see ``retention``); amounts are in
minor units. A row is removed only when its line is on the disk, has been read back, and
still says what the table says (docs/decisions, "Archiving").
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

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from nexi_payments import states
from nexi_payments.models import Break, Event, Operation, PaymentOrder, database

FORMAT: Final = "nexi_payments archive 1"
#: For thirteen months a payer may dispute what he did not authorise (PSD2, article 71).
YOUNGEST: Final = timedelta(days=400)
#: Nothing can follow these but a refund, and for that they are too old.
OVER: Final = frozenset({states.PAID, states.FAILED, states.VOIDED, states.REFUNDED})
#: So many orders go in one transaction: others wait that long on SQLite.
_SLICE: Final = 200
_PARTS: Final[tuple[tuple[str, type[models.Model]], ...]] = (
    ("operations", Operation),
    ("events", Event),
    ("breaks", Break),
)
_LEFT_OUT: Final = {
    PaymentOrder: {
        "customer_name",
        "customer_email",
        "cardholder_name",
        "description",
        "success_url",
        "failure_url",
        "token_hash",
    },
    Operation: {"address"},
    Event: {"address", "note"},
    Break: set(),
}


class Damaged(Exception):
    """A file is not what was written."""


@dataclass
class Tally:
    """What a file holds. ``sums`` are minor units by currency: captured, refunded."""

    orders: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    sums: dict[str, list[int]] = field(default_factory=dict)

    def add(self, line: dict[str, Any]) -> None:
        self.orders += 1
        for name, _model in _PARTS:
            self.parts[name] += len(line[name])
        order = line["order"]
        sums = self.sums.setdefault(order["currency"], [0, 0])
        sums[0] += order["captured_amount"]
        sums[1] += order["refunded_amount"]

    def as_json(self) -> dict[str, Any]:
        return {"orders": self.orders, **self.parts, "sums": self.sums}


@dataclass(frozen=True)
class Outcome:
    """``kept`` orders changed while the file was written: they stay in the table, and
    what the file says of them is not their end."""

    path: Path
    removed: int
    kept: int


def over(before: datetime) -> QuerySet[PaymentOrder]:
    """Made before that moment, nothing was done with them since, and nothing about them
    can still happen: oldest first.

    Nothing in doubt, watched, on its way, undelivered or disagreed about; no card on
    file that lives on. An order that another row points to stays: a later attempt, a
    row of the shop's own.
    """
    theirs: dict[str, Any] = {"order": OuterRef("pk")}
    # a refund of yesterday belongs to the accounts of this month
    lately = Q(created_at__gte=before) | Q(settled_at__gte=before)
    rows = PaymentOrder.objects.filter(
        Q(watch_until=None) | Q(watch_until__lt=timezone.now()),
        Q(contract=None) | Q(contract__state__in=(states.ENDED, states.NOT_MADE)),
        created_at__lt=before,
        state__in=OVER,
        unsettled_since=None,
        due_at=None,
        capturing_amount=0,
        refunding_amount=0,
    ).exclude(
        Exists(
            Operation.objects.filter(lately | Q(outcome__in=states.RESERVING), **theirs)
        )
        | Exists(Event.objects.filter(deliver_at__isnull=False, **theirs))
        | Exists(Break.objects.filter(resolved_at=None, **theirs))
    )
    for pointing in _pointing():
        rows = rows.exclude(Exists(pointing))
    return rows.order_by("created_at", "id")


def _pointing() -> Iterator[QuerySet[Any]]:
    """Rows of any model that would be lost, or lose something, with an order."""
    ours: set[Any] = {model for _name, model in _PARTS}
    for target, path in ((PaymentOrder, ""), *((model, "__order") for model in ours)):
        for relation in target._meta.get_fields(include_hidden=True):
            source: Any = relation.related_model
            if not relation.auto_created or relation.concrete or source in ours:
                continue
            if (
                getattr(relation, "on_delete", None) is models.CASCADE
                and source._meta.app_label == target._meta.app_label
            ):
                continue  # personal data beside the order: it goes with it
            name = relation.remote_field.name + path
            yield source._base_manager.filter(**{name: OuterRef("pk")})


def archive(folder: Path, before: datetime, most: int) -> Outcome | None:
    """Writes the oldest ``most`` orders into a new file of ``folder``, then removes
    them. ``None`` when there are none. Raises ``ValueError`` for a moment later than
    ``YOUNGEST`` ago; ``OSError`` and ``Damaged`` when the file cannot be relied on, and
    nothing was removed then.
    """
    if before > timezone.now() - YOUNGEST:
        raise ValueError(f"younger than {YOUNGEST.days} days is not archived")
    keys = list(over(before).values_list("pk", flat=True)[:most])
    if not keys:
        return None
    stamp = timezone.now().strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"nexi-{stamp}-{uuid.uuid4().hex[:8]}.jsonl.gz"
    digests = _write(path, keys)
    removed = 0
    for start in range(0, len(keys), _SLICE):
        removed += _remove(keys[start : start + _SLICE], before, digests)
    return Outcome(path, removed, len(keys) - removed)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The orders of a file: ``{"order": {…}, "operations": […], …}``.

    Raises ``Damaged`` when a byte is not as it was written, at the end at the latest.
    """
    digest, tally, end = hashlib.sha256(), Tally(), None
    try:
        with gzip.open(path, "rb") as lines:
            for number, text in enumerate(lines):
                line = json.loads(text)
                if number == 0 and line.get("format") != FORMAT:
                    raise Damaged(f"{path.name} is no archive")
                if end is not None:
                    raise Damaged(f"{path.name} goes on behind its end")
                if "end" in line:
                    end = line["end"]
                    continue
                digest.update(text)
                if number:
                    tally.add(line)
                    yield line
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path.name}: {type(error).__name__}") from error
    if end != {**tally.as_json(), "sha256": digest.hexdigest()}:
        raise Damaged(f"{path.name} is not as it was written")


# -- writing -------------------------------------------------------------------------


def _write(path: Path, keys: list[int]) -> dict[int, bytes]:
    """The SHA-256 of each order's line, once the file is on the disk and was read."""
    partial = path.with_suffix(".partial")
    digests: dict[int, bytes] = {}
    whole, tally = hashlib.sha256(), Tally()
    raw = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(raw, "wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", filename="") as packed:
                head = {"format": FORMAT, "made_at": timezone.now()}
                text = _as_text(head)
                packed.write(text)
                whole.update(text)
                for start in range(0, len(keys), _SLICE):
                    for key, line in _lines(keys[start : start + _SLICE]):
                        text = _as_text(line)
                        packed.write(text)
                        whole.update(text)
                        tally.add(line)
                        digests[key] = hashlib.sha256(text).digest()
                end = {**tally.as_json(), "sha256": whole.hexdigest()}
                packed.write(_as_text({"end": end}))
            file.flush()
            os.fsync(file.fileno())
        if sum(1 for _line in read(partial)) != len(digests):
            raise Damaged(f"{partial.name} lacks orders")
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.rename(path)
    _sync_folder(path.parent)
    return digests


def _sync_folder(folder: Path) -> None:
    """The file's name, too, has to survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _as_text(line: dict[str, Any]) -> bytes:
    text = json.dumps(line, cls=DjangoJSONEncoder, separators=(",", ":"))
    return text.encode() + b"\n"


def _lines(keys: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    parts: dict[str, dict[int, list[Any]]] = {}
    for name, model in _PARTS:
        rows: Any = model._base_manager.filter(order__in=keys).order_by("pk")
        by_order = parts[name] = {}
        for row in rows:
            by_order.setdefault(row.order_id, []).append(_facts(row))
    for order in PaymentOrder.objects.filter(pk__in=keys).order_by("created_at", "id"):
        theirs = {name: parts[name].get(order.pk, []) for name, _model in _PARTS}
        yield order.pk, {"order": _facts(order), **theirs}


def _facts(row: models.Model) -> dict[str, Any]:
    left_out = _LEFT_OUT[type(row)]
    return {
        column.attname: getattr(row, column.attname)
        for column in row._meta.concrete_fields
        if column.name not in left_out
    }


# -- removing ------------------------------------------------------------------------


def _remove(keys: list[int], before: datetime, digests: dict[int, bytes]) -> int:
    """How many of them went, in one transaction: those that are still over and of which
    the table says, to the byte, what the file says."""

    def work() -> int:
        rows = PaymentOrder.objects.filter(pk__in=keys)
        if connections[database.alias()].features.has_select_for_update:
            list(rows.select_for_update().values_list("pk", flat=True))
        still = list(over(before).filter(pk__in=keys).values_list("pk", flat=True))
        same = [
            key
            for key, line in _lines(still)
            if hashlib.sha256(_as_text(line)).digest() == digests[key]
        ]
        # an operation may point to one of the same order
        Operation.objects.filter(order__in=same, of__isnull=False).update(of=None)
        for model in (Event, Operation, Break):
            model._base_manager.filter(order__in=same).delete()
        PaymentOrder.objects.filter(pk__in=same).delete()
        return len(same)

    return database.committed(work)
