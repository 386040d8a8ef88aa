"""Asking the gateway about one order, and acting on what it shows.

A look that fails changes nothing but the time of the next one.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from nexi_payments import conf, states
from nexi_payments.exceptions import GatewayError, Refused
from nexi_payments.flows import (
    alarms,
    confirmations,
    consequences,
    evidence,
    moves,
    schedule,
)
from nexi_payments.flows.evidence import Evidence
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.results import OrderResult
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.inquiry")


_SILENCE = Evidence(evidence.NOTHING)
_NO_ORDER = OrderResult()

#: Seconds after a doubtful answer at which we look, while somebody waits.
LOOK_AT = (1.0, 3.0)
#: States in which captures, voids and refunds may be on their way.
_AFTER = (states.AUTHORIZED, states.PAID, states.REVIEW)


@dataclass(frozen=True)
class Look:
    """One look-up: whether it told anything, and what. ``error`` is for the log."""

    good: bool
    evidence: Evidence = _SILENCE
    found: OrderResult = _NO_ORDER
    error: str = ""


def look(
    order: PaymentOrder,
    client: Client,
    deadline: Deadline | None = None,
    *,
    scheduled: bool = False,
) -> Look:
    """One ``GET /orders/{orderId}`` and its consequences. Never raises for the gateway.

    ``scheduled`` looks move the back-off on; those inside a request do not.
    """
    deadline = deadline or Deadline(conf.current().total_timeout)
    seen = see(order, client, deadline)
    order.refresh_from_db()
    now = timezone.now()
    values: dict[str, Any] = {"looks": order.looks + (1 if scheduled else 0)}
    waiting = order.unsettled_since is not None and order.state in _AFTER
    if seen.good and (waiting or seen.evidence.verdict == evidence.NOTHING):
        values["good_looks"] = order.good_looks + 1
    if seen.good and seen.evidence.verdict == evidence.PENDING:
        values["pending_at_nexi"] = True
    situation = schedule.Situation.of(order, **values)
    if order.due_at is not None:
        values["due_at"] = schedule.next_look(situation, now, good=seen.good)
    PaymentOrder.objects.filter(pk=order.pk, state=order.state).update(**values)
    moves.assign(order, values)
    if not seen.good:
        _complain(order, seen, now)
        return seen
    if order.state in _AFTER and order.operations.exists():
        confirmations.confirm(order, seen.found, client, deadline)
    consequences.act(order, seen.evidence, now)
    return seen


def look_while_waiting(order: PaymentOrder, client: Client, deadline: Deadline) -> None:
    """Two looks inside a request; the waiting page and reconcile do the rest."""
    started = time.monotonic()
    for moment in LOOK_AT:
        wait = started + moment - time.monotonic()
        if deadline.remaining <= wait:
            return
        time.sleep(max(wait, 0))
        look(order, client, deadline)
        if order.state != states.PAYING:
            return


def see(order: PaymentOrder, client: Client, deadline: Deadline) -> Look:
    """One look-up, without consequences for the order."""
    try:
        found = client.order(order.order_id, conf.trace(deadline))
    except Refused as error:
        if error.status in (401, 403):
            alarms.raise_for(order.terminal, error.status)
        elif error.status == 404 and alarms.key_works(order.terminal, client, deadline):
            return Look(True)
        return Look(False, error=str(error))
    except GatewayError as error:
        return Look(False, error=str(error))
    mentioned = {found.order_id, *(one.order_id for one in found.operations)}
    if order.order_id not in mentioned:
        return Look(False, error="answer without our order id")
    return Look(True, evidence.of_lookup(order, found), found)


def _complain(order: PaymentOrder, seen: Look, now: datetime) -> None:
    settled = schedule.settle_at(order)
    level = logging.WARNING
    if order.state == states.PAYING and settled and now >= settled:
        level = logging.CRITICAL  # a charge in doubt that nobody can ask about
    log.log(level, "no answer about order %s: %s", order.order_id, seen.error)
