"""One pass over everything that is due. Any number may run at once, anywhere."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from datetime import timedelta

from django.utils import timezone

from nexi_payments import conf, hold, outbox, states
from nexi_payments.flows import alarms, inquiry, schedule
from nexi_payments.models import PaymentOrder
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.reconcile")


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

    def __str__(self) -> str:
        return " ".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))


def reconcile(order: PaymentOrder | None = None, *, most: int = 1000) -> Counts:
    """Settles what is in doubt, expires what was left, delivers what was not.

    With ``order``, asks the gateway about that one now, due or not. An order is taken
    by moving its ``due_at`` in a compare-and-swap: nobody else looks at it meanwhile.
    A gateway that does not answer changes nothing.
    """
    counts = Counts()
    if order is not None:
        _look(order, counts)
    else:
        counts.purged = hold.purge()
        counts.mended = alarms.recheck()
        for candidate in _due(most):
            if _take(candidate):
                _settle_due(candidate, counts)
    counts.delivered = outbox.deliver_due()
    return counts


def _due(most: int) -> list[PaymentOrder]:
    rows = PaymentOrder.objects.filter(due_at__lte=timezone.now())
    return list(rows.order_by("due_at")[:most])


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
            inquiry.fail_unfinished(order, Reason.EXPIRED)
    else:
        client = conf.client(conf.current().terminal(order.terminal))
        counts.looked += 1
        if not inquiry.look(order, client, scheduled=True).good:
            counts.unanswered += 1
    if order.state != before and hasattr(counts, order.state):
        setattr(counts, order.state, getattr(counts, order.state) + 1)
