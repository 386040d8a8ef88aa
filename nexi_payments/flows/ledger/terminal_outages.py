"""Terminals that cannot be used: Nexi rejects the API key (an outage: no new charges),
or the settings lack the terminal.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Count
from django.utils import timezone

from nexi_payments import conf, enums
from nexi_payments.enums import ContractState
from nexi_payments.exceptions import GatewayError, Rejected, TerminalUnavailable
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Contract, Operation, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage

log = logging.getLogger("nexi_payments.terminal_outages")

#: A 404 means "no such order" only if the key works. How long a 200 proves that.
_KEY_TRUSTED_FOR = timedelta(minutes=5)


def record(terminal: str, status: int | None) -> None:
    """Records that Nexi answered 401 or 403 on this terminal. Idempotent."""
    _, new = TerminalOutage.objects.get_or_create(
        terminal=terminal, defaults={"since": timezone.now(), "status": status}
    )
    if new:
        log.critical("terminal %s: Nexi rejects its API key (%s)", terminal, status)


def log_failure(order: PaymentOrder, error: GatewayError) -> None:
    """Logs a gateway error. Records an outage when Nexi rejected the API key."""
    log.warning("order %s: %s %s", order.order_id, type(error).__name__, error)
    if isinstance(error, Rejected) and error.status in (401, 403):
        record(order.terminal, error.status)


def require_available(terminal: str) -> None:
    """Raises ``TerminalUnavailable`` during an outage."""
    if TerminalOutage.objects.filter(terminal=terminal).exists():
        raise TerminalUnavailable(terminal)


def key_works(terminal: str, client: Client, deadline: Deadline) -> bool:
    """Whether Nexi accepts the terminal's API key, so that a 404 means "no such order".

    Asks Nexi only when no operation of the last minutes proves it.
    """
    recent = Operation.objects.filter(
        order__terminal=terminal,
        http_status=200,
        settled_at__gte=timezone.now() - _KEY_TRUSTED_FOR,
    )
    if recent.exists():
        return True
    try:
        client.payment_methods(conf.call_context(deadline))
    except GatewayError:
        return False
    return True


def probe() -> int:
    """Probes every terminal with an outage. Returns how many recovered.

    Deletes the outage of a terminal that neither the settings nor open rows name.
    """
    recovered = 0
    for outage in TerminalOutage.objects.all():
        terminal = conf.current().terminals.get(outage.terminal)
        if terminal is None:
            needed = {one.name for one in missing_terminals() if one.is_needed}
            if outage.terminal not in needed:
                outage.delete()
            continue
        try:
            conf.client(terminal).payment_methods(conf.call_context())
        except GatewayError as error:
            log.error("terminal %s is still unavailable: %s", outage.terminal, error)
            continue
        outage.delete()
        recovered += 1
    return recovered


class MissingTerminal(NamedTuple):
    """A terminal that is not in the settings, and the open rows that name it."""

    name: str
    #: polled, or with an amount in doubt
    payments: int
    #: captures, refunds and other requests without a confirmed outcome
    operations: int
    #: active, or their end not confirmed
    contracts: int
    outages: int

    def __str__(self) -> str:
        counts = ", ".join(f"{what} {count}" for what, count in self.counts.items())
        return f"Terminal {self.name} is not in NEXI_PAYMENTS['TERMINALS']: {counts}"

    @property
    def is_needed(self) -> bool:
        return bool(self.payments or self.operations or self.contracts)

    @property
    def counts(self) -> dict[str, int]:
        """The numbers that are not zero, by name."""
        numbers = self._asdict()
        del numbers["name"]
        return {what: count for what, count in numbers.items() if count}


def missing_terminals() -> list[MissingTerminal]:
    """The terminals that are not in the settings while open rows name them."""
    orders = PaymentOrder.objects
    contracts = Contract.objects.filter(
        state__in=(ContractState.ACTIVE, ContractState.ENDING)
    )
    # two queries, each on a small index
    polled = _by_missing_terminal(orders.filter(next_poll_at__isnull=False))
    in_doubt = _by_missing_terminal(
        orders.filter(next_poll_at=None, unsettled_since__isnull=False)
    )
    charged = _by_missing_terminal(contracts)
    outages = _by_missing_terminal(TerminalOutage.objects.all())
    return [
        MissingTerminal(
            name,
            polled.get(name, 0) + in_doubt.get(name, 0),
            Operation.objects.filter(
                order__terminal=name, outcome__in=enums.RESERVING
            ).count(),
            charged.get(name, 0),
            outages.get(name, 0),
        )
        for name in sorted({*polled, *in_doubt, *charged, *outages})
    ]


def _by_missing_terminal(rows: Any) -> dict[str, int]:
    missing = rows.exclude(terminal__in=conf.current().terminals).order_by()
    return dict(missing.values_list("terminal").annotate(Count("pk")))
