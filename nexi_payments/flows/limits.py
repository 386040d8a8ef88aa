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
from typing import Any, Final

from django.utils import timezone

from nexi_payments import conf, states
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    CardBlocked,
    TerminalUnavailable,
    TooManyAttempts,
)
from nexi_payments.flows.moves import Actor
from nexi_payments.models import PaymentOrder, statements
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.limits")

#: An expression of SQL, and the values in it.
Question = tuple[str, tuple[Any, ...]]

_COUNTING: Final = (Reason.DECLINED, Reason.NOT_AUTHENTICATED)
#: "Excess re-attempts": the schemes forbid this card for this purchase.
_EXCESS: Final = "413"
_EVERYONE: Final = "everyone"
#: Seconds a guest waits while too many cards are being declined.
SLOW: Final = 2.0


def admit(order: PaymentOrder, card: Card, actor: Actor | None = None) -> None:
    """Everything that is asked before a card is taken, in one statement.

    Raises ``TerminalUnavailable`` while the gateway refuses the terminal's key,
    ``TooManyAttempts`` when one of the limits on ``actor`` is reached (``None``: a
    clerk, who has none), ``CardBlocked`` for a card that was answered 413 on this
    purchase.
    """
    now = timezone.now()
    limits = conf.current().rate_limits if actor is not None else {}
    counts = {
        name: _count(name, order, actor, now - timedelta(seconds=seconds), most)
        for name, (most, seconds) in limits.items()
    }
    asked = {name: count for name, count in counts.items() if count is not None}
    alarm, blocked, *found = statements.ask(
        [(_ALARM, (order.terminal,)), _blocked(order, card), *asked.values()]
    )
    if alarm:
        raise TerminalUnavailable(order.terminal)
    for name, count in zip(asked, found, strict=True):
        most, seconds = limits[name]
        if count >= most:
            _refuse(name, order, most, seconds)
    if blocked:
        raise CardBlocked(order)


def _refuse(name: str, order: PaymentOrder, most: int, seconds: float) -> None:
    if name != _EVERYONE:
        log.warning("order %s: too many attempts by %s", order.order_id, name)
        raise TooManyAttempts(order, name, seconds)
    log.critical(
        "%d cards were declined within %d s: is somebody testing stolen ones?",
        most,
        seconds,
    )
    if not order.user_id:
        time.sleep(SLOW)


_ALARM: Final = "EXISTS(SELECT 1 FROM nexi_payments_terminalalarm WHERE terminal = %s)"
#: Never more rows are counted than are needed to say "too many".
_AT_MOST: Final = "(SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT %s) AS found)"
#: A card on file is charged by the shop: nobody tries one out.
_FAILED: Final = (
    "nexi_payments_paymentorder"
    " WHERE state = %s AND reason IN (%s, %s) AND channel <> %s AND created_at >= %s"
)
#: No join: where most operations have one address, or none, a planner reads them all.
_BY_ADDRESS: Final = (
    "(SELECT COUNT(*) FROM (SELECT 1 FROM nexi_payments_paymentorder WHERE id IN"
    " (SELECT order_id FROM nexi_payments_operation"
    " WHERE address = %s AND created_at >= %s AND kind IN (%s, %s, %s))"
    " AND state = %s AND reason IN (%s, %s) LIMIT %s) AS found)"
)
_BLOCKED: Final = (
    "EXISTS(SELECT 1 FROM nexi_payments_paymentorder WHERE {} AND response_code = %s"
    " AND card_brand = %s AND card_bin = %s AND card_last4 = %s AND card_expiry = %s)"
)


def _count(
    name: str, order: PaymentOrder, actor: Actor | None, since: datetime, most: int
) -> Question | None:
    """How many attempts failed since then; ``None`` where the limit is about nobody."""
    failed = (states.FAILED, *_COUNTING)
    tried = (*failed, states.CHANNEL_MIT, since)
    if name == _EVERYONE:
        return _AT_MOST.format(_FAILED), (*tried, most)
    if name == "reference":
        which, values = _same_purchase(order)
        text = _AT_MOST.format(f"{_FAILED} AND {which}")
        return text, (*tried, *values, most)
    if name == "user":
        text = _AT_MOST.format(f"{_FAILED} AND user_id = %s")
        return (text, (*tried, order.user_id, most)) if order.user_id else None
    if actor is None or not actor.address:
        return None
    kinds = (states.AUTHENTICATION, states.VALIDATION, states.PAYMENT)
    return _BY_ADDRESS, (actor.address, since, *kinds, *failed, most)


def _same_purchase(order: PaymentOrder) -> Question:
    """The attempts at the same basket: of its reference, or made from one another."""
    if order.reference:
        return "reference = %s", (order.reference,)
    root = order.retry_of_id or order.pk
    return "(id = %s OR retry_of_id = %s)", (root, root)


def _blocked(order: PaymentOrder, card: Card) -> Question:
    """The card is recognised by what is kept of one, which may fit another card, too:
    so be it."""
    which, values = _same_purchase(order)
    kept = (card.brand, card.bin6, card.last4, card.expiry)
    return _BLOCKED.format(which), (*values, _EXCESS, *kept)
