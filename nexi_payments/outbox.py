"""Delivers events to the shop's receivers: after commit, at least once, in order.

An event is written in the commit of its state change, ``deliver_at`` a little ahead:
until then it belongs to the process that wrote it, which delivers at once. If that
process dies, or a receiver raises, ``deliver_due`` (``nexi_reconcile``) takes over.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from nexi_payments.conf import current
from nexi_payments.models import Break, Event, PaymentOrder, database, statements
from nexi_payments.signals import BY_KIND, gateway_break

log = logging.getLogger("nexi_payments.outbox")

#: Seconds until a receiver that raised is asked again, by attempt; then hourly.
_BACK_OFF: Final = (5, 30, 120, 600, 1800)


def lease() -> timedelta:
    """How long an event belongs to whoever took it."""
    return timedelta(seconds=current().total_timeout)


def due_at(kind: str) -> timedelta | None:
    """When a new event of this kind is to be delivered by others, or never."""
    return lease() if kind in BY_KIND else None


def after_commit(event: Event) -> None:
    """Delivers ``event`` once the transaction it is part of is on disk."""
    if event.deliver_at is not None:
        database.on_commit(lambda: _deliver_own(event))


#: Whether an event of the same order waits that is older.
_OLDER: Final = (
    "EXISTS(SELECT 1 FROM nexi_payments_event"
    " WHERE order_id = %s AND deliver_at IS NOT NULL AND id < %s)"
)


def _deliver_own(event: Event) -> None:
    if event.deliver_at is None or event.deliver_at <= timezone.now():
        return  # another one's receivers or mail took too long: others have it
    order, older = statements.find(
        PaymentOrder, event.order_id, _OLDER, (event.order_id, event.pk)
    )
    if order is not None and not older:  # otherwise its turn comes with theirs
        _send(event, order)


def send(event: Event) -> bool:
    """Calls every receiver once. True when none of them raised."""
    return _send(event, PaymentOrder.objects.get(pk=event.order_id))


def _send(event: Event, order: PaymentOrder) -> bool:
    reached_all = _tell(event, order)
    if current().mails:
        # what was delivered is written by now: a slow mail server outlasts the lease,
        # and others would call the receivers again
        _mail(event, order)
    return reached_all


def _tell(event: Event, order: PaymentOrder) -> bool:
    answers: list[tuple[Any, Any]]
    try:
        answers = BY_KIND[event.kind].send_robust(
            sender=PaymentOrder, order=order, event=event
        )
    except Exception as broken:  # Django's own log line fails on a nameless receiver
        answers = [(BY_KIND[event.kind], broken)]
    failed = [(who, error) for who, error in answers if isinstance(error, Exception)]
    attempts = event.attempts + 1
    now = timezone.now()
    if not failed:
        done = {"deliver_at": None, "delivered_at": now, "attempts": attempts}
        statements.update(Event, {"pk": event.pk}, done)
        return True
    wait = _BACK_OFF[attempts - 1] if attempts <= len(_BACK_OFF) else 3600
    Event.objects.filter(pk=event.pk).update(
        deliver_at=now + timedelta(seconds=wait), attempts=attempts
    )
    for receiver, error in failed:
        log.error(
            "receiver %s raised %s for %s of order %s; tried again in %d s",
            getattr(receiver, "__qualname__", receiver),
            type(error).__name__,
            event.kind,
            order.order_id,
            wait,
            exc_info=error,
        )
    return False


def _mail(event: Event, order: PaymentOrder) -> None:
    """After the receivers, so that none waits for a mail server."""
    from nexi_payments import notices  # most shops never need it

    try:
        notices.tell(event, order)
    except Exception as error:  # a mail is not worth a payment, nor a second delivery
        log.error("mail for order %s: %s", order.order_id, type(error).__name__)


def deliver_due(most: int = 500) -> int:
    """Delivers what is overdue, oldest first; returns how many reached everybody.

    An event is taken by moving ``deliver_at`` in a compare-and-swap, so that any number
    of processes may do this at once. One whose elder sibling still waits is skipped.
    One of a kind that this version does not know is left to the one that wrote it.
    """
    delivered = 0
    due = Event.objects.filter(deliver_at__lte=timezone.now(), kind__in=BY_KIND)
    for event in due.order_by("pk")[:most]:
        elder = Event.objects.filter(
            order_id=event.order_id, deliver_at__isnull=False, pk__lt=event.pk
        )
        if elder.exists():
            continue
        taken = Event.objects.filter(pk=event.pk, deliver_at=event.deliver_at).update(
            deliver_at=timezone.now() + lease()
        )
        if taken and send(event):
            delivered += 1
    return delivered


def send_again(event: Event) -> bool:
    """Calls the receivers of ``event`` once more, delivered or not, because a person
    wants it. Those of the same order that still wait go first. True when none raised.
    """
    waiting = Event.objects.filter(
        order_id=event.order_id, deliver_at__isnull=False, pk__lt=event.pk
    )
    for one in [*waiting.order_by("pk"), event]:
        Event.objects.filter(pk=one.pk).update(deliver_at=timezone.now() + lease())
        if not send(one):
            return False
    return True


def tell_break(record: Break) -> None:
    """Sends ``gateway_break`` after commit. The row stays, whatever receivers do."""
    log.critical(
        "break %s: ours %s, theirs %s, order %s",
        record.kind,
        record.ours,
        record.theirs,
        record.order.order_id if record.order else "-",
    )
    database.on_commit(lambda: gateway_break.send_robust(sender=Break, record=record))
