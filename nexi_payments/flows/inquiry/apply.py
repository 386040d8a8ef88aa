"""Writes a reading: everything in one commit, or nothing.

A reading holds for the version of the order that was read before Nexi was asked. If
anything has changed since, it is discarded: the next inquiry reads again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError
from django.db.models import Case, DateTimeField, F, Value, When
from django.utils import timezone

from nexi_payments import enums, sealed_cards
from nexi_payments.enums import DiscrepancyKind, EventKind, OrderState
from nexi_payments.flows.inquiry import (
    announcements,
    charge_columns,
    duplicates,
    issuer_references,
    late_money,
    operation_rows,
)
from nexi_payments.flows.inquiry.late_money import AnotherAttemptRuns, Decision
from nexi_payments.flows.inquiry.operation_rows import Written
from nexi_payments.flows.inquiry.reading import Finding, Reading
from nexi_payments.flows.inquiry.snapshot import Snapshot
from nexi_payments.flows.ledger import (
    discrepancies,
    poll_schedule,
    queued_refunds,
    totals,
    transitions,
)
from nexi_payments.flows.ledger.operations import PreconditionFailed
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import Operation, PaymentOrder, db_transactions, raw_sql

_NO_RESPONSE: Final = OrderResult()
#: "Minutes" between inquiries about late money that waits for another attempt. They
#: grow until then.
_LONGEST_WAIT_FOR_ATTEMPT: Final = 15
_UNFINISHED: Final = (OrderState.AWAITING_3DS, OrderState.VALIDATED)


@dataclass(frozen=True)
class Decider:
    """Who decided it, and why, for the order's history."""

    actor: Actor
    note: str


def apply(
    order: PaymentOrder,
    snapshot: Snapshot,
    reading: Reading,
    response: OrderResult = _NO_RESPONSE,
    *,
    scheduled: bool = False,
    decider: Decider | None = None,
) -> Written | None:
    """Writes ``reading`` and when to inquire next. ``decider``: a person says so, not
    Nexi.

    ``None`` when the order has changed since ``snapshot``, or when another attempt of
    the purchase must end first: nothing is written then. ``order`` is reloaded.
    """
    written = None
    try:
        written = _write(order, snapshot, reading, response, scheduled, decider)
    except AnotherAttemptRuns:
        if scheduled:
            _wait_for_attempt(order, snapshot)
    except (PreconditionFailed, IntegrityError):
        pass  # an id or a reference was taken meanwhile
    order.refresh_from_db()
    return written


def _wait_for_attempt(order: PaymentOrder, snapshot: Snapshot) -> None:
    """Inquires again with growing pauses, as long as the other attempt runs."""
    now = timezone.now()
    values: dict[str, Any] = {"poll_count": order.poll_count + 1}
    poll = poll_schedule.PollState.of(order, **values)
    followed = poll_schedule.follow(snapshot.operations, now)
    due = poll_schedule.next_poll(poll, now, answered=True, followed=followed)
    latest = now + _LONGEST_WAIT_FOR_ATTEMPT * poll_schedule.scaled_minutes(1)
    values["next_poll_at"] = latest if due is None else min(due, latest)
    PaymentOrder.objects.filter(pk=order.pk, version=snapshot.version).update(**values)


@db_transactions.retried()
def _write(
    order: PaymentOrder,
    snapshot: Snapshot,
    reading: Reading,
    response: OrderResult,
    scheduled: bool,
    decider: Decider | None,
) -> Written:
    # the operations before the order, as in settle: two requests that lock them in
    # different orders deadlock
    written = operation_rows.change(snapshot, reading)
    written.changed += operation_rows.insert_adopted(order, snapshot, reading.adopted)
    issuer_references.store(snapshot.rows, response.operations)
    decision = late_money.decide(order, reading)
    columns = {
        **totals.columns(order, reading.books),
        **charge_columns.of_reading(order, reading, snapshot.asked_at),
        **_memory(reading),
        **decision.columns,
    }
    changed = any(getattr(order, name) != value for name, value in columns.items())
    soon = _needs_another(reading, written, snapshot)
    columns |= _schedule(order, reading, decision, soon=soon, scheduled=scheduled)
    if order.is_hosted:
        columns["next_poll_at"] = _unless_triggered(snapshot, columns["next_poll_at"])
    news = announcements.News.of(written.changed, snapshot.operations)
    if decision.state is None:
        raised = bool(changed or reading.changes or reading.adopted)
        _update(order, snapshot, columns, raised=raised)
        news.write(order)
    else:
        _move(order, snapshot, decision, columns, news)
    queued_refunds.follow(order, _given_up_or_found(written, snapshot))
    for finding in (*reading.findings, *decision.findings):
        discrepancies.record(
            order,
            finding.kind,
            finding.ours,
            finding.theirs,
            since=_began(finding, reading),
        )
    if decider is not None:
        transitions.write_event(
            order,
            EventKind.DECIDED,
            source=order.state,
            operation=written.changed[0],
            actor=decider.actor,
            note=decider.note,
        )
    return written


