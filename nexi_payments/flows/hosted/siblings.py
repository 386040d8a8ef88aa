"""Looks at hosted pages that may still be paid, before a purchase is paid otherwise.

Nothing closes a page at Nexi. So before another method or card is offered, and before a
card is charged, a status inquiry checks each attempt of the purchase that has one.
"""

from __future__ import annotations

from django.db.models import Q

from nexi_payments import conf, enums
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import (
    GatewayUnavailable,
    OrderNotPayable,
    PaymentBeingConfirmed,
    TerminalNotConfigured,
)
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.inquiry.reading import Verdict
from nexi_payments.flows.orders import purchase
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import PaymentOrder


def require_none_paid(
    order: PaymentOrder, deadline: Deadline | None = None, *, site: str = ""
) -> None:
    """Asks Nexi about each hosted page of the purchase that may still be paid, that of
    ``order`` included: also one that has failed, for example because it expired.

    Raises ``OrderNotPayable`` with the attempt that holds or took money or is under
    review, ``PaymentBeingConfirmed`` with the one that Nexi is still deciding, and
    ``GatewayUnavailable`` when Nexi does not answer about one of them. ``order`` is
    reloaded. Costs nothing where no terminal has a hosted page.
    """
    if not conf.current().has_hosted_page:
        return
    deadline = deadline or Deadline(conf.current().total_timeout)
    pages = _payable_pages(order)
    for page in pages:
        _look(page, deadline, site)
    if pages:
        order.refresh_from_db()


def _payable_pages(order: PaymentOrder) -> list[PaymentOrder]:
    """The pages that are watched, and those whose money a person must decide about.
    The newest first: it is the likeliest to be paid.
    """
    rows = purchase.attempts(order).exclude(method="")
    states = (OrderState.AWAITING_HOSTED_PAGE, OrderState.FAILED)
    watched = Q(
        state__in=states, next_poll_at__isnull=False, charging_since__isnull=False
    )
    pages = rows.filter(watched | Q(state=OrderState.REVIEW)).order_by("-pk")
    return [order if page.pk == order.pk else page for page in pages]


def _look(page: PaymentOrder, deadline: Deadline, site: str) -> None:
    try:
        client = conf.client(conf.current().terminal(page.terminal), site)
    except TerminalNotConfigured:
        raise GatewayUnavailable(page.terminal) from None
    inquiry = query.inquire_and_apply(page, client, deadline)
    if page.state in enums.SUCCESSFUL or page.state == OrderState.REVIEW:
        raise OrderNotPayable(page)
    if inquiry.reading is None or not inquiry.applied:
        raise GatewayUnavailable(page.terminal)
    if inquiry.reading.charge.verdict in (Verdict.PENDING, Verdict.UNKNOWN):
        raise PaymentBeingConfirmed(page)
