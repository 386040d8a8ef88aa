"""Delivers events to the shop's receivers: after commit, at least once, in order.

An event is written in the commit of its state change, with ``deliver_at`` in the near
future. Until then the process that wrote it holds its lease and delivers it at once. If
that process dies, or a receiver raises, ``deliver_due`` delivers, or the threads of
``nexi_reconcile`` do (``delivery_workers``).
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.dispatch import Signal
from django.utils import timezone

from nexi_payments.conf import current
from nexi_payments.models import (
    Discrepancy,
    Event,
    PaymentOrder,
    db_transactions,
    raw_sql,
)
from nexi_payments.signals import (
    SIGNAL_BY_EVENT_KIND,
    discrepancy_found,
    receiver_name,
    running_receiver,
)

log = logging.getLogger("nexi_payments.outbox")

#: Seconds until an event is delivered again after a receiver raised, by attempt; then
#: hourly.
_RETRY_DELAYS: Final = (5, 30, 120, 600, 1800)
#: Characters of ``Event.failed_receivers``.
_FAILURES_LENGTH: Final = 500
#: Due events that are read at once.
BATCH_SIZE: Final = 200
#: Calls a function in another thread; set by ``in_background``.
_submit: ContextVar[Callable[[Callable[[], object]], None] | None] = ContextVar(
    "nexi_payments_submit", default=None
)


@contextmanager
def in_background(submit: Callable[[Callable[[], object]], None]) -> Iterator[None]:
    """Inside, this thread calls no receiver, so none can delay it.

    New events are due at once, for the caller's ``delivery_workers``. The signals of
    discrepancies are passed to ``submit``, which calls them in another thread.
    """
    token = _submit.set(submit)
    try:
        yield
    finally:
        _submit.reset(token)


def lease_duration() -> timedelta:
    """How long a process may take to deliver an event."""
    return timedelta(seconds=current().total_timeout)


def delivery_lease(kind: str) -> timedelta | None:
    """How long the writing process holds a new event; ``None`` if its kind has no
    signal.
    """
    if kind not in SIGNAL_BY_EVENT_KIND:
        return None
    return lease_duration() if _submit.get() is None else timedelta()


def deliver_after_commit(event: Event) -> None:
    """Delivers ``event`` after the commit of the current transaction."""
    if event.deliver_at is not None and _submit.get() is None:
        db_transactions.on_commit(lambda: _deliver_new(event))


def _deliver_new(event: Event) -> None:
    if event.deliver_at is None or event.deliver_at <= timezone.now():
        return  # earlier deliveries took too long: the lease is over
    where = {
        "order": event.order_id,
        "deliver_at__isnull": False,
        "pk__lt": event.pk,
    }
    undelivered = raw_sql.Rows(Event, [where])
    order, older = raw_sql.get(PaymentOrder, event.order_id, undelivered)
    if (
        order is not None and not older
    ):  # otherwise it is delivered after the older ones
        deliver(event, order)


def deliver(event: Event, order: PaymentOrder | None = None) -> bool:
    """Calls every receiver once, then sends e-mails. True when no receiver raised.

    ``order`` is the event's order in its current state, if it is loaded already.
    """
    order = order or PaymentOrder.objects.get(pk=event.order_id)
    reached_all = _notify_receivers(event, order)
    # the delivery is recorded by now: a slow mail server may outlast the lease, and
    # another process must not call the receivers again
    send_emails(event, order)
    return reached_all


def _notify_receivers(event: Event, order: PaymentOrder) -> bool:
    failed = _call_receivers(
        SIGNAL_BY_EVENT_KIND[event.kind], sender=PaymentOrder, order=order, event=event
    )
    if not failed:
        done = {
            "deliver_at": None,
            "delivered_at": timezone.now(),
            "attempts": event.attempts + 1,
        }
        raw_sql.update(Event, {"pk": event.pk}, done)
        return True
    wait = postpone(
        event, [f"{name}: {type(error).__name__}" for name, error in failed]
    )
    for receiver, error in failed:
        log.error(
            "receiver %s raised %s for %s of order %s; next attempt in %d s",
            receiver,
            type(error).__name__,
            event.kind,
            order.order_id,
            wait,
            exc_info=error,
        )
    return False


def _call_receivers(signal: Signal, **arguments: Any) -> list[tuple[str, Any]]:
    """Calls the receivers of a signal. Returns the names of those that raised, each
    with its error.

    ``SystemExit`` and the like of a receiver must not end the process, or a thread that
    delivers. They skip the receivers behind it. Ctrl-C is for the process.
    """
    try:
        responses = signal.send_robust(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return [_find_receiver(error)]
    return [
        (receiver_name(receiver), error)
        for receiver, error in responses
        if isinstance(error, Exception)
    ]


def _find_receiver(error: BaseException) -> tuple[str, BaseException]:
    """The name of the receiver that ``error`` ended, and its own error.

    That is the context when Django's logging fails, for a receiver without a name.
    """
    one: BaseException | None = error
    while one is not None:
        stack = (frame for frame, _ in traceback.walk_tb(one.__traceback__))
        name = running_receiver(stack)
        if name != "?":
            return name, one
        one = one.__context__
    return "?", error


def postpone(event: Event, failures: list[str]) -> int:
    """Records a failed attempt. Returns the seconds until the next one.

    ``failures``: which receivers failed, and how.

    Changes nothing when the lease of ``event`` was taken over, or it was delivered.
    """
    attempts = event.attempts + 1
    wait = _RETRY_DELAYS[attempts - 1] if attempts <= len(_RETRY_DELAYS) else 3600
    Event.objects.filter(pk=event.pk, deliver_at=event.deliver_at).update(
        deliver_at=timezone.now() + timedelta(seconds=wait),
        attempts=attempts,
        failed_receivers=", ".join(failures)[:_FAILURES_LENGTH],
    )
    return wait


def send_emails(event: Event, order: PaymentOrder) -> None:
    """Sends the e-mails about an event, at most once.

    After the receivers, so that none waits for a mail server.
    """
    if not current().mails:
        return
    from nexi_payments.emails import automatic  # most shops send no e-mails

    try:
        automatic.notify(event, order)
    except Exception as error:  # an e-mail must not fail a payment or repeat a delivery
        log.error("mail for order %s: %s", order.order_id, type(error).__name__)


def deliver_due() -> int:
    """Delivers the events that are due now, in this thread, one after the other.

    Returns how many reached all receivers. Any number of processes may run this
    concurrently. Does nothing inside ``in_background``.
    """
    if _submit.get() is not None:
        return 0
    delivered, started, leased = 0, timezone.now(), True
    while leased:
        leased = False
        for event in due_events(started):
            if lease(event):
                leased = True
                delivered += deliver(event)
    return delivered


def due_events(until: datetime, order_id: int | None = None) -> list[Event]:
    """Some events that are due at ``until``, longest overdue first; of one order if
    ``order_id`` is given.

    Of each order only the oldest undelivered event is among them: an event that fails
    holds back its own order and no other. A kind that this version does not know is
    left to the version that wrote it.
    """
    rows = Event.objects.filter(
        ~Exists(_older_undelivered()),
        deliver_at__lte=until,
        kind__in=SIGNAL_BY_EVENT_KIND,
    )
    if order_id is not None:
        rows = rows.filter(order_id=order_id)
    return list(rows.order_by("deliver_at", "pk")[:BATCH_SIZE])


def _older_undelivered() -> QuerySet[Event]:
    """In a subquery: the undelivered events of the same order that are older."""
    return Event.objects.filter(
        order_id=OuterRef("order_id"), deliver_at__isnull=False, pk__lt=OuterRef("pk")
    )


def blocked_events() -> QuerySet[Any]:
    """Undelivered events with a failed attempt, those that wait behind one, and those
    that no process has delivered in time. Oldest first.

    Each has ``is_behind``: whether an older one of its order is undelivered.
    """
    rows: QuerySet[Any] = Event.objects.filter(deliver_at__isnull=False)
    rows = rows.annotate(
        is_behind=Exists(_older_undelivered()),
        is_behind_failed=Exists(_older_undelivered().filter(attempts__gt=0)),
    )
    overdue = Q(deliver_at__lt=timezone.now() - 2 * lease_duration())
    blocked = Q(attempts__gt=0) | Q(is_behind_failed=True) | overdue
    return rows.filter(blocked).order_by("pk")


def lease(event: Event) -> bool:
    """Moves ``deliver_at`` in a compare-and-swap. False when another process did."""
    end = timezone.now() + timedelta(seconds=current().claim_timeout)
    rows = Event.objects.filter(pk=event.pk, deliver_at=event.deliver_at)
    leased = bool(rows.update(deliver_at=end))
    if leased:
        event.deliver_at = end
    return leased


def make_due(event: Event) -> None:
    """Makes ``event`` due now, delivered or not, and the undelivered ones before it.

    Shortens the pause after a failed attempt. A process that delivers one of them at
    this moment loses its lease: its receivers may be called twice at the same time.
    """
    order = Event.objects.filter(order_id=event.order_id)
    older = Q(pk__lt=event.pk, deliver_at__isnull=False)
    order.filter(Q(pk=event.pk) | older).update(deliver_at=timezone.now())


def notify_discrepancy(discrepancy: Discrepancy) -> None:
    """Logs a discrepancy and sends ``discrepancy_found`` after commit, once.

    Errors of receivers are logged.
    """
    log.critical(
        "discrepancy %s: ours %s, theirs %s, order %s",
        discrepancy.kind,
        discrepancy.ours,
        discrepancy.theirs,
        discrepancy.order.order_id if discrepancy.order else "-",
    )
    send = partial(_send_discrepancy, discrepancy)
    submit = _submit.get()
    db_transactions.on_commit(send if submit is None else partial(submit, send))


def _send_discrepancy(discrepancy: Discrepancy) -> None:
    failed = _call_receivers(
        discrepancy_found, sender=Discrepancy, discrepancy=discrepancy
    )
    for receiver, error in failed:
        log.error("receiver %s raised for a discrepancy", receiver, exc_info=error)
