"""A terminal whose key the gateway refuses takes no new charges until it works."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.exceptions import GatewayError, Refused, TerminalUnavailable
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Operation, PaymentOrder, TerminalAlarm

log = logging.getLogger("nexi_payments.alarms")

#: A 404 says "no such order" only if the key is known to work; for so long it is.
_KEY_WORKS_FOR = timedelta(minutes=5)


def raise_for(terminal: str, status: int | None) -> None:
    """Remembers that the gateway answered 401 or 403 on this terminal."""
    _, new = TerminalAlarm.objects.get_or_create(
        terminal=terminal, defaults={"since": timezone.now(), "status": status}
    )
    if new:
        log.critical("terminal %s: the gateway refuses its key (%s)", terminal, status)


def note(order: PaymentOrder, error: GatewayError) -> None:
    """One line in the log, and the alarm when it was the key that was refused."""
    log.warning("order %s: %s %s", order.order_id, type(error).__name__, error)
    if isinstance(error, Refused) and error.status in (401, 403):
        raise_for(order.terminal, error.status)


def refuse_if_raised(terminal: str) -> None:
    """Raises ``TerminalUnavailable`` while the alarm stands."""
    if TerminalAlarm.objects.filter(terminal=terminal).exists():
        raise TerminalUnavailable(terminal)


def key_works(terminal: str, client: Client, deadline: Deadline) -> bool:
    """Whether the terminal has answered lately, so that a 404 means what it says."""
    lately = Operation.objects.filter(
        order__terminal=terminal,
        http_status=200,
        settled_at__gte=timezone.now() - _KEY_WORKS_FOR,
    )
    if lately.exists():
        return True
    try:
        client.payment_methods(conf.trace(deadline))
    except GatewayError:
        return False
    return True


def recheck() -> int:
    """Asks the gateway about every alarmed terminal; returns how many are well."""
    well = 0
    for alarm in TerminalAlarm.objects.all():
        terminal = conf.current().terminals.get(alarm.terminal)
        if terminal is None:
            continue
        try:
            conf.client(terminal).payment_methods(conf.trace())
        except GatewayError as error:
            log.error("terminal %s is still refused: %s", alarm.terminal, error)
            continue
        alarm.delete()
        well += 1
    return well
