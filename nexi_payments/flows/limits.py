"""Who tries cards one after the other is stopped; who pays is not.

Counted in the database, from what failed: declined cards and refused 3-D Secure, per
reference, per user and per address. What went through does not count, nor what failed
on our side or Nexi's. The desk is not limited: a clerk answers for it.

Whoever tests cards from a thousand addresses shows in the sum of all shoppers only.
Then guests are slowed down and somebody is told; nobody is refused for what others do.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from nexi_payments import conf, states
from nexi_payments.card import Card
from nexi_payments.exceptions import CardBlocked, TooManyAttempts
from nexi_payments.flows.moves import Actor
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.limits")

_COUNTING: Final = (Reason.DECLINED, Reason.NOT_AUTHENTICATED)
#: "Excess re-attempts": the schemes forbid this card for this purchase.
_EXCESS: Final = "413"
_EVERYONE: Final = "everyone"
#: Seconds a guest waits while too many cards are being declined.
SLOW: Final = 2.0


def refuse_too_many(order: PaymentOrder, actor: Actor) -> None:
    """Raises ``TooManyAttempts`` when one of the limits is reached."""
    now = timezone.now()
    for name, (most, seconds) in conf.current().rate_limits.items():
        since = now - timedelta(seconds=seconds)
        if name == _EVERYONE:
            _slow_down(order, since, most)
        elif _count(name, order, actor, since, most) >= most:
            log.warning("order %s: too many attempts by %s", order.order_id, name)
            raise TooManyAttempts(order, name, seconds)


def _slow_down(order: PaymentOrder, since: datetime, most: int) -> None:
    if len(_failed(since)[:most]) < most:
        return
    log.critical(
        "%d cards were declined since %s: is somebody testing stolen ones?", most, since
    )
    if not order.user_id:
        time.sleep(SLOW)


def _failed(since: datetime) -> QuerySet[PaymentOrder]:
    return PaymentOrder.objects.filter(
        state=states.FAILED, reason__in=_COUNTING, created_at__gte=since
    )


def _count(
    name: str, order: PaymentOrder, actor: Actor, since: datetime, most: int
) -> int:
    failed = _failed(since)
    if name == "reference":
        return len(_same_purchase(order, failed)[:most])
    if name == "user":
        return len(failed.filter(user=order.user)[:most]) if order.user_id else 0
    if not actor.address:
        return 0
    rows = Operation.objects.filter(
        address=actor.address,
        created_at__gte=since,
        kind__in=(states.AUTHENTICATION, states.VALIDATION, states.PAYMENT),
        order__state=states.FAILED,
        order__reason__in=_COUNTING,
    )
    return len(rows.order_by().values("order").distinct()[:most])


def _same_purchase(
    order: PaymentOrder, rows: QuerySet[PaymentOrder]
) -> QuerySet[PaymentOrder]:
    """The attempts at the same basket: of its reference, or made from one another."""
    if order.reference:
        return rows.filter(reference=order.reference)
    root = order.retry_of_id or order.pk
    return rows.filter(Q(pk=root) | Q(retry_of=root))


def refuse_blocked(order: PaymentOrder, card: Card) -> None:
    """Raises ``CardBlocked`` for a card that was answered 413 on this purchase. It is
    recognised by what is kept of a card, which may fit another one: so be it."""
    blocked = _same_purchase(order, PaymentOrder.objects.all()).filter(
        response_code=_EXCESS,
        card_brand=card.brand,
        card_bin=card.bin6,
        card_last4=card.last4,
        card_expiry=card.expiry,
    )
    if blocked.exists():
        raise CardBlocked(order)
