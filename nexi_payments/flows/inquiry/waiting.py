"""Status inquiries about a charge of unknown outcome while somebody looks at its page.

The request that charged has inquired twice (``query.INQUIRE_AFTER``), and ``reconcile``
begins a minute later. In between, and beside it, the pages of the payment ask.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import TerminalNotConfigured
from nexi_payments.flows.inquiry import query
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import PaymentOrder, db_transactions

log = logging.getLogger("nexi_payments.inquiry")

#: Seconds after the charge was sent. Each moment allows one inquiry about an order, so
#: their number is the limit, whatever the number of pages that are open.
MOMENTS: Final = (6, 10, 15, 25, 40, 60, 90, 150, 240, 420, 840)
#: Seconds that a page waits for Nexi's answer.
_WAIT: Final = 8.0
#: A person's own question comes no sooner than this after another one.
_PAUSE: Final = timedelta(seconds=2)


def look_while_waiting(order: PaymentOrder, *, site: str = "") -> bool:
    """Asks Nexi about a charge of unknown outcome, if one of ``MOMENTS`` has passed
    since the last time. Returns whether it was asked. Reloads ``order``.

    Does nothing in other states. Moves no money; errors of the gateway are logged, not
    raised. ``site`` is our own base URL.
    """
    now = timezone.now()
    moment = _last_moment(order, now)
    if moment is None:
        return False
    db_transactions.require_no_transaction()
    if not _claim(order, Q(looked_at__lt=moment), now):
        order.refresh_from_db()
        return False
    return ask_briefly(order, site)


def ask_briefly(order: PaymentOrder, site: str) -> bool:
    """Sends one status inquiry while a page waits, and applies the result. Returns
    whether it was sent. Reloads ``order``; errors of the gateway are logged.
    """
    try:
        client = conf.client(conf.current().terminal(order.terminal), site)
    except TerminalNotConfigured as error:
        log.critical("order %s: %s", order.order_id, error)
        return False
    deadline = Deadline(min(_WAIT, conf.current().total_timeout))
    query.inquire_and_apply(order, client, deadline)
    return True


def claim_now(order: PaymentOrder) -> bool:
    """Whether a person may make us ask Nexi now. Within two seconds after another
    question the answer is fresh: ``False``.
    """
    now = timezone.now()
    return _claim(order, Q(looked_at__lte=now - _PAUSE), now)


def _claim(order: PaymentOrder, is_due: Q, now: datetime) -> bool:
    rows = PaymentOrder.objects.filter(pk=order.pk, state=order.state)
    return bool(rows.filter(Q(looked_at=None) | is_due).update(looked_at=now))


def _last_moment(order: PaymentOrder, now: datetime) -> datetime | None:
    """The newest of ``MOMENTS`` that has passed; ``None`` before the first one, and
    when no charge is in doubt.
    """
    if order.state != OrderState.PAYING or order.charging_since is None:
        return None
    age = now - order.charging_since
    passed = [one for one in MOMENTS if timedelta(seconds=one) <= age]
    if not passed:
        return None
    return order.charging_since + timedelta(seconds=passed[-1])
