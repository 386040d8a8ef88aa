"""One pass over everything that is due. Any number may run at once, anywhere."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

from django.db import IntegrityError
from django.utils import timezone

from nexi_payments import conf, hold, outbox, states
from nexi_payments.flows import alarms, consequences, inquiry, schedule, sweep
from nexi_payments.models import LastPass, PaymentOrder, database
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.reconcile")

#: So many orders are taken at once: few enough that their lease does not run out.
_BATCH: Final = 10


@dataclass
class Counts:
    """What a pass did."""

    looked: int = 0
    paid: int = 0
    authorized: int = 0
    failed: int = 0
    review: int = 0
    unanswered: int = 0
    delivered: int = 0
    purged: int = 0
    mended: int = 0
    unknown: int = 0

    @property
    def did_something(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))

    def __str__(self) -> str:
        return " ".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))


def reconcile(order: PaymentOrder | None = None, *, most: int = 1000) -> Counts:
    """Settles what is in doubt, expires what was left, delivers what was not.

    With ``order``, asks the gateway about that one now, due or not. An order is taken
    by moving its ``due_at`` in a compare-and-swap: nobody else looks at it meanwhile.
    A gateway that does not answer changes nothing. Inside a transaction a
    ``RuntimeError``.
    """
    database.refuse_inside_a_transaction()
    counts = Counts()
    if order is not None:
        _look(order, counts)
    else:
        counts.purged = hold.purge()
        counts.mended = alarms.recheck()
        for candidate in _due(most):
            # taken with others a while ago: still ours?
            if _take(candidate):
                _settle_due(candidate, counts)
        counts.unknown = sweep.sweep()
    counts.delivered = outbox.deliver_due()
    if order is None:
        _sign()
    return counts


def _sign() -> None:
    """Writes down that a whole pass has come to its end: the doctor, the checks and the
    metrics say when nobody reconciles."""
    facts = {"ended_at": timezone.now(), "host": socket.gethostname()[:128]}
    if LastPass.objects.filter(name=LastPass.RECONCILE).update(**facts):
        return
    with contextlib.suppress(IntegrityError), database.atomic():
        # the first pass of all; another one may be the first at the same moment
        LastPass.objects.create(name=LastPass.RECONCILE, **facts)


def _due(most: int) -> Iterator[PaymentOrder]:
    """What was due when the pass began, oldest first, taken batch by batch. What a look
    makes due at once is for the next pass."""
    rows = PaymentOrder.objects.filter(due_at__lte=timezone.now())
    return database.shared(rows.order_by("due_at"), _take, size=_BATCH, most=most)


def _take(order: PaymentOrder) -> bool:
    lease = timezone.now() + timedelta(seconds=conf.current().claim_deadline)
    rows = PaymentOrder.objects.filter(pk=order.pk, due_at=order.due_at)
    taken = bool(rows.update(due_at=lease))
    if taken:
        order.due_at = lease
    return taken


def _settle_due(order: PaymentOrder, counts: Counts) -> None:
    try:
        # past its time an order needs several good looks: they may follow one another
        for _ in range(schedule.ENOUGH_LOOKS):
            _look(order, counts)
            if order.due_at is None or order.due_at > timezone.now():
                break
    except Exception:
        # one broken row must not keep the others, which stand behind it, waiting
        log.exception("order %s", order.order_id)
        counts.unanswered += 1


def _look(order: PaymentOrder, counts: Counts) -> None:
    before = order.state
    if order.state == states.INIT:
        # nothing was ever sent that could charge: no need to ask
        if order.expires_at <= timezone.now():
            consequences.fail_unfinished(order, Reason.EXPIRED)
    else:
        client = conf.client(conf.current().terminal(order.terminal))
        counts.looked += 1
        if not inquiry.look(order, client, scheduled=True).good:
            counts.unanswered += 1
    if order.state != before and hasattr(counts, order.state):
        setattr(counts, order.state, getattr(counts, order.state) + 1)
