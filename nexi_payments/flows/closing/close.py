"""Closes a day: compares it with Nexi, and keeps what was found. The public verbs."""

from __future__ import annotations

import logging
from datetime import date

from django.db import IntegrityError

from nexi_payments import audit
from nexi_payments.enums import AccessKind
from nexi_payments.exceptions import DayAlreadyClosed, DayNotOver
from nexi_payments.flows.closing import comparison, days
from nexi_payments.flows.closing.day_comparison import DayComparison
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import ClosingDifference, DayClosing, db_transactions
from nexi_payments.models.audit import STAFF_NAME_LENGTH

log = logging.getLogger("nexi_payments.closing")


def compare_day(day: date, *, deadline: Deadline | None = None) -> DayComparison:
    """Compares a day of the shop with Nexi's operations and orders. Writes nothing.

    Amounts are in minor units. ``deadline`` is for all calls together; without it each
    call has ``TOTAL_TIMEOUT``. Raises ``DayNotOver`` until two hours after the day's
    end, ``GatewayError`` when Nexi does not answer completely, and ``RuntimeError``
    inside a transaction. Memory does not grow with the day. May be repeated at any
    time.
    """
    db_transactions.require_no_transaction()
    shop_day = days.of(day)
    if not shop_day.is_closable:
        raise DayNotOver(day, shop_day.closable_from)
    return comparison.compare(shop_day, deadline)


def close_day(
    day: date,
    *,
    again: bool = False,
    actor: Actor = NO_ACTOR,
    deadline: Deadline | None = None,
) -> DayClosing:
    """Compares a day as ``compare_day`` does, and keeps what was found.

    Changes no payment: ``follow_up_difference`` follows one up. A day is closed
    once: ``DayAlreadyClosed``, unless ``again`` adds a revision. Earlier ones stay as
    they are. Nothing is kept after an error.
    """
    revision = _next_revision(day, again=again)
    found = compare_day(day, deadline=deadline)
    try:
        closing = _store(found, revision, actor)
    except IntegrityError:  # somebody closed it meanwhile
        _next_revision(day, again=False)
        raise
    log.info(
        "day %s closed, revision %d: %d matched, %d different",
        day,
        revision,
        closing.matched,
        closing.difference_count,
    )
    return closing


def last_closing(day: date) -> DayClosing | None:
    """The last revision of a day."""
    return DayClosing.objects.filter(day=day).order_by("-revision").first()


def _next_revision(day: date, *, again: bool) -> int:
    last = last_closing(day)
    if last is None:
        return 1
    if not again:
        raise DayAlreadyClosed(last)
    return last.revision + 1


@db_transactions.retried()
def _store(found: DayComparison, revision: int, actor: Actor) -> DayClosing:
    closing = found.as_closing(revision)
    if actor.user:
        closing.closed_by = actor.user
        closing.closed_by_name = actor.user.get_username()[:STAFF_NAME_LENGTH]
    closing.save(force_insert=True)
    for difference in found.differences:
        difference.closing = closing
    ClosingDifference.objects.bulk_create(found.differences, batch_size=100)
    if actor.staff_name:
        detail = f"{closing.day}, revision {revision}"
        audit.record_access(AccessKind.CLOSED, actor, detail=detail)
    return closing
