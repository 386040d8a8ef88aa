"""Terminals that cannot be used: Nexi rejects the API key (an outage: no new charges),
or the settings lack the terminal.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import Count
from django.utils import timezone

from nexi_payments import conf, enums
from nexi_payments.enums import ContractState
from nexi_payments.exceptions import GatewayError, Rejected, TerminalUnavailable
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Contract, Operation, PaymentOrder, QueuedRefund
from nexi_payments.models.bookkeeping import TerminalOutage

log = logging.getLogger("nexi_payments.terminal_outages")

#: A 404 means "no such order" only if the key works. How long a 200 proves that.
_KEY_TRUSTED_FOR: Final = timedelta(minutes=5)
#: How long no second probe follows one that was answered 200. A key that is revoked
#: meanwhile is an outage so much later.
_PROBE_TRUSTED_FOR: Final = timedelta(minutes=1)
#: The seconds that a probe inside another request may take.
_PROBE_TIMEOUT: Final = 5.0

#: Of this process: when Nexi answered 200 to a probe that followed a 401 or 403.
accepted_probes: dict[conf.Terminal, datetime] = {}


def record(terminal: str, status: int | None) -> None:
    """Records that Nexi rejects the terminal's API key (401 or 403). Idempotent."""
    _, new = TerminalOutage.objects.get_or_create(
        terminal=terminal, defaults={"since": timezone.now(), "status": status}
    )
    if new:
        log.critical("terminal %s: Nexi rejects its API key (%s)", terminal, status)


def log_failure(
    order: PaymentOrder, error: GatewayError, client: Client, deadline: Deadline
) -> None:
    """Logs a gateway error. Checks the API key after a 401 or 403 (``check_key``)."""
    log.warning("order %s: %s %s", order.order_id, type(error).__name__, error)
    check_key_after(error, order.terminal, client, deadline)


def check_key_after(
    error: GatewayError, terminal: str, client: Client, deadline: Deadline
) -> None:
    """Checks the API key if ``error`` is a 401 or 403. Does nothing otherwise."""
    if isinstance(error, Rejected) and error.status in (401, 403):
        check_key(terminal, error.status, client, deadline)


def check_key(
    terminal: str, status: int | None, client: Client, deadline: Deadline
) -> None:
    """Records an outage if Nexi rejects the API key, not only one request.

    Call it after a 401 or 403 (``status``), outside transactions. One order may be
    answered 401, an order of another terminal for example. So this sends
    ``GET /payment_methods`` with the same key, which takes 5 seconds at most and ends
    by ``deadline``. Only a 401 or 403 to that is an outage. Another error proves
    nothing: it is logged, and the next rejected request decides. A 200 is trusted for
    a minute in this process. Gateway errors are not raised. Idempotent.
    """
    if TerminalOutage.objects.filter(terminal=terminal).exists():
        return
    settings = conf.current().terminal(terminal)
    accepted_at = accepted_probes.get(settings)
    if accepted_at and abs(timezone.now() - accepted_at) < _PROBE_TRUSTED_FOR:
        return
    context = conf.call_context(Deadline(min(deadline.remaining, _PROBE_TIMEOUT)))
    answered = f"terminal {terminal}: Nexi answered {status} to one request"
    try:
        client.payment_methods(context)
    except GatewayError as error:
        if isinstance(error, Rejected) and error.status in (401, 403):
            record(terminal, error.status)
        else:
            text = "%s, and GET /payment_methods does not show whether it accepts the"
            text += " API key: %s %s. No outage is recorded"
            log.error(text, answered, type(error).__name__, error)
        return
    accepted_probes[settings] = timezone.now()
    log.warning("%s, but accepts the API key", answered)


def require_available(terminal: str) -> None:
    """Raises ``TerminalUnavailable`` during an outage."""
    if TerminalOutage.objects.filter(terminal=terminal).exists():
        raise TerminalUnavailable(terminal)


def key_works(terminal: str, client: Client, deadline: Deadline) -> bool:
    """Whether Nexi accepts the terminal's API key, so that a 404 means "no such order".

    Asks Nexi only when no operation of the last minutes proves it: one that was sent
    then, and answered 200 with a body of Nexi's.
    """
    since = timezone.now() - _KEY_TRUSTED_FOR
    recent = Operation.objects.filter(
        order__terminal=terminal,
        http_status=200,
        error="",  # a proxy's page is a 200, too
        created_at__gte=since,  # an old one may be settled now
        settled_at__gte=since,
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
    #: queued, not sent yet
    refunds: int = 0

    def __str__(self) -> str:
        counts = ", ".join(f"{what} {count}" for what, count in self.counts.items())
        return f"Terminal {self.name} is not in NEXI_PAYMENTS['TERMINALS']: {counts}"

    @property
    def is_needed(self) -> bool:
        return bool(self.payments or self.operations or self.contracts or self.refunds)

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
    waiting = QueuedRefund.objects.filter(next_attempt_at__isnull=False)
    queued = _by_missing_terminal(waiting, "order__terminal")
    return [
        MissingTerminal(
            name,
            polled.get(name, 0) + in_doubt.get(name, 0),
            Operation.objects.filter(
                order__terminal=name, outcome__in=enums.RESERVING
            ).count(),
            charged.get(name, 0),
            outages.get(name, 0),
            queued.get(name, 0),
        )
        for name in sorted({*polled, *in_doubt, *charged, *outages, *queued})
    ]


def _by_missing_terminal(rows: Any, column: str = "terminal") -> dict[str, int]:
    configured = {f"{column}__in": conf.current().terminals}
    missing = rows.exclude(**configured).order_by()
    return dict(missing.values_list(column).annotate(Count("pk")))