def _given_up_or_found(written: Written, snapshot: Snapshot) -> list[Operation]:
    """The operations that are taken for not executed now, or were before."""
    negative = enums.NEGATIVE_OUTCOMES
    before = {one.key for one in snapshot.operations if one.outcome in negative}
    return [
        row for row in written.changed if row.outcome in negative or row.pk in before
    ]


def _began(finding: Finding, reading: Reading) -> datetime | None:
    """Since when it lasts. The same totals may differ again later."""
    of_total = finding.kind == DiscrepancyKind.TOTALS and reading.dispute is not None
    return reading.dispute.since if of_total and reading.dispute else None


def _memory(reading: Reading) -> dict[str, Any]:
    """What the next reading must know of this one."""
    dispute = reading.dispute
    return {
        "shown_ids": "\n".join(sorted(reading.shown_ids)),
        "disputed_total": dispute.total if dispute else None,
        "disputed_sum": dispute.ours if dispute else None,
        "disputed_since": dispute.since if dispute else None,
    }


def _needs_another(reading: Reading, written: Written, snapshot: Snapshot) -> bool:
    """Whether only one more inquiry is missing, to prove or to believe something."""
    dispute = reading.dispute
    lag = snapshot.times().lag
    waits = dispute is not None and snapshot.asked_at < dispute.since + lag
    return reading.soon or waits or bool(written.resends)


def _schedule(
    order: PaymentOrder,
    reading: Reading,
    decision: Decision,
    *,
    soon: bool,
    scheduled: bool,
) -> dict[str, Any]:
    now = timezone.now()
    changes: dict[str, Any] = {"poll_count": order.poll_count + scheduled}
    if decision.state is not None:
        changes |= {"state": decision.state, "reason": decision.reason}
    state = changes.get("state", order.state)
    poll = poll_schedule.PollState.of(order, **changes)
    followed = poll_schedule.follow(reading.operations, now, soon=soon)
    columns = {
        "poll_count": changes["poll_count"],
        "next_poll_at": poll_schedule.next_poll(
            poll, now, answered=True, followed=followed
        ),
    }
    if state == OrderState.REVIEW:
        columns["unsettled_since"] = order.unsettled_since or now
    elif state != OrderState.PAYING:
        columns["unsettled_since"] = followed.since
    return columns


def _unless_triggered(snapshot: Snapshot, due: datetime | None) -> Case:
    """A notification or a return since the question has made the order due: it stays
    due.
    """
    asked = When(
        triggers=snapshot.triggers, then=Value(due, output_field=DateTimeField())
    )
    return Case(asked, default=F("next_poll_at"))


def _update(
    order: PaymentOrder, snapshot: Snapshot, columns: dict[str, Any], *, raised: bool
) -> None:
    where = {"pk": order.pk, "version": snapshot.version}
    increment = "version" if raised else ""
    if not raw_sql.update(PaymentOrder, where, columns, increment=increment):
        raise PreconditionFailed
    transitions.assign(order, columns)


def _is_told(order: PaymentOrder, target: str) -> bool:
    """Whether a refund or void was taken back, and the shop knows of the charge. It
    would ship again.
    """
    back = order.state in enums.RETURNED and target in enums.SUCCESSFUL
    return back and order.events.filter(kind=target).exists()


def _move(
    order: PaymentOrder,
    snapshot: Snapshot,
    decision: Decision,
    columns: dict[str, Any],
    news: announcements.News,
) -> None:
    """Changes the state, with its event, and announces the operations."""
    source, target = order.state, str(decision.state)
    named = news.named_by(target)
    if target in announcements.ENDS:
        news.write(order, named, target)
    moved = transitions.transition(
        order,
        target,
        sources=(source,),
        conditions={"version": snapshot.version},
        reason=decision.reason,
        operation=named,
        silent=(named is None and _is_told(order, target))
        or (target in enums.RETURNED and news.is_untold(order)),
        **columns,
    )
    if not moved:
        raise PreconditionFailed
    if target not in announcements.ENDS:
        news.write(order, named, target)
    if source in _UNFINISHED:
        sealed_cards.shred(order)
    if decision.is_duplicate:
        transitions.write_event(order, EventKind.DUPLICATE, source=order.state)
        duplicates.queue_refund(order)
    elif source == OrderState.REVIEW and target in enums.RETURNED:
        duplicates.close(order)
