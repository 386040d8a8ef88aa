"""What the desk does next with a phone order: card, link or approval."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, money, terminal_rights
from nexi_payments.admin.base import get_actor
from nexi_payments.enums import Channel, OrderState
from nexi_payments.flows import ceilings
from nexi_payments.models import PaymentOrder


def awaits_card(request: HttpRequest, order: PaymentOrder) -> bool:
    """Whether this clerk has to enter a card now, which no link has replaced."""
    waits = _is_new(order) and not is_for_link(order)
    return waits and not needs_approval(request, order)


def is_for_link(order: PaymentOrder) -> bool:
    """Whether the clerk can only send a secure link: no card may be entered."""
    terminal = conf.current().terminals.get(order.terminal)
    takes_none = terminal is not None and not terminal.takes_phone_cards
    return takes_none and _is_new(order)


def needs_approval(request: HttpRequest, order: PaymentOrder) -> bool:
    """Whether another person has to approve the charge before the card is entered."""
    if not _is_new(order) or is_for_link(order):
        return False
    return ceilings.phone_order_needs_approval(order, get_actor(request))


def wants_link(request: HttpRequest) -> bool:
    """Whether the clerk asked for a link: by button, or by URL after an amount
    choice."""
    return "link" in request.POST or "link" in request.GET


def _is_new(order: PaymentOrder) -> bool:
    return order.state == OrderState.INIT and order.channel != Channel.LINK


def reference_in_use_text(request: HttpRequest, order: PaymentOrder) -> str:
    """Why no phone order is created; no details of a payment that one may not see."""
    if not terminal_rights.may(request.user, terminal_rights.SEE, order.terminal):
        return str(_("This reference is taken by a payment of another terminal."))
    return _("This reference is taken: %(amount)s, %(state)s.") % {
        "amount": money.display(order.amount, order.currency),
        "state": order.display_status.label,
    }
