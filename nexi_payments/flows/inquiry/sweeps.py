"""Sweeps: Nexi's list of orders is compared with ours, every ten minutes.

What differs comes from a backup that was restored, or from a crash at a point that we
believed safe. The cursor says until when a terminal was swept. An older backup turns it
back, too: what waits for a sweep waits until the lost time was swept.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.conf import Terminal
from nexi_payments.exceptions import GatewayError
from nexi_payments.flows.inquiry import listing, orphans
from nexi_payments.flows.ledger import poll_schedule, terminal_outages
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import PaymentOrder
from nexi_payments.models.bookkeeping import SweepCursor

log = logging.getLogger("nexi_payments.sweeps")

#: "Minutes" between two sweeps of a terminal (``poll_schedule.scaled_minutes``).
_INTERVAL: Final = 10
#: Due charges run only while the last sweep is younger than so many "minutes".
_FRESH_FOR: Final = 60
#: The windows overlap: an order is charged after it was created, and may appear late.
_OVERLAP: Final = timedelta(hours=2)
#: The window of a database without a cursor.
_FIRST_WINDOW: Final = timedelta(days=1)


def interval() -> timedelta:
    """How often each terminal is swept: ten minutes by default."""
    return poll_schedule.scaled_minutes(_INTERVAL)


def fresh_for() -> timedelta:
    """How long a sweep lets due charges run: an hour by default."""
    return poll_schedule.scaled_minutes(_FRESH_FOR)


def sweep() -> int:
    """Sweeps every terminal that is due. Returns how many orders differed.

    A terminal whose gateway does not answer stays due. A rejected API key is an outage
    (``terminal_outages.check_key``).
    """
    return sum(
        sweep_terminal(terminal) or 0 for terminal in conf.current().terminals.values()
    )


def sweep_terminal(terminal: Terminal) -> int | None:
    """Sweeps one terminal if it is due. ``None`` when it is not due, another worker
    sweeps it, or Nexi did not answer.

    A worker has a terminal for one interval: a killed one delays a single sweep. When
    it needs longer, another one sweeps beside it, and both write the same.
    """
    now = timezone.now()
    cursor, _ = SweepCursor.objects.get_or_create(terminal=terminal.name)
    since = cursor.swept_at
    due = SweepCursor.objects.filter(
        Q(claimed_until=None) | Q(claimed_until__lte=now),
        Q(swept_at=None) | Q(swept_at__lte=now - interval()),
        pk=cursor.pk,
        swept_at=since,
    )
    if not due.update(claimed_until=now + interval()):
        return None
    mine = SweepCursor.objects.filter(pk=cursor.pk, swept_at=since)
    start = now - _FIRST_WINDOW if since is None else since - _OVERLAP
    try:
        found = search(terminal, start)
    except GatewayError as error:
        log.warning("terminal %s was not swept: %s", terminal.name, error)
        mine.update(claimed_until=None)
        deadline = Deadline(conf.current().total_timeout)
        terminal_outages.check_key_after(
            error, terminal.name, conf.client(terminal), deadline
        )
        return None
    mine.update(swept_at=now, claimed_until=None)
    return found


def search(terminal: Terminal, since: datetime) -> int:
    """Compares Nexi's list since then with ours, and writes each difference. Returns
    their number. Raises ``GatewayError``.
    """
    found = 0
    for difference in listing.find_differences(terminal, since):
        log.warning("terminal %s: %s", terminal.name, difference)
        try:
            orphans.catch_up(terminal, difference)
        except Exception:
            # a broken row must not block the others; the next windows have it, too
            log.exception("order %s", difference.listed.order_id)
        found += 1
    return found


def is_fresh(terminal: Terminal) -> bool:
    """Whether the last sweep was answered a short time ago. Sweeps now if it is due."""
    if not covers(terminal.name, timezone.now() - interval()):
        sweep_terminal(terminal)
    return covers(terminal.name, timezone.now() - fresh_for())


def covers(terminal: str, moment: datetime) -> bool:
    """Whether a sweep was answered after ``moment``."""
    rows = SweepCursor.objects.filter(terminal=terminal, swept_at__gte=moment)
    return rows.exists()


def next_sweep(terminal: str) -> datetime:
    """When the next sweep is due: a pass of the reconciler makes it."""
    row = SweepCursor.objects.filter(terminal=terminal).first()
    now = timezone.now()
    if row is None or row.swept_at is None:
        return now + timedelta(minutes=1)
    return max(row.swept_at + interval(), now + timedelta(seconds=5))


def make_due_if_unknown(terminal: str, order_id: str) -> None:
    """Makes the sweep of a terminal due if ``order_id`` has our prefix and no row."""
    if not order_id.startswith(conf.current().order_prefix):
        return
    if PaymentOrder.find_by_order_id(order_id) is None:
        due = timezone.now() - interval()
        rows = SweepCursor.objects.filter(terminal=terminal, swept_at__gt=due)
        rows.update(swept_at=due)
