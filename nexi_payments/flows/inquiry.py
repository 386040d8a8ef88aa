"""Asking the gateway about one order, and acting on what it shows.

A look that fails changes nothing but the time of the next one. Silence becomes "not
charged" only by the rules of docs/states.md: enough good looks, and time; never after
the gateway itself said PENDING.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from nexi_payments import conf, hold, states
from nexi_payments.exceptions import GatewayError, Refused
from nexi_payments.flows import (
    alarms,
    breaks,
    evidence,
    ledger,
    moves,
    schedule,
    verdicts,
)
from nexi_payments.flows.evidence import Evidence
from nexi_payments.flows.ledger import Settlement
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.inquiry")


_SILENCE = Evidence(evidence.NOTHING)


@dataclass(frozen=True)
class Look:
    """One look-up: whether it told anything, and what. ``error`` is for the log."""

    good: bool
    evidence: Evidence = _SILENCE
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
    seen = _see(order, client, deadline or Deadline(conf.current().total_timeout))
    order.refresh_from_db()
    now = timezone.now()
    values: dict[str, Any] = {"looks": order.looks + (1 if scheduled else 0)}
    if seen.good and seen.evidence.verdict == evidence.NOTHING:
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
    _act(order, seen.evidence, now)
    return seen


def _see(order: PaymentOrder, client: Client, deadline: Deadline) -> Look:
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
    return Look(True, evidence.of_lookup(order, found))


def _complain(order: PaymentOrder, seen: Look, now: datetime) -> None:
    settled = schedule.settle_at(order)
    level = logging.WARNING
    if order.state == states.PAYING and settled and now >= settled:
        level = logging.CRITICAL  # a charge in doubt that nobody can ask about
    log.log(level, "no answer about order %s: %s", order.order_id, seen.error)


def _act(order: PaymentOrder, seen: Evidence, now: datetime) -> None:
    act = {
        states.AWAITING_3DS: _unfinished,
        states.VALIDATED: _unfinished,
        states.PAYING: _doubtful,
        states.AUTHORIZED: _authorized,
        states.FAILED: _watched,
    }.get(order.state)
    if act is not None:
        act(order, seen, now)


def _unfinished(order: PaymentOrder, seen: Evidence, now: datetime) -> None:
    """Left at the issuer, or in the middle of a return: no charge was ever sent."""
    claimed = order.claimed_at is not None
    over = order.claimed_at + _claim_time() if order.claimed_at else order.expires_at
    if now < over:
        return  # its request may still be running, or the shopper still typing
    if seen.verdict in (evidence.NOTHING, evidence.DECLINED, evidence.PENDING):
        reason = Reason.ABANDONED if claimed else Reason.EXPIRED
        fail_unfinished(order, reason)
    elif seen.verdict != evidence.UNKNOWN:
        _review(order, Reason.UNEXPECTED_CHARGE, seen, "nothing sent")


def fail_unfinished(order: PaymentOrder, reason: str) -> bool:
    """Ends an attempt in which no charge was sent, and shreds its card."""
    return ledger.conclude(
        order,
        Settlement(
            states.IN_DOUBT,
            states.FAILED,
            reason,
            also=lambda: hold.shred(order),
        ),
    )


def end_unauthenticated(order: PaymentOrder, seen: Evidence) -> None:
    """The issuer sent the browser back without its word: nothing will be charged."""
    if seen.verdict in (evidence.NOTHING, evidence.DECLINED, evidence.PENDING):
        fail_unfinished(order, Reason.NOT_AUTHENTICATED)
    elif seen.verdict != evidence.UNKNOWN:
        _review(order, Reason.UNEXPECTED_CHARGE, seen, "nothing sent")


def _claim_time() -> timedelta:
    return timedelta(seconds=conf.current().claim_deadline)


def _doubtful(order: PaymentOrder, seen: Evidence, now: datetime) -> None:
    """``paying``: the charge left, or may have left."""
    if seen.verdict == evidence.NOTHING:
        _silence(order, now)
    elif seen.verdict == evidence.PENDING:
        _still_pending(order, now)
    elif seen.verdict in (evidence.CHARGED, evidence.HELD):
        ledger.conclude(order, _found(order, seen))
    elif seen.verdict == evidence.DECLINED:
        ledger.conclude(order, verdicts.of_charge(order, seen.answer))
    elif seen.verdict == evidence.UNKNOWN:
        breaks.record(order, "unknown_result", "payment", seen.detail)
    elif seen.verdict == evidence.NO_DETAILS:
        _review(order, Reason.NO_DETAILS, seen, "amount and currency")
    elif seen.verdict == evidence.TWO:
        _review(order, Reason.TWO_AUTHORIZATIONS, seen, "one authorization")
    else:
        _review(order, Reason.MISMATCH, seen, "our amount and currency")


def _silence(order: PaymentOrder, now: datetime) -> None:
    if order.pending_at_nexi:
        return _still_pending(order, now)
    last = Operation.objects.filter(open_slot=order.pk).first()
    refused = last is not None and last.error.startswith(Refused.__name__)
    if refused and order.good_looks >= schedule.ENOUGH_AFTER_REFUSAL:
        reason = Reason.REFUSED
        if last is not None and last.http_status == 429:
            reason = Reason.BUSY
        ledger.conclude(order, Settlement(states.DECLINED, states.FAILED, reason))
        return None
    settled = schedule.settle_at(order)
    patient = settled is not None and now >= settled
    if patient and order.good_looks >= schedule.ENOUGH_LOOKS:
        ledger.conclude(
            order, Settlement(states.DECLINED, states.FAILED, Reason.UNCONFIRMED)
        )
    return None


def _still_pending(order: PaymentOrder, now: datetime) -> None:
    """Nexi said PENDING: never failed by time alone; in the end a person decides."""
    end = schedule.watch_end(order)
    if end is not None and now >= end:
        _review(order, Reason.STILL_PENDING, Evidence(evidence.PENDING), "an end")


def _found(order: PaymentOrder, seen: Evidence) -> Settlement:
    """A charge that a look-up shows: paid with what was captured, or authorized."""
    settlement = verdicts.of_charge(order, seen.answer)
    if seen.verdict == evidence.CHARGED:
        booked = {"authorized_amount": order.amount, "captured_amount": seen.captured}
        return Settlement(
            states.DONE,
            states.PAID,
            order=settlement.order | booked,
            operation=settlement.operation,
            disagreement=settlement.disagreement,
        )
    return settlement


def _authorized(order: PaymentOrder, seen: Evidence, now: datetime) -> None:
    if seen.verdict == evidence.CHARGED:
        changes = {"captured_amount": seen.captured}
        ledger.conclude(order, Settlement(states.DONE, states.PAID, order=changes))
    elif seen.verdict == evidence.REVERSED:
        ledger.conclude(order, Settlement(states.DONE, states.VOIDED, Reason.LAPSED))
    elif seen.verdict in (evidence.MISMATCH, evidence.TWO):
        breaks.record(order, seen.verdict, "authorized", seen.detail)
    elif now >= order.created_at + timedelta(days=3):
        log.critical(
            "order %s is authorized since %s and not captured: the hold lapses soon",
            order.order_id,
            order.created_at,
        )


def _watched(order: PaymentOrder, seen: Evidence, now: datetime) -> None:
    """``failed``, watched: late money makes it paid, or a case for a person."""
    if seen.verdict in (evidence.NOTHING, evidence.DECLINED, evidence.PENDING):
        return
    if seen.verdict == evidence.UNKNOWN:
        breaks.record(order, "unknown_result", "failed", seen.detail)
        return
    if seen.verdict not in (evidence.CHARGED, evidence.HELD):
        _review(order, Reason.LATE_CHARGE, seen, "failed")
        return
    if order.reason in (Reason.DECLINED, Reason.NOT_AUTHENTICATED):
        _review(order, Reason.CHARGED_AFTER_DECLINE, seen, order.reason)
        return
    settlement = _found(order, seen)
    late = Settlement(
        settlement.outcome,
        settlement.state,
        Reason.LATE_CHARGE,
        order=settlement.order | {"live_reference": order.live_key},
        disagreement=settlement.disagreement,
    )
    try:
        ledger.conclude(order, late)
        return
    except IntegrityError:
        order.refresh_from_db()  # another attempt holds the reference
    _review(order, Reason.REFERENCE_TAKEN, seen, "reference paid otherwise")


def _review(order: PaymentOrder, reason: str, seen: Evidence, ours: str) -> None:
    """Contradictory evidence: a person decides, and is told."""
    answer = seen.answer
    theirs = " ".join(filter(None, (seen.verdict, answer.result, seen.detail)))
    facts = {}
    if answer.operation_id and not order.gateway_operation_id:
        facts["gateway_operation_id"] = answer.operation_id[:64]
    ledger.conclude(
        order,
        Settlement(
            states.DONE,
            states.REVIEW,
            reason,
            order=facts,
            operation=verdicts.of_operation(answer) if answer.operation_id else {},
            disagreement=(reason, ours, theirs),
            also=lambda: hold.shred(order),
        ),
    )
