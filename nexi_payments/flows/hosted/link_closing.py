"""Closes Nexi's payment links whose attempt is over."""

from __future__ import annotations

import logging
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf, payment_methods
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import GatewayError, Rejected, TerminalNotConfigured
from nexi_payments.flows.hosted import ways_back
from nexi_payments.flows.ledger import poll_schedule
from nexi_payments.gateway.client import Client
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.models.hosted_page import NexiLink

log = logging.getLogger("nexi_payments.hosted")

#: Nexi counts days in this time zone.
GATEWAY_TIME_ZONE: Final = ZoneInfo("Europe/Rome")
_USED: Final = "PS0045"
_DELETED: Final = "PS0044"


def end_of(day: date) -> datetime:
    """The end of ``day`` at Nexi."""
    midnight = datetime.combine(day + timedelta(days=1), time.min)
    return midnight.replace(tzinfo=GATEWAY_TIME_ZONE)


def close_due(*, limit: int = 1000) -> int:
    """Cancels at Nexi the open links that somebody has cancelled here, and those whose
    attempt is over: paid otherwise, replaced or given up. Returns how many were closed.
    A link without a usable response of Nexi is tried again.
    """
    now = timezone.now()
    due = NexiLink.objects.filter(is_closed=False, next_try_at__lte=now)
    is_over = ~Q(order__state=OrderState.AWAITING_HOSTED_PAGE)
    over = due.filter(is_over | Q(cancel_asked_at__isnull=False))
    rows = over.select_related("order").order_by("next_try_at")[:limit]
    return sum(_close_over(link, now) for link in rows)


def _close_over(link: NexiLink, now: datetime) -> bool:
    order = link.order
    by_link = order.authorized_amount and order.method != payment_methods.LINK
    if by_link or not link.link_id or now >= end_of(link.latest_day):
        _mark_closed(link, order)  # it was paid, nobody has it, or its last day is over
        return True
    next_try = now + poll_schedule.retry_delay(link.tries + 1)
    mine = NexiLink.objects.filter(pk=link.pk, tries=link.tries, is_closed=False)
    if not mine.update(tries=link.tries + 1, next_try_at=next_try):
        return False  # another worker has it
    try:
        client = conf.client(conf.current().terminal(order.terminal), "")
    except TerminalNotConfigured as error:
        log.critical("payment link of order %s: %s", order.order_id, error)
        return False
    return close(link, order, client) is not None


def close(link: NexiLink, order: PaymentOrder, client: Client) -> bool | None:
    """Cancels the link at Nexi. Returns whether it was used before; ``None`` without an
    answer that says so. Harmless when repeated.
    """
    used = False
    try:
        client.cancel_payment_link(conf.call_context(), link.link_id)
    except Rejected as error:
        used = _USED in error.codes
        if not (used or _DELETED in error.codes or error.status == 404):
            log.error("payment link of order %s: %s", order.order_id, error)
            return None
    except GatewayError as error:
        log.warning("payment link of order %s: %s", order.order_id, error)
        return None
    _mark_closed(link, order, used=used)
    return used


@db_transactions.retried()
def _mark_closed(link: NexiLink, order: PaymentOrder, *, used: bool = False) -> None:
    """In one commit with what follows: an attempt whose link nobody can pay must not
    stay open.
    """
    NexiLink.objects.filter(pk=link.pk).update(is_closed=True)
    waiting = PaymentOrder.objects.filter(
        pk=order.pk, state=OrderState.AWAITING_HOSTED_PAGE
    )
    # if it was used it may have been paid: an inquiry follows at once, too
    if used or waiting.update(expires_at=timezone.now()):
        ways_back.trigger(order)
