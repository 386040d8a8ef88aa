"""The reconciler: one pass over all due work. Any number may run concurrently."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

from django.utils import timezone

from nexi_payments import audit, conf, outbox, sealed_cards
from nexi_payments.enums import EventKind, OrderState, Reason
from nexi_payments.exceptions import GatewayError, TerminalNotConfigured
from nexi_payments.flows import approval_requests, refund_worker
from nexi_payments.flows.hosted import link_closing, offers
from nexi_payments.flows.inquiry import orphans, query, sweeps, unfinished
from nexi_payments.flows.ledger import terminal_outages, transitions
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.models.bookkeeping import Heartbeat

log = logging.getLogger("nexi_payments.reconcile")

#: Orders leased at once: few enough that their leases do not expire.
_BATCH_SIZE: Final = 10


@dataclass
class Counts:
    """What a pass did; printed by ``nexi_reconcile``."""

    inquired: int = 0
    paid: int = 0
    authorized: int = 0
    failed: int = 0
    review: int = 0
    unanswered: int = 0
    delivered: int = 0
    purged: int = 0
    terminals_recovered: int = 0
    #: orders that Nexi lists and that we did not have, or had otherwise
    orphans: int = 0
    refunds_sent: int = 0
    refunds_given_up: int = 0
    methods: int = 0
    links_closed: int = 0
    #: entries that the audit trail of staff received
    audited: int = 0

    @property
    def did_something(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))

    def __str__(self) -> str:
        return " ".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))


def reconcile(order: PaymentOrder | None = None, *, limit: int = 1000) -> Counts:
    """Settles orders in doubt, expires abandoned ones, sends queued refunds, delivers
    overdue events.

    With ``order``, inquires about that one now, due or not. An order is leased by
    moving its ``next_poll_at`` in a compare-and-swap; no other worker polls it
    meanwhile. An inquiry without an answer changes nothing. Idempotent. Raises
    ``RuntimeError`` inside a transaction, and with ``order``
    ``TerminalNotConfigured``.
    """
    db_transactions.require_no_transaction()
    counts = Counts()
    if order is not None:
        if order.state == OrderState.INIT:
            order.refresh_from_db()  # it may be at the issuer by now
        _reconcile_order(order, counts, scheduled=False)
    else:
        counts.purged = sealed_cards.purge()
        counts.terminals_recovered = terminal_outages.probe()
        # first: what a restored backup has turned back is not judged before
        counts.orphans = sweeps.sweep()
        missing: Counter[str] = Counter()
        for candidate in _due_orders(limit):
            # leased with its batch a while ago: renew, if it is still ours
            if _lease(candidate):
                _reconcile_due(candidate, counts, missing)
        for terminal, number in missing.items():
            text = "terminal %s is not in the settings: no inquiry about %d payments"
            log.critical(text, terminal, number)
        approval_requests.expire_due(limit=limit)
        counts.refunds_sent, counts.refunds_given_up = refund_worker.send_due(
            limit=limit
        )
        counts.methods = offers.refresh_due()
        counts.links_closed = link_closing.close_due(limit=limit)
    if order is None:
        counts.audited = _append_to_audit_trail()
        counts.delivered = outbox.deliver_due()
        _write_heartbeat()
    return counts


def inquire(order: PaymentOrder, *, actor: Actor) -> Counts:
    """Reconciles ``order`` now because a person asks, and writes that to its history.

    Arguments and errors as ``reconcile``. ``unanswered`` is 1 when Nexi did not answer.
    """
    counts = reconcile(order)
    order.refresh_from_db()
    _write_inquired(order, actor)
    return counts


@db_transactions.retried()
def _write_inquired(order: PaymentOrder, actor: Actor) -> None:
    transitions.write_event(order, EventKind.INQUIRED, source=order.state, actor=actor)


def _append_to_audit_trail() -> int:
    """A defect of the trail must not stop payments. It is critical all the same."""
    try:
        return audit.append_due()
    except Exception:
        log.critical("the audit trail cannot be continued", exc_info=True)
        return 0


def _write_heartbeat() -> None:
    """Records the end of a whole pass: doctor, checks and metrics report when it is
    missing.
    """
    columns = {"ended_at": timezone.now(), "host": socket.gethostname()[:128]}
    if Heartbeat.objects.filter(name=Heartbeat.RECONCILE).update(**columns):
        return
    # the very first pass; a concurrent one may insert the same row
    Heartbeat.objects.get_or_create(name=Heartbeat.RECONCILE, defaults=columns)


def _due_orders(limit: int) -> Iterator[PaymentOrder]:
    """Orders that were due when the pass began, oldest first, leased in batches.

    What becomes due during the pass waits for the next one.
    """
    rows = PaymentOrder.objects.filter(next_poll_at__lte=timezone.now())
    return db_transactions.claim_in_batches(
        rows.order_by("next_poll_at"), _lease, batch_size=_BATCH_SIZE, limit=limit
    )


def _lease(order: PaymentOrder) -> bool:
    lease_end = timezone.now() + timedelta(seconds=conf.current().claim_timeout)
    rows = PaymentOrder.objects.filter(pk=order.pk, next_poll_at=order.next_poll_at)
    leased = bool(rows.update(next_poll_at=lease_end))
    if leased:
        order.next_poll_at = lease_end
    return leased


def _reconcile_due(order: PaymentOrder, counts: Counts, missing: Counter[str]) -> None:
    try:
        _reconcile_order(order, counts)
    except TerminalNotConfigured as error:
        query.postpone(order)
        missing[error.terminal] += 1
        counts.unanswered += 1
    except Exception:
        # a broken row must not block the rows behind it
        log.exception("order %s", order.order_id)
        counts.unanswered += 1


def _reconcile_order(
    order: PaymentOrder, counts: Counts, *, scheduled: bool = True
) -> None:
    before = order.state
    if order.state == OrderState.INIT:
        if order.expires_at <= timezone.now():
            _expire(order, counts, scheduled=scheduled)
    else:
        client = conf.client(conf.current().terminal(order.terminal))
        counts.inquired += 1
        if not query.inquire_and_apply(order, client, scheduled=True).answered:
            counts.unanswered += 1
    if order.state != before and hasattr(counts, order.state):
        setattr(counts, order.state, getattr(counts, order.state) + 1)


def _expire(order: PaymentOrder, counts: Counts, *, scheduled: bool) -> None:
    """Fails an order to which no card was posted, says our database.

    Not before a sweep has found nothing: an older backup may have been restored, and
    the order be paid. Without a sweep, a person who asks has Nexi asked.
    """
    swept = sweeps.covers(order.terminal, order.expires_at)
    if swept or order.terminal not in conf.current().terminals:
        unfinished.fail(order, Reason.EXPIRED)
    elif scheduled:
        rows = PaymentOrder.objects.filter(pk=order.pk, state=OrderState.INIT)
        rows.update(next_poll_at=sweeps.next_sweep(order.terminal))
    else:
        counts.inquired += 1
        client = conf.client(conf.current().terminal(order.terminal))
        if not _ask_and_expire(order, client):
            counts.unanswered += 1


def _ask_and_expire(order: PaymentOrder, client: Client) -> bool:
    """False when Nexi does not answer."""
    deadline = Deadline(conf.current().total_timeout)
    try:
        found = query.find_at_nexi(order, client, deadline)
    except GatewayError:
        return False
    if order.state != OrderState.INIT:
        return True  # a shopper was faster: the attempt has a schedule of its own
    if found is not None:  # pending, too: only an inquiry may say that it has failed
        orphans.claim_as_sent(order, found)
        return query.inquire_and_apply(order, client, deadline).answered
    unfinished.fail(order, Reason.EXPIRED)
    return True
