"""What waits in the database, whether anybody looks after it, and its clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from django.db import connections
from django.utils import timezone

from nexi_payments import outbox, states
from nexi_payments.doctor.findings import LOOK, WELL, Finding
from nexi_payments.doctor.terminals import APART
from nexi_payments.models import (
    Break,
    Event,
    Hold,
    LastPass,
    Operation,
    PaymentOrder,
    database,
)

#: SQLite has the clock of this machine.
_NOW: Final = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
}


def reconciler() -> Iterator[Finding]:
    last = LastPass.objects.filter(name=LastPass.RECONCILE).first()
    if last is None:
        says, level, age = "nexi_reconcile: never ran to its end", LOOK, None
    else:
        passed = timezone.now() - last.ended_at
        age = round(passed.total_seconds())
        level = LOOK if passed > LastPass.LATE else WELL
        says = f"nexi_reconcile: last ran {age} s ago on {last.host or 'some host'}"
    yield Finding("reconciler", says, level, {"seconds": age}, depth=0)


def clock() -> Iterator[Finding]:
    """The database's own. Ours is the one that rows are written by."""
    connection = connections[database.alias()]
    question = _NOW.get(connection.vendor)
    if question is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(question)
        theirs: datetime = cursor.fetchone()[0]
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    apart = abs((timezone.now() - theirs).total_seconds())
    yield Finding(
        "clock",
        f"clock of the database: {apart:.1f} s from ours",
        LOOK if apart > APART else WELL,
        {"seconds_apart": round(apart, 1)},
        depth=0,
    )


def rows() -> Iterator[Finding]:
    now = timezone.now()
    late = now - 2 * outbox.lease()
    orders, events = PaymentOrder.objects, Event.objects
    sent = Operation.objects.filter(
        kind__in=states.AFTERWARDS, outcome__in=states.RESERVING
    )
    counts = {
        "charges in doubt": (orders.filter(state=states.PAYING).count(), WELL),
        "captures, voids and refunds not confirmed": (sent.count(), WELL),
        "under review": (orders.filter(state=states.REVIEW).count(), LOOK),
        "due, and not looked at": (orders.filter(due_at__lt=late).count(), LOOK),
        "signals not delivered": (events.filter(deliver_at__lt=late).count(), LOOK),
        "held cards past their time": (
            Hold.objects.filter(expires_at__lt=late).count(),
            LOOK,
        ),
    }
    yield Finding("database", f"database {database.alias()}:", depth=0)
    for what, (count, level) in counts.items():
        yield Finding(
            "database", f"{what}: {count}", level if count else WELL, {what: count}
        )
    if counts["due, and not looked at"][0] or counts["held cards past their time"][0]:
        says = "nexi_reconcile does not run, or not often enough"
        yield Finding("database", says, LOOK)


def breaks() -> Iterator[Finding]:
    open_ones = Break.objects.filter(resolved_at__isnull=True)
    kinds = Counter(open_ones.values_list("kind", flat=True))
    yield Finding(
        "breaks",
        f"disagreements not dealt with: {sum(kinds.values())}",
        LOOK if kinds else WELL,
        {"kinds": dict(kinds)},
    )
    for kind, count in sorted(kinds.items()):
        yield Finding("breaks", f"{kind}: {count}", LOOK, depth=2)
