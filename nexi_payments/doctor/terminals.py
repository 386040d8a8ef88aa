"""Each terminal: its configuration, its environment, and a request to its gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.conf import simulator_file
from nexi_payments.doctor.findings import OK, WARNING, Finding
from nexi_payments.exceptions import GatewayError
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models.bookkeeping import TerminalOutage

#: Seconds that two clocks may differ. The header ``Date`` has no fractions.
MAX_CLOCK_DIFFERENCE: Final = 5.0


def diagnose_terminal(
    terminal: conf.Terminal, *, contact_gateway: bool
) -> Iterator[Finding]:
    """The findings of one terminal. ``contact_gateway`` sends one request, which moves
    no money."""
    section = f"terminal {terminal.name}"
    gateway = terminal.base_url or "the built-in simulator"
    features = [terminal.flow, terminal.capture, *(["MOTO"] if terminal.moto else [])]
    outage = TerminalOutage.objects.filter(terminal=terminal.name).first()
    status, level = "not contacted", OK
    details: list[Finding] = []
    data = {
        "environment": terminal.environment,
        "address": gateway,
        "flow": terminal.flow,
        "capture": terminal.capture,
        "moto": terminal.moto,
        "max_amount": None if terminal.max_amount is None else str(terminal.max_amount),
    }
    if contact_gateway:
        status, level, details = _ping(terminal, section)
    if outage is not None:
        status += f"; no charges since {outage.since:%Y-%m-%d %H:%M}"
        level = WARNING
    yield Finding(
        section,
        f"{section}: {terminal.environment}, {', '.join(features)}, {gateway}:"
        f" {status}",
        level,
        data,
        indent=0,
    )
    yield _gateway_system(terminal, section)
    if terminal.max_amount is not None:
        yield Finding(section, f"at most {terminal.max_amount} per payment")
    yield from details


def simulator(settings: conf.Settings) -> Iterator[Finding]:
    """Where the built-in simulator keeps its orders, if a terminal uses it."""
    if not any(terminal.simulated for terminal in settings.terminals.values()):
        return
    state, level = simulator_file.simulator_state(), OK
    place = state
    if state == simulator_file.MEMORY:
        place = "the memory of each process: no other process finds its payments"
    if simulator_file.lacks_shared_file():
        place, level = f"{place}; set SIMULATOR_STATE to a file", WARNING
    yield Finding(
        "simulator",
        f"simulator: no card is charged; its orders are in {place}",
        level,
        {"state": state},
        indent=0,
    )


def missing_terminals() -> Iterator[Finding]:
    """Terminals that payments name, and the settings lack."""
    for terminal in terminal_outages.missing_terminals():
        section = f"terminal {terminal.name}"
        yield Finding(section, str(terminal), WARNING, terminal.counts, indent=0)


def _gateway_system(terminal: conf.Terminal, section: str) -> Finding:
    """The system that the key is sent to. Nexi has two systems called XPay; the older
    one has no API keys."""
    if terminal.simulated:
        message = "no API key of Nexi is used"
        return Finding(section, message, data={"system": "simulator"})
    host = urlsplit(terminal.base_url).hostname
    environment = terminal.host_environment
    data = {"system": f"NPG {environment}".strip()}
    if environment and environment != terminal.environment:
        message = (
            f"ENVIRONMENT is {terminal.environment}, and {host} is Nexi's {environment}"
        )
        return Finding(section, message, WARNING, data)
    target = f"Nexi's NPG, {environment}" if environment else f"the server at {host}"
    return Finding(section, f"its API key is for {target}", data=data)


def _ping(terminal: conf.Terminal, section: str) -> tuple[str, str, list[Finding]]:
    """``GET /payment_methods``: a status text, the level and further findings."""
    sent_at, started = timezone.now(), time.monotonic()
    try:
        greeting = conf.client(terminal).ping(conf.call_context())
    except GatewayError as error:
        return (
            f"does not answer ({error})",
            WARNING,
            list(_rejected_key_hint(section, error)),
        )
    duration = time.monotonic() - started
    methods = ", ".join(greeting.methods) or "no methods"
    milliseconds = round(duration * 1000)
    data = {"milliseconds": milliseconds, "methods": list(greeting.methods)}
    details = [Finding(section, f"{milliseconds} ms: {methods}", data=data)]
    if greeting.server_time is not None:
        details.append(
            _clock_difference(section, greeting.server_time, sent_at, duration)
        )
    return "answers", OK, details


def _rejected_key_hint(section: str, error: GatewayError) -> Iterator[Finding]:
    if error.status in (401, 403):
        yield Finding(
            section,
            "this API key is unknown there: is it for sandbox or production? for NPG,"
            " or for the older XPay with alias and MAC?",
            WARNING,
        )


def _clock_difference(
    section: str, gateway_time: datetime, sent_at: datetime, duration: float
) -> Finding:
    """The gateway wrote its time between the request and the response, so only a
    difference beyond this interval counts. ``Date`` has whole seconds."""
    behind = (sent_at - gateway_time).total_seconds() - 1
    ahead = (gateway_time - sent_at).total_seconds() - duration
    difference = max(behind, ahead, 0.0)
    return Finding(
        section,
        f"its clock and ours are {difference:.0f} s apart",
        WARNING if difference > MAX_CLOCK_DIFFERENCE else OK,
        {"seconds_apart": round(difference, 1)},
    )
