"""Which payment methods an order may be paid with on Nexi's hosted page."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from django.utils import timezone

from nexi_payments import conf, payment_methods
from nexi_payments.conf import Terminal
from nexi_payments.enums import Channel
from nexi_payments.exceptions import GatewayError, MethodNotOffered
from nexi_payments.flows.orders import attempts, contract_terms
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.models.hosted_page import TerminalMethods
from nexi_payments.payment_methods import Method

log = logging.getLogger("nexi_payments.hosted")

#: Seconds that a page waits for Nexi's list.
_WAIT: Final = 8.0


def offered_methods(order: PaymentOrder) -> list[Method]:
    """The methods that ``order`` may be paid with on Nexi's hosted page.

    ``METHODS`` of the shop's terminal, as far as Nexi lists them for the terminal that
    opens the page, in the order of the setting, and cards first where ``CARDS`` is
    "hosted_page". Limits and currencies are those of ``payment_methods``. Empty for an
    order that saves a card, for phone orders and for charges on file. Asks Nexi only
    while nothing is known of the terminal. Call it outside a transaction.
    """
    terminal = conf.current().terminals.get(attempts.shop_terminal(order))
    if terminal is None or not terminal.has_hosted_page:
        return []
    if order.channel in (Channel.MOTO, Channel.MIT):
        return []
    if contract_terms.contract_to_create(order) is not None:
        return []
    codes = [] if terminal.has_own_card_page else [payment_methods.CARDS]
    overrides = conf.current().method_overrides
    found = [payment_methods.find(code, overrides) for code in codes]
    found += _other_methods(terminal)
    return [
        one
        for one in dict.fromkeys(filter(None, found))
        if one.allows(order.total, order.currency)
    ]


def accepts_own_card_page(order: PaymentOrder) -> bool:
    """Whether a card for ``order`` may be sent to this server: ``CARDS``."""
    terminal = conf.current().terminals.get(attempts.shop_terminal(order))
    return terminal is None or terminal.has_own_card_page


def require_offered(order: PaymentOrder, code: str) -> Method:
    """The offered method with this code. Raises ``MethodNotOffered``."""
    for one in offered_methods(order):
        if one.code == code:
            return one
    raise MethodNotOffered(order, code)


def _other_methods(terminal: Terminal) -> list[Method | None]:
    if terminal.methods == ():
        return []
    overrides = conf.current().method_overrides
    listed = [
        payment_methods.find(circuit, overrides) for circuit in circuits(terminal)
    ]
    if terminal.methods is None:
        return listed
    by_code = {one.code: one for one in listed if one is not None}
    return [by_code.get(code) for code in terminal.methods]


def circuits(terminal: Terminal) -> list[str]:
    """The circuits of other methods that Nexi listed last for ``terminal``."""
    opener = conf.current().hosted_terminal(terminal)
    row = TerminalMethods.objects.filter(terminal=opener.name).first()
    if row is None or _may_ask_again(row):
        # a shopper waits for this page
        row = refresh(opener, Deadline(min(_WAIT, conf.current().total_timeout)))
    return list(row.circuits)


def _may_ask_again(row: TerminalMethods) -> bool:
    """Whether nothing is known yet, and no request to Nexi failed just now."""
    wait = TerminalMethods.RETRY_EVERY
    return row.refreshed_at is None and row.asked_at <= timezone.now() - wait


def refresh_due() -> int:
    """Asks Nexi for the methods of each terminal that is due: every two hours. Returns
    how many were refreshed.
    """
    settings = conf.current()
    openers = {
        settings.hosted_terminal(one).name: settings.hosted_terminal(one)
        for one in settings.terminals.values()
        if one.has_hosted_page
    }
    since = timezone.now() - TerminalMethods.REFRESH_EVERY
    rows = TerminalMethods.objects.filter(asked_at__gt=since)
    fresh = set(rows.values_list("terminal", flat=True))
    done = [refresh(one) for name, one in openers.items() if name not in fresh]
    return sum(row.refreshed_at == row.asked_at for row in done)


def refresh(terminal: Terminal, deadline: Deadline | None = None) -> TerminalMethods:
    """Asks Nexi now. Without an answer the last list stands."""
    db_transactions.require_no_transaction()
    now = timezone.now()
    columns: dict[str, object] = {"asked_at": now}
    try:
        listed = conf.client(terminal).payment_methods(conf.call_context(deadline))
    except GatewayError as error:
        log.warning("payment methods of terminal %s: %s", terminal.name, error)
    else:
        apms = [one.circuit for one in listed if one.kind == "APM"]
        columns |= {"circuits": apms, "refreshed_at": now}
    row, _ = TerminalMethods.objects.update_or_create(
        terminal=terminal.name, defaults=columns
    )
    return row


def unknown_circuits(listed: Iterable[str]) -> list[str]:
    """Circuits that ``payment_methods`` does not know: they are not offered."""
    return [one for one in listed if payment_methods.find(one, {}) is None]
