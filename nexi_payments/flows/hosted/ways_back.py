"""The ways back from Nexi's hosted page: a return, a click on cancel, a notification.

Each only makes us look. Nothing that a browser or a notification says settles a
payment: ``GET /orders/{orderId}`` does, and the reconciler sends it without them, too.
"""

from __future__ import annotations

import hmac
import logging
from datetime import timedelta
from typing import Any, Final

from django.db.models import F, Q
from django.utils import timezone

from nexi_payments import sealed_cards
from nexi_payments.flows.inquiry import sweeps, waiting
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.models.hosted_page import HostedPage

log = logging.getLogger("nexi_payments.hosted")

#: No look at the same order more often than this, by whatever came in.
LOOK_EVERY: Final = timedelta(seconds=2)


def return_from_hosted_page(
    order: PaymentOrder, token: str, *, site: str = ""
) -> PaymentOrder:
    """The shopper came back, or pressed cancel: asks Nexi how the order stands.

    A wrong token changes nothing. Any number of returns may come, at any time. Waits a
    few seconds at most; errors of the gateway are logged, not raised.
    """
    if not _matches(token, order.token_hash) or not order.is_hosted:
        return order
    trigger(order, is_back=True)
    look(order, site=site)
    return order


def look(order: PaymentOrder, *, site: str = "") -> bool:
    """Asks Nexi about an order with a hosted page, unless that was done just now.
    Returns whether it was asked. Reloads ``order``.
    """
    db_transactions.require_no_transaction()
    now = timezone.now()
    rows = HostedPage.objects.filter(order=order)
    due = rows.filter(Q(looked_at=None) | Q(looked_at__lte=now - LOOK_EVERY))
    if not due.update(looked_at=now):
        order.refresh_from_db()
        return False
    return waiting.ask_briefly(order, site)


def receive_notification(order: PaymentOrder, token: str, body: dict[str, Any]) -> bool:
    """A notification of Nexi about ``order``. False for a wrong token in the URL.

    It makes the order due, whatever its state or age, and settles nothing. Any number
    may come. ``body`` is compared and not kept.
    """
    page = HostedPage.objects.filter(order=order).first()
    if page is None or not _matches(token, page.notify_hash):
        return False
    claimed = body.get("securityToken")
    if not (isinstance(claimed, str) and _matches(claimed, page.security_hash)):
        log.warning("order %s: a notification without its token", order.order_id)
    operation = body.get("operation")
    named = operation.get("orderId") if isinstance(operation, dict) else None
    if isinstance(named, str) and named != order.order_id:
        log.warning("order %s: a notification about another order", order.order_id)
        sweeps.make_due_if_unknown(order.terminal, named)
    trigger(order)
    return True


@db_transactions.retried(durable=False)
def trigger(order: PaymentOrder, *, is_back: bool = False) -> None:
    """Makes the order due now. An inquiry that is under way leaves it due. May run in
    a transaction."""
    now = timezone.now()
    if is_back:
        HostedPage.objects.filter(order=order, back_at=None).update(back_at=now)
    PaymentOrder.objects.filter(pk=order.pk).update(
        triggers=F("triggers") + 1, next_poll_at=now
    )


def _matches(token: str, known_hash: str) -> bool:
    if not (known_hash and token.isascii()):
        return False
    return hmac.compare_digest(sealed_cards.hash_token(token), known_hash)
