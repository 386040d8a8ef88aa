"""Finds charges at Nexi that are not in our database (orphans).

They appear after a database was lost and restored, or after a crash at a point we
believed safe. ``GET /orders`` lists Nexi's orders, without operations. Only orders with
our own prefix count: a terminal may be shared with other shops and installations.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError
from django.utils import timezone

from nexi_payments import conf, money
from nexi_payments.conf import Terminal
from nexi_payments.enums import (
    DiscrepancyKind,
    OperationKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.exceptions import GatewayError, InvalidAmount
from nexi_payments.flows.ledger import discrepancies, terminal_outages, transitions
from nexi_payments.flows.orders import create
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.models.bookkeeping import SweepCursor

log = logging.getLogger("nexi_payments.orphans")

#: How often each terminal is searched.
SWEEP_INTERVAL: Final = timedelta(hours=1)
#: The windows overlap: an order may appear late in Nexi's list.
_OVERLAP: Final = timedelta(hours=2)
#: The longest window that Nexi answers, less a margin for clocks.
_LONGEST_WINDOW: Final = timedelta(days=30)
#: A younger order may not be committed in our database yet.
_MINIMUM_AGE: Final = timedelta(minutes=10)
PAGE_SIZE: Final = 500
_SHORTEST_WINDOW: Final = timedelta(seconds=1)


def sweep() -> int:
    """Searches every terminal that is due. Returns how many orphans were found.

    Each becomes a discrepancy, once. A rejected API key is an outage (``check_key``).
    """
    found = 0
    for terminal in conf.current().terminals.values():
        since = _claim_window(terminal)
        if since is None:
            continue
        try:
            for one in find_orphans(terminal, since, timezone.now() - _MINIMUM_AGE):
                theirs = f"{one.order_id} {one.amount} {one.currency}"
                discrepancies.record(
                    None, DiscrepancyKind.UNKNOWN_CHARGE, "no such order", theirs
                )
                found += 1
        except GatewayError as error:
            log.warning(
                "terminal %s was not searched for orphans: %s", terminal.name, error
            )
            SweepCursor.objects.filter(terminal=terminal.name).update(swept_at=since)
            terminal_outages.check_key_after(
                error,
                terminal.name,
                conf.client(terminal),
                Deadline(conf.current().total_timeout),
            )
    return found


def _claim_window(terminal: Terminal) -> datetime | None:
    """The start of the window; ``None`` if it is not due or another worker has it."""
    now = timezone.now()
    row, new = SweepCursor.objects.get_or_create(
        terminal=terminal.name, defaults={"swept_at": now}
    )
    if new:
        return now - timedelta(days=1)
    due = SweepCursor.objects.filter(
        pk=row.pk, swept_at=row.swept_at, swept_at__lte=now - SWEEP_INTERVAL
    )
    if not due.update(swept_at=now):
        return None
    return max(row.swept_at - _OVERLAP, now - _LONGEST_WINDOW)


def find_orphans(
    terminal: Terminal, since: datetime, until: datetime | None = None
) -> Iterator[OrderResult]:
    """Yields charged or authorized orders with our prefix that we do not have, from a
    window.

    ``until`` is now by default. Nexi answers windows of a month at most. A full page is
    requested again in two halves. Raises ``GatewayError``.
    """
    prefix = conf.current().order_prefix
    client = conf.client(terminal)
    # the query has whole seconds only: include the current one
    windows = [(since, until or timezone.now() + timedelta(seconds=1))]
    while windows:
        start, end = windows.pop()
        if start >= end:
            continue
        listed = client.orders(
            conf.call_context(), since=start, until=end, limit=PAGE_SIZE
        )
        if len(listed) >= PAGE_SIZE and end - start > _SHORTEST_WINDOW:
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


def restore_orphans(terminal: Terminal, since: datetime) -> list[PaymentOrder]:
    """Restores orphans as orders under review, for a person to resolve.

    For use after a backup was restored. Idempotent. Raises ``GatewayError``; orders
    restored before the error stay.
    """
    restored = []
    for one in find_orphans(terminal, since):
        order = _restore_order(terminal, one)
        if order is not None:
            restored.append(order)
    return restored


def _restore_order(terminal: Terminal, one: OrderResult) -> PaymentOrder | None:
    try:
        money.exponent(one.currency)
    except InvalidAmount:
        return None
    if not one.amount or len(one.order_id) > 18:
        return None
    now = timezone.now()
    columns: dict[str, Any] = {
        "order_id": one.order_id,
        "public_id": create.new_public_id(),
        "terminal": terminal.name,
        "flow": terminal.flow,
        "capture": terminal.capture,
        "amount": one.amount,
        "currency": one.currency,
        "state": OrderState.REVIEW,
        "reason": Reason.RESTORED,
        "unsettled_since": now,
        "created_at": now,
        "expires_at": now,
        "charging_since": now,
        "next_poll_at": now,  # the list has no operations: inquire for them
    }
    try:
        return _insert(columns)
    except IntegrityError:
        return None  # a concurrent run was faster


@db_transactions.retried(durable=False)
def _insert(columns: dict[str, Any]) -> PaymentOrder:
    order = PaymentOrder.objects.create(**columns)
    order.operations.create(
        kind=OperationKind.PAYMENT,
        outcome=OperationOutcome.IN_DOUBT,
        unsettled_order_id=order.pk,
        amount=order.amount,
        correlation_id="",
        created_at=order.created_at,
        sent_at=order.created_at,
    )
    transitions.write_event(
        order, OrderState.REVIEW, source=OrderState.REVIEW, reason=Reason.RESTORED
    )
    return order
