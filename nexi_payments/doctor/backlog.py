"""The backlog in the database, the last reconciler run, and the database's clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connections
from django.utils import timezone

from nexi_payments import enums, outbox
from nexi_payments.doctor.findings import OK, WARNING, Finding
from nexi_payments.doctor.terminals import MAX_CLOCK_DIFFERENCE
from nexi_payments.enums import ContractState, OrderState
from nexi_payments.flows import retry_policy
from nexi_payments.flows.inquiry import sweeps
from nexi_payments.models import (
    Contract,
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
    QueuedRefund,
    db_transactions,
)
from nexi_payments.models.bookkeeping import Heartbeat, SweepCursor
from nexi_payments.models.sealed_card import SealedCard

#: Payments that are listed by id. The counts are complete.
_MAX_LINES: Final = 20
#: A queued refund is sent within a minute or two, unless something prevents it.
_QUEUED_TOO_LONG: Final = timedelta(hours=1)
#: By hand: Django's ``Now`` needs a row to select from. SQLite is missing: it uses the
#: clock of this machine.
_NOW_SQL: Final = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
}


def reconciler() -> Iterator[Finding]:
    """When the reconciler last completed a run."""
    last = Heartbeat.objects.filter(name=Heartbeat.RECONCILE).first()
    if last is None:
        message, level, age = "nexi_reconcile: no completed run", WARNING, None
    else:
        elapsed = timezone.now() - last.ended_at
        age = round(elapsed.total_seconds())
        level = WARNING if elapsed > Heartbeat.OVERDUE_AFTER else OK
        host = last.host or "an unknown host"
        message = f"nexi_reconcile: last ran {age} s ago on {host}"
    yield Finding("reconciler", message, level, {"seconds": age}, indent=0)


def waiting_charges() -> Iterator[Finding]:
    """Due charges that wait for a sweep of their terminal's orders at Nexi."""
    now = timezone.now()
    fresh = SweepCursor.objects.filter(swept_at__gte=now - sweeps.fresh_for())
    due = Contract.objects.filter(
        state=ContractState.ACTIVE, next_charge_at__lte=now, amount__isnull=False
    ).exclude(terminal__in=fresh.values("terminal"))
    counts = Counter(due.values_list("terminal", flat=True))
    for terminal, count in sorted(counts.items()):
        yield Finding(
            "sweeps",
            f"terminal {terminal}: {count} due charges wait for a sweep: nexi_reconcile"
            " or nexi_charge_due makes it, if Nexi answers",
            WARNING,
            {"terminal": terminal, "due": count},
            indent=0,
        )


def database_clock() -> Iterator[Finding]:
    """The database server's clock, compared with this machine's, which writes the
    timestamps of rows."""
    connection = connections[db_transactions.alias()]
    query = _NOW_SQL.get(connection.vendor)
    if query is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(query)
        database_time: datetime = cursor.fetchone()[0]
    if database_time.tzinfo is None:
        database_time = database_time.replace(tzinfo=UTC)
    difference = abs((timezone.now() - database_time).total_seconds())
    yield Finding(
        "clock",
        f"clock of the database: {difference:.1f} s from ours",
        WARNING if difference > MAX_CLOCK_DIFFERENCE else OK,
        {"seconds_apart": round(difference, 1)},
        indent=0,
    )


def row_counts() -> Iterator[Finding]:
    """How many rows need a status inquiry, a delivery, a purge or a decision."""
    now = timezone.now()
    late = now - 2 * outbox.lease_duration()
    orders, events = PaymentOrder.objects, Event.objects
    sent = Operation.objects.filter(
        kind__in=enums.POST_CHARGE, outcome__in=enums.RESERVING
    )
    queued = QueuedRefund.objects.filter(next_attempt_at__isnull=False)
    counts = {
        "charges in doubt": (orders.filter(state=OrderState.PAYING).count(), OK),
        "open hosted pages": (
            orders.filter(state=OrderState.AWAITING_HOSTED_PAGE).count(),
            OK,
        ),
        "unconfirmed captures, voids and refunds": (sent.count(), OK),
        "queued refunds": (queued.count(), OK),
        "queued refunds that wait for an hour": (
            queued.filter(created_at__lt=now - _QUEUED_TOO_LONG).count(),
            WARNING,
        ),
        "under review": (orders.filter(state=OrderState.REVIEW).count(), WARNING),
        "overdue polls": (
            orders.filter(next_poll_at__lt=late).count(),
            WARNING,
        ),
        "undelivered signals": (
            events.filter(deliver_at__isnull=False, created_at__lt=late).count(),
            WARNING,
        ),
        "expired sealed cards": (
            SealedCard.objects.filter(expires_at__lt=late).count(),
            WARNING,
        ),
    }
    yield Finding("database", f"database {db_transactions.alias()}:", indent=0)
    for name, (count, level) in counts.items():
        yield Finding(
            "database", f"{name}: {count}", level if count else OK, {name: count}
        )
    if counts["overdue polls"][0] or counts["expired sealed cards"][0]:
        message = "nexi_reconcile does not run, or not often enough"
        yield Finding("database", message, WARNING)


def failing_signals() -> Iterator[Finding]:
    """Signals whose receivers fail: which ones, since when, how many wait behind."""
    events, now = outbox.blocked_events(), timezone.now()
    failing = events.filter(attempts__gt=0)
    waiting = events.filter(attempts=0, is_behind=True)
    count = failing.count()
    yield Finding(
        "signals",
        f"failing signals: {count}",
        WARNING if count else OK,
        {"failing": count, "waiting": waiting.count()},
    )
    for event in failing.select_related("order")[:_MAX_LINES]:
        minutes = int((now - event.created_at).total_seconds() // 60)
        message = (
            f"order {event.order.order_id}: {event.kind}, undelivered for {minutes}"
            f" min, failed attempts: {event.attempts}, waiting behind it:"
            f" {waiting.filter(order_id=event.order_id).count()},"
            f" {event.failed_receivers or 'receiver not recorded'}"
        )
        yield Finding("signals", message, WARNING, indent=2)


def failing_contracts() -> Iterator[Finding]:
    """Contracts whose recurring charge ends with an exception."""
    rows = retry_policy.failing_contracts()
    count, now = rows.count(), timezone.now()
    yield Finding(
        "recurring",
        f"recurring charges that end with an exception: {count}",
        WARNING if count else OK,
        {"failing": count},
    )
    for one in rows[:_MAX_LINES]:
        since = one.failing_since or now
        minutes = int((now - since).total_seconds() // 60)
        message = (
            f"contract {one.contract_id}: {one.error}, failed attempts:"
            f" {one.error_count}, for {minutes} min"
        )
        yield Finding("recurring", message, WARNING, indent=2)


def discrepancies() -> Iterator[Finding]:
    """Unresolved discrepancies with Nexi, by kind."""
    unresolved = Discrepancy.objects.filter(resolved_at__isnull=True)
    kinds = Counter(unresolved.values_list("kind", flat=True))
    yield Finding(
        "discrepancies",
        f"unresolved discrepancies: {sum(kinds.values())}",
        WARNING if kinds else OK,
        {"kinds": dict(kinds)},
    )
    for kind, count in sorted(kinds.items()):
        yield Finding("discrepancies", f"{kind}: {count}", WARNING, indent=2)
