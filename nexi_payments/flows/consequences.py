"""What follows from the evidence of a look-up, by the state an order is in.

Silence becomes "not charged" only by the rules of docs/states.md: enough good looks,
and time; never after the gateway itself said PENDING.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from nexi_payments import conf, hold, states
from nexi_payments.flows import breaks, evidence, ledger, schedule, verdicts
from nexi_payments.flows.evidence import Evidence
from nexi_payments.flows.ledger import Settlement
from nexi_payments.flows.tally import booked_in_parts, lock, tally
from nexi_payments.gateway.codes import EXECUTED
from nexi_payments.models import Operation, PaymentOrder, database
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.inquiry")


def act(order: PaymentOrder, seen: Evidence, now: datetime) -> None:
    follow = {
        states.AWAITING_3DS: _unfinished,
        states.VALIDATED: _unfinished,
        states.PAYING: _doubtful,
        states.AUTHORIZED: _authorized,
        states.FAILED: _watched,
        states.REVIEW: _reviewed,
    }.get(order.state)
    if follow is not None:
        follow(order, seen, now)


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
        ledger.conclude(order, verdicts.of_charge(order, seen.answer))
        booked(order, seen)
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
    refused = last is not None and verdicts.was_refused(last)
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


def _authorized(order: PaymentOrder, seen: Evidence, now: datetime) -> None:
    if seen.verdict == evidence.CHARGED:
        booked(order, seen)
    elif seen.verdict == evidence.REVERSED:
        ledger.conclude(order, Settlement(states.DONE, states.VOIDED, Reason.LAPSED))
    elif seen.verdict in (evidence.MISMATCH, evidence.TWO):
        two = seen.verdict == evidence.TWO
        kind = Reason.TWO_AUTHORIZATIONS if two else Reason.MISMATCH
        breaks.record(order, kind, "authorized", seen.detail)
    elif now >= order.created_at + timedelta(days=3):
        log.critical(
            "order %s is authorized since %s and not captured: the hold lapses soon",
            order.order_id,
            order.created_at,
        )


def booked(order: PaymentOrder, seen: Evidence) -> None:
    """An authorization that was captured by itself: a row of the ledger for what no
    capture of ours explains, and paid."""
    by_itself = seen.verdict == evidence.CHARGED and seen.answer.result != EXECUTED
    if not by_itself:
        return
    now = timezone.now()

    def write() -> None:
        lock(order)
        amount = seen.captured - booked_in_parts(order)
        charged = order.state in (states.AUTHORIZED, states.PAID, states.REVIEW)
        if not charged or amount <= 0:
            return
        row = Operation.objects.create(
            order=order,
            kind=states.CAPTURE,
            outcome=states.DONE,
            amount=amount,
            correlation_id="",
            created_at=now,
            settled_at=now,
        )
        tally(order, row)

    database.committed(write, order)


def _reviewed(order: PaymentOrder, seen: Evidence, now: datetime) -> None:
    """A person decides about the state; what is known about the money is written down,
    so that it can be given back."""
    if seen.verdict in (evidence.CHARGED, evidence.HELD):
        ledger.conclude(
            order,
            Settlement(
                states.DONE,
                order=facts(order, seen),
                operation=verdicts.of_operation(seen.answer),
            ),
        )
        booked(order, seen)


def facts(order: PaymentOrder, seen: Evidence) -> dict[str, Any]:
    """The columns that go with a charge seen in a look-up."""
    found: dict[str, Any] = {"authorized_amount": order.amount}
    found["captured_amount"] = booked_in_parts(order)
    if seen.verdict == evidence.CHARGED and seen.answer.result == EXECUTED:
        found["captured_amount"] = order.amount
    if seen.answer.operation_id:
        found |= {"gateway_operation_id": seen.answer.operation_id[:64]}
    return found


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
    settlement = verdicts.of_charge(order, seen.answer)
    late = Settlement(
        settlement.outcome,
        settlement.state,
        Reason.LATE_CHARGE,
        order=settlement.order | {"live_reference": order.live_key},
        disagreement=settlement.disagreement,
    )
    try:
        ledger.conclude(order, late)
        booked(order, seen)
        return
    except IntegrityError:
        order.refresh_from_db()  # another attempt holds the reference
    _review(order, Reason.REFERENCE_TAKEN, seen, "reference paid otherwise")


def _review(order: PaymentOrder, reason: str, seen: Evidence, ours: str) -> None:
    """Contradictory evidence: a person decides, and is told."""
    answer = seen.answer
    theirs = " ".join(filter(None, (seen.verdict, answer.result, seen.detail)))
    columns: dict[str, Any] = {}
    if seen.verdict in (evidence.CHARGED, evidence.HELD):
        columns = facts(order, seen)
    elif answer.operation_id and not order.gateway_operation_id:
        columns["gateway_operation_id"] = answer.operation_id[:64]
    ledger.conclude(
        order,
        Settlement(
            states.DONE,
            states.REVIEW,
            reason,
            order=columns,
            operation=verdicts.of_operation(answer) if answer.operation_id else {},
            disagreement=(reason, ours, theirs),
            also=lambda: hold.shred(order),
        ),
    )
    if order.state == states.REVIEW:
        booked(order, seen)
