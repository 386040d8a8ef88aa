"""Velocity limits against card testing.

They count failed attempts in the database: declined cards and failed 3-D Secure, per
reference, per user and per IP address. Successful payments do not count, nor failures
on our side or Nexi's. The phone order desk is not limited: its users are staff.

Card testing from many addresses shows only in the total over all shoppers. Above that
limit guests are delayed and a critical log line is written. No shopper is rejected for
the attempts of others.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.card import Card
from nexi_payments.enums import Channel, OperationKind, OrderState, Reason
from nexi_payments.exceptions import CardBlocked, TerminalUnavailable, TooManyAttempts
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.models import Operation, PaymentOrder, raw_sql
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.models.raw_sql import Rows

log = logging.getLogger("nexi_payments.velocity")

_COUNTED_REASONS: Final = (Reason.DECLINED, Reason.NOT_AUTHENTICATED)
#: Merchant-initiated charges do not count: the shop makes them.
_COUNTED_CHANNELS: Final = tuple(one for one in Channel if one != Channel.MIT)
_CARD_KINDS: Final = (
    OperationKind.AUTHENTICATION,
    OperationKind.VALIDATION,
    OperationKind.PAYMENT,
    OperationKind.HOSTED,
)
#: "Excess re-attempts": the schemes forbid this card for this purchase.
_EXCESS_ATTEMPTS: Final = "413"
_EVERYONE: Final = "everyone"
#: Seconds that a guest waits while too many cards are declined.
GUEST_DELAY: Final = 2.0


def enforce(
    order: PaymentOrder,
    card: Card | None,
    actor: Actor | None = None,
    *,
    terminal: str = "",
) -> None:
    """Checks everything that is required before a card is charged, or a hosted page is
    opened (without ``card``), in one statement.

    Raises ``TerminalUnavailable`` while Nexi rejects the terminal's API key,
    ``TooManyAttempts`` when a limit on ``actor`` is reached (``None``: a clerk, no
    limits), and ``CardBlocked`` for a card that got response code 413 on this purchase.
    ``terminal`` is the one whose key is used, by default the order's.
    """
    now = timezone.now()
    limits = conf.current().rate_limits if actor is not None else {}
    attempts = {
        name: _failed_attempts(
            name, order, actor, now - timedelta(seconds=seconds), most
        )
        for name, (most, seconds) in limits.items()
    }
    counted = {name: rows for name, rows in attempts.items() if rows is not None}
    outage, blocked, *reached = raw_sql.exist(
        Rows(TerminalOutage, [{"terminal": terminal or order.terminal}]),
        Rows(PaymentOrder, _card_blocked(order, card)),
        *counted.values(),
    )
    if outage:
        raise TerminalUnavailable(terminal or order.terminal)
    for name, is_reached in zip(counted, reached, strict=True):
        if is_reached:
            _exceeded(name, order, *limits[name])
    if blocked:
        raise CardBlocked(order)


def _exceeded(name: str, order: PaymentOrder, most: int, seconds: float) -> None:
    if name != _EVERYONE:
        log.warning("order %s: too many attempts by %s", order.order_id, name)
        raise TooManyAttempts(order, name, seconds)
    log.critical(
        "%d cards were declined within %d s: possible card testing",
        most,
        seconds,
    )
    if order.user_id is None:
        time.sleep(GUEST_DELAY)


def _failed_attempts(
    name: str, order: PaymentOrder, actor: Actor | None, since: datetime, most: int
) -> Rows | None:
    """``most`` failed attempts since then; ``None`` where the limit does not apply."""
    failed: dict[str, Any] = {
        "state": OrderState.FAILED,
        "reason__in": _COUNTED_REASONS,
    }
    if name == "address":
        if actor is None or not actor.address:
            return None
        sent = {
            "address": actor.address,
            "created_at__gte": since,
            "kind__in": _CARD_KINDS,
        }
        # no join: if most operations share one address, or have none, a planner would
        # read all of them
        failed["pk__in"] = Rows(Operation, [sent], column="order")
        return Rows(PaymentOrder, [failed], most)
    failed |= {"channel__in": _COUNTED_CHANNELS, "created_at__gte": since}
    if name == "reference":
        same = [failed | which for which in _same_purchase(order)]
        return Rows(PaymentOrder, same, most)
    if name == "user":
        if order.user_id is None:
            return None
        failed["user"] = order.user_id
    return Rows(PaymentOrder, [failed], most)


def _same_purchase(order: PaymentOrder) -> list[dict[str, Any]]:
    """The attempts at one purchase: by reference, or by the first attempt."""
    if order.reference:
        return [{"reference": order.reference}]
    root = order.retry_of_id or order.pk
    return [{"pk": root}, {"retry_of": root}]


def _card_blocked(order: PaymentOrder, card: Card | None) -> list[dict[str, Any]]:
    """The attempts at this purchase with this card that got 413. Compares the stored
    card columns; a different card with equal columns is blocked, too.
    """
    if card is None:
        return [{"pk": None}]  # none
    blocked = {
        "response_code": _EXCESS_ATTEMPTS,
        "card_brand": card.brand,
        "card_bin": card.bin6,
        "card_last4": card.last4,
        "card_expiry": card.expiry,
    }
    return [which | blocked for which in _same_purchase(order)]
