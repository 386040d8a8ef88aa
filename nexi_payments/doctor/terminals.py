"""Each terminal: what it may do, whose key it has, and whether its gateway knows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.doctor.findings import LOOK, WELL, Finding
from nexi_payments.exceptions import GatewayError
from nexi_payments.models import TerminalAlarm

#: Nexi's own hosts, all of NPG.
HOSTS: Final = {
    "xpay.nexigroup.com": conf.PRODUCTION,
    "xpaysandbox.nexigroup.com": conf.SANDBOX,
    "stg-ta.nexigroup.com": conf.SANDBOX,
}
#: Seconds that two clocks may differ; the header ``Date`` has no fractions.
APART: Final = 5.0


def look_at(terminal: conf.Terminal, *, ask: bool) -> Iterator[Finding]:
    part = f"terminal {terminal.name}"
    where = terminal.base_url or "the built-in simulator"
    kinds = [terminal.flow, terminal.capture, *(["MOTO"] if terminal.moto else [])]
    alarm = TerminalAlarm.objects.filter(terminal=terminal.name).first()
    answer, level = "not asked", WELL
    details: list[Finding] = []
    facts = {
        "environment": terminal.environment,
        "address": where,
        "flow": terminal.flow,
        "capture": terminal.capture,
        "moto": terminal.moto,
        "max_amount": None if terminal.max_amount is None else str(terminal.max_amount),
    }
    if ask:
        answer, level, details = _asked(terminal, part)
    if alarm is not None:
        answer += f"; takes no charges since {alarm.since:%Y-%m-%d %H:%M}"
        level = LOOK
    yield Finding(
        part,
        f"{part}: {terminal.environment}, {', '.join(kinds)}, {where}: {answer}",
        level,
        facts,
        depth=0,
    )
    yield _system(terminal, part)
    if terminal.max_amount is not None:
        yield Finding(part, f"at most {terminal.max_amount} a payment")
    yield from details


def _system(terminal: conf.Terminal, part: str) -> Finding:
    """Whose key it is. Nexi has two systems called XPay; the other one has no key."""
    host = urlsplit(terminal.base_url).hostname or ""
    if terminal.simulated:
        return Finding(part, "no key of Nexi is used", facts={"system": "simulator"})
    theirs = HOSTS.get(host, "")
    if theirs and theirs != terminal.environment:
        says = f"ENVIRONMENT is {terminal.environment}, and {host} is Nexi's {theirs}"
        return Finding(part, says, LOOK, {"system": f"NPG {theirs}"})
    whose = f"Nexi's NPG, {theirs}" if theirs else f"whatever answers at {host}"
    return Finding(
        part, f"its key is for {whose}", facts={"system": f"NPG {theirs}".strip()}
    )


def _asked(terminal: conf.Terminal, part: str) -> tuple[str, str, list[Finding]]:
    """``GET /payment_methods``: what to say, how well it is, further lines."""
    sent, started = timezone.now(), time.monotonic()
    try:
        greeting = conf.client(terminal).greet(conf.trace())
    except GatewayError as error:
        return f"does not answer ({error})", LOOK, list(_why(part, error))
    took = time.monotonic() - started
    known = ", ".join(greeting.methods) or "no methods"
    facts = {"milliseconds": round(took * 1000), "methods": list(greeting.methods)}
    details = [Finding(part, f"{took * 1000:.0f} ms: {known}", facts=facts)]
    if greeting.clock is not None:
        details.append(_clock(part, greeting.clock, sent, took))
    return "answers", WELL, details


def _why(part: str, error: GatewayError) -> Iterator[Finding]:
    if error.status in (401, 403):
        yield Finding(
            part,
            "this key is not known here: sandbox or production? NPG, or the older XPay"
            " with alias and MAC?",
            LOOK,
        )


def _clock(part: str, theirs: datetime, sent: datetime, took: float) -> Finding:
    """Theirs was written between our question and its answer."""
    early = (sent - theirs).total_seconds() - 1
    late = (theirs - sent).total_seconds() - took
    apart = max(early, late, 0.0)
    says = f"its clock and ours are {apart:.0f} s apart"
    return Finding(
        part, says, LOOK if apart > APART else WELL, {"seconds_apart": round(apart, 1)}
    )
