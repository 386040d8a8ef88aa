"""Charges at Nexi that we know nothing of: after a database was lost and restored, or a
worker died between two commits that it could not die between.

``GET /orders`` lists what Nexi has, without operations. Only orders with our own prefix
are looked at: terminals may be shared with other shops and installations.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError
from django.utils import timezone

from nexi_payments import conf, money, states
from nexi_payments.conf import Terminal
from nexi_payments.exceptions import GatewayError, InvalidAmount
from nexi_payments.flows import breaks, moves, orders
from nexi_payments.gateway.results import OrderResult
from nexi_payments.models import PaymentOrder, Sweep, database
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.sweep")

#: How often a terminal is swept, and by how much the windows overlap: an order may show
#: up late in Nexi's list.
EVERY: Final = timedelta(hours=1)
_OVERLAP: Final = timedelta(hours=2)
#: The longest window that Nexi answers, with some room for clocks.
_LONGEST: Final = timedelta(days=30)
#: Younger ones may be on their way to our own disk still.
_SETTLED: Final = timedelta(minutes=10)
_MOST: Final = 500
_NARROWEST: Final = timedelta(seconds=1)


def sweep() -> int:
    """Looks through every terminal that has not been for an hour; returns how many
    unknown charges were found. Each becomes a disagreement, once."""
    found = 0
    for terminal in conf.current().terminals.values():
        since = _take(terminal)
        if since is None:
            continue
        try:
            for one in unknown(terminal, since, timezone.now() - _SETTLED):
                theirs = f"{one.order_id} {one.amount} {one.currency}"
                breaks.record(None, "unknown_charge", "no such order", theirs)
                found += 1
        except GatewayError as error:
            log.warning("terminal %s was not swept: %s", terminal.name, error)
            Sweep.objects.filter(terminal=terminal.name).update(swept_at=since)
    return found


def _take(terminal: Terminal) -> datetime | None:
    """Where to begin; ``None`` when it is not time, or another worker is at it."""
    now = timezone.now()
    row, new = Sweep.objects.get_or_create(
        terminal=terminal.name, defaults={"swept_at": now}
    )
    if new:
        return now - timedelta(days=1)
    due = Sweep.objects.filter(
        pk=row.pk, swept_at=row.swept_at, swept_at__lte=now - EVERY
    )
    if not due.update(swept_at=now):
        return None
    return max(row.swept_at - _OVERLAP, now - _LONGEST)


def unknown(
    terminal: Terminal, since: datetime, until: datetime | None = None
) -> Iterator[OrderResult]:
    """Charged or held orders with our prefix between two moments that we do not have;
    up to now when ``until`` is not given.

    A month is asked for at most; a full page is asked for again in two halves. Raises
    ``GatewayError``.
    """
    prefix = conf.current().order_prefix
    client = conf.client(terminal)
    # the query knows whole seconds only: this one is not to be cut off
    windows = [(since, until or timezone.now() + timedelta(seconds=1))]
    while windows:
        start, end = windows.pop()
        if start >= end:
            continue
        listed = client.orders(conf.trace(), since=start, until=end, most=_MOST)
        if len(listed) >= _MOST and end - start > _NARROWEST:
            middle = start + (end - start) / 2
            windows += [(start, middle), (middle, end)]
            continue
        ours = {
            one.order_id: one
            for one in listed
            if one.order_id.startswith(prefix) and (one.authorized or one.captured)
        }
        rows = PaymentOrder.objects.filter(order_id__in=ours)
        for known in rows.values_list("order_id", flat=True):
            del ours[known]
        yield from ours.values()


def restore(terminal: Terminal, since: datetime) -> list[PaymentOrder]:
    """Brings unknown charges back as orders under review, for a person to resolve.

    For after a backup was restored. Raises ``GatewayError``; what was brought back
    until then stays, and another run adds nothing twice.
    """
    made = []
    for one in unknown(terminal, since):
        order = _row(terminal, one)
        if order is not None:
            made.append(order)
    return made


def _row(terminal: Terminal, one: OrderResult) -> PaymentOrder | None:
    try:
        money.exponent(one.currency)
    except InvalidAmount:
        return None
    if not one.amount or len(one.order_id) > 18:
        return None
    now = timezone.now()
    facts: dict[str, Any] = {
        "order_id": one.order_id,
        "public_id": orders.new_public_id(),
        "terminal": terminal.name,
        "flow": terminal.flow,
        "capture": terminal.capture,
        "amount": one.amount,
        "currency": one.currency,
        "state": states.REVIEW,
        "reason": Reason.RESTORED,
        "unsettled_since": now,
        "created_at": now,
        "expires_at": now,
        "charging_since": now,
        "due_at": now,  # the list tells no operations: they are asked for
    }
    try:
        with database.atomic():
            order = PaymentOrder.objects.create(**facts)
            order.operations.create(
                kind=states.PAYMENT,
                outcome=states.IN_DOUBT,
                open_slot=order.pk,
                amount=one.amount,
                correlation_id="",
                created_at=now,
            )
            moves.write_event(
                order, states.REVIEW, source=states.REVIEW, reason=Reason.RESTORED
            )
    except IntegrityError:
        return None  # another run was faster
    return order
