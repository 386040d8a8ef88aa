"""Secure payment links: the customer pays a phone order on the 3-D Secure page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.enums import Channel, EventKind, OrderState
from nexi_payments.exceptions import InvalidState, MotoNotAllowed
from nexi_payments.flows.ledger import transitions
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import create
from nexi_payments.models import PaymentOrder, db_transactions

#: How long a link can be used.
LINK_LIFETIME: Final = timedelta(hours=72)


def offer_link(order: PaymentOrder, *, actor: Actor = NO_ACTOR) -> PaymentOrder:
    """Turns a phone order without a card into a payment link, valid for 72 hours.

    Idempotent. Raises ``InvalidState`` when a card was posted, ``InvalidAmount`` when
    the link's terminal does not accept the amount, and ``MotoNotAllowed`` when there is
    no such terminal.
    """
    if order.channel == Channel.LINK:
        return order
    settings = conf.current()
    target = settings.link_terminal(settings.terminal(order.terminal))
    if target is None:
        raise MotoNotAllowed(order.terminal)
    create.validate_amount(target, order.amount, order.currency)
    expires_at = timezone.now() + LINK_LIFETIME
    changes: dict[str, Any] = {
        "channel": Channel.LINK,
        "terminal": target.name,
        "flow": target.flow,
        "capture": target.capture,
        "expires_at": expires_at,
        "next_poll_at": expires_at,
        "pay_until": expires_at,
    }
    if not _offer(order, changes, actor) and order.channel != Channel.LINK:
        raise InvalidState(order)
    return order


@db_transactions.retried(durable=False)
def _offer(order: PaymentOrder, changes: dict[str, Any], actor: Actor) -> bool:
    unused = PaymentOrder.objects.filter(
        pk=order.pk, state=OrderState.INIT, claimed_at=None
    ).exclude(operations__isnull=False)
    offered = bool(unused.update(**changes))
    order.refresh_from_db()
    if offered:
        transitions.write_event(
            order, EventKind.LINK_OFFERED, source=order.state, actor=actor
        )
    return offered


def current_attempt(order: PaymentOrder) -> PaymentOrder:
    """The attempt that counts of one link or phone order: the one that holds the
    reference or was charged, else the newest.
    """
    root = order.retry_of_id or order.pk
    attempts = list(PaymentOrder.objects.filter(Q(pk=root) | Q(retry_of=root)))
    return max(attempts, key=lambda one: (one.state != OrderState.FAILED, one.pk))
