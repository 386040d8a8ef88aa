"""Applies a status inquiry's result to the order, by the state it is in.

No trace of a charge becomes "not charged" only by the rules of docs/states.md: enough
answered inquiries and enough time, and never after Nexi said PENDING.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError

from nexi_payments import conf
from nexi_payments.enums import DiscrepancyKind, OperationOutcome, OrderState, Reason
from nexi_payments.flows.inquiry import adoption, evidence
from nexi_payments.flows.inquiry.evidence import ChargeStatus
from nexi_payments.flows.ledger import (
    discrepancies,
    operations,
    outcomes,
    poll_schedule,
)
from nexi_payments.flows.ledger.operations import OperationUpdate
from nexi_payments.flows.ledger.totals import captures_total
from nexi_payments.gateway.result_codes import EXECUTED
from nexi_payments.models import Operation, PaymentOrder

log = logging.getLogger("nexi_payments.inquiry")


def apply(order: PaymentOrder, status: ChargeStatus, now: datetime) -> None:
    """Changes the order where ``status`` calls for it. Idempotent."""
    by_state: dict[str, Callable[[PaymentOrder, ChargeStatus, datetime], None]] = {
        OrderState.AWAITING_3DS: _apply_unfinished,
        OrderState.VALIDATED: _apply_unfinished,
        OrderState.PAYING: _apply_paying,
        OrderState.AUTHORIZED: _apply_authorized,
        OrderState.FAILED: _apply_failed,
        OrderState.REVIEW: _apply_review,
    }
    if follow := by_state.get(order.state):
        follow(order, status, now)


def _apply_unfinished(order: PaymentOrder, status: ChargeStatus, now: datetime) -> None:
    """At the issuer, or in the middle of a return: no charge was sent yet."""
    claimed = order.claimed_at is not None
    end = order.claimed_at + _claim_timeout() if order.claimed_at else order.expires_at
    if now < end:
        return  # its request may still run, or the shopper is still at the issuer
    if status.verdict in (evidence.NO_CHARGE, evidence.DECLINED, evidence.PENDING):
        reason = Reason.ABANDONED if claimed else Reason.EXPIRED
        fail_unfinished(order, reason)
    elif status.verdict != evidence.UNKNOWN:
        _move_to_review(order, Reason.UNEXPECTED_CHARGE, status, "nothing sent")


def fail_unfinished(order: PaymentOrder, reason: str) -> bool:
    """Fails an attempt in which no charge was sent, and shreds its sealed card."""
    return operations.settle_order(
        order,
        OperationUpdate(
            OperationOutcome.IN_DOUBT,
            OrderState.FAILED,
            reason,
            shreds_card=True,
        ),
    )


def fail_unauthenticated(order: PaymentOrder, status: ChargeStatus) -> None:
    """Fails an order that came back from 3-D Secure without a result."""
    if status.verdict in (evidence.NO_CHARGE, evidence.DECLINED, evidence.PENDING):
        fail_unfinished(order, Reason.NOT_AUTHENTICATED)
    elif status.verdict != evidence.UNKNOWN:
        _move_to_review(order, Reason.UNEXPECTED_CHARGE, status, "nothing sent")


def _claim_timeout() -> timedelta:
    return timedelta(seconds=conf.current().claim_timeout)


def _apply_paying(order: PaymentOrder, status: ChargeStatus, now: datetime) -> None:
    """``paying``: the charge was sent, or may have been sent."""
    if status.verdict == evidence.NO_CHARGE:
        _apply_no_charge(order, now)
    elif status.verdict == evidence.PENDING:
        _apply_pending(order, now)
    elif status.verdict in (evidence.CHARGED, evidence.AUTHORIZED):
        operations.settle_order(order, outcomes.of_charge(order, status.answer))
        adopt_automatic_capture(order, status)
    elif status.verdict == evidence.DECLINED:
        operations.settle_order(order, outcomes.of_charge(order, status.answer))
    elif status.verdict == evidence.UNKNOWN:
        discrepancies.record(
            order, DiscrepancyKind.UNKNOWN_RESULT, "payment", status.detail
        )
    elif status.verdict == evidence.NO_DETAILS:
        _move_to_review(order, Reason.NO_DETAILS, status, "amount and currency")
    elif status.verdict == evidence.TWO_AUTHORIZATIONS:
        _move_to_review(order, Reason.TWO_AUTHORIZATIONS, status, "one authorization")
    else:
        _move_to_review(order, Reason.MISMATCH, status, "our amount and currency")


def _apply_no_charge(order: PaymentOrder, now: datetime) -> None:
    if order.gateway_pending:
        return _apply_pending(order, now)
    last = Operation.objects.filter(unsettled_order_id=order.pk).first()
    rejected = last is not None and outcomes.was_rejected(last)
    if rejected and order.answered_polls >= poll_schedule.ENOUGH_AFTER_REJECTION:
        reason = Reason.REJECTED
        if last is not None and last.http_status == 429:
            reason = Reason.BUSY
        operations.settle_order(
            order, OperationUpdate(OperationOutcome.REJECTED, OrderState.FAILED, reason)
        )
        return None
    settled = poll_schedule.settle_at(order)
    settling = settled is not None and now >= settled
    if settling and order.answered_polls >= poll_schedule.ENOUGH_ANSWERED_POLLS:
        operations.settle_order(
            order,
            OperationUpdate(
                OperationOutcome.DECLINED, OrderState.FAILED, Reason.UNCONFIRMED
            ),
        )
    return None


def _apply_pending(order: PaymentOrder, now: datetime) -> None:
    """Nexi said PENDING: time alone never fails it. A person decides at the watch's
    end.
    """
    end = poll_schedule.watch_end(order)
    if end is not None and now >= end:
        _move_to_review(
            order, Reason.STILL_PENDING, ChargeStatus(evidence.PENDING), "an end"
        )


def _apply_authorized(order: PaymentOrder, status: ChargeStatus, now: datetime) -> None:
    if status.verdict == evidence.CHARGED:
        adopt_automatic_capture(order, status)
    elif status.verdict == evidence.REVERSED:
        operations.settle_order(
            order,
            OperationUpdate(OperationOutcome.DONE, OrderState.VOIDED, Reason.LAPSED),
        )
    elif status.verdict in (evidence.MISMATCH, evidence.TWO_AUTHORIZATIONS):
        two = status.verdict == evidence.TWO_AUTHORIZATIONS
        kind = Reason.TWO_AUTHORIZATIONS if two else Reason.MISMATCH
        discrepancies.record(order, kind, "authorized", status.detail)
    elif now >= order.created_at + timedelta(days=3):
        log.critical(
            "order %s is authorized since %s and not captured: the authorization"
            " lapses soon",
            order.order_id,
            order.created_at,
        )


def adopt_automatic_capture(order: PaymentOrder, status: ChargeStatus) -> None:
    """Adopts a capture that Nexi made without a request of ours.

    A payment that was charged and captured at once needs no row.
    """
    at_once = status.answer.result == EXECUTED and order.state != OrderState.AUTHORIZED
    if status.verdict == evidence.CHARGED and not at_once:
        adoption.adopt_captured_total(order, status.captured)


def _apply_review(order: PaymentOrder, status: ChargeStatus, now: datetime) -> None:
    """Records the amounts of a review, so that they can be refunded. A person decides
    its state.
    """
    if status.verdict in (evidence.CHARGED, evidence.AUTHORIZED):
        operations.settle_order(
            order,
            OperationUpdate(
                OperationOutcome.DONE,
                order=charge_columns(order, status),
                operation=outcomes.operation_columns(status.answer),
            ),
        )
        adopt_automatic_capture(order, status)


def charge_columns(order: PaymentOrder, status: ChargeStatus) -> dict[str, Any]:
    """The order's columns for a charge that a status inquiry shows."""
    columns: dict[str, Any] = {"authorized_amount": order.amount}
    columns["captured_amount"] = captures_total(order)
    if status.answer.result == EXECUTED:  # all of it at once, as in totals
        columns["captured_amount"] = order.amount
    if status.answer.operation_id:
        columns["gateway_operation_id"] = status.answer.operation_id[:64]
    return columns


def _apply_failed(order: PaymentOrder, status: ChargeStatus, now: datetime) -> None:
    """``failed``, watched: a late charge makes it paid, or a case for review."""
    if status.verdict in (evidence.NO_CHARGE, evidence.DECLINED, evidence.PENDING):
        return
    if status.verdict == evidence.UNKNOWN:
        discrepancies.record(
            order, DiscrepancyKind.UNKNOWN_RESULT, "failed", status.detail
        )
        return
    if status.verdict not in (evidence.CHARGED, evidence.AUTHORIZED):
        _move_to_review(order, Reason.LATE_CHARGE, status, "failed")
        return
    if order.reason in (Reason.DECLINED, Reason.NOT_AUTHENTICATED):
        _move_to_review(order, Reason.CHARGED_AFTER_DECLINE, status, order.reason)
        return
    update = outcomes.of_charge(order, status.answer)
    late = OperationUpdate(
        update.outcome,
        update.state,
        Reason.LATE_CHARGE,
        order=update.order | {"live_reference": order.live_key},
        discrepancy=update.discrepancy,
    )
    try:
        operations.settle_order(order, late)
        adopt_automatic_capture(order, status)
        return
    except IntegrityError:
        order.refresh_from_db()  # another attempt holds the reference
    _move_to_review(order, Reason.REFERENCE_TAKEN, status, "reference paid otherwise")


def _move_to_review(
    order: PaymentOrder, reason: str, status: ChargeStatus, ours: str
) -> None:
    """Contradictory results: a person decides. Records a discrepancy."""
    answer = status.answer
    theirs = " ".join(filter(None, (status.verdict, answer.result, status.detail)))
    columns: dict[str, Any] = {}
    if status.verdict in (evidence.CHARGED, evidence.AUTHORIZED):
        columns = charge_columns(order, status)
    elif answer.operation_id and not order.gateway_operation_id:
        columns["gateway_operation_id"] = answer.operation_id[:64]
    operations.settle_order(
        order,
        OperationUpdate(
            OperationOutcome.DONE,
            OrderState.REVIEW,
            reason,
            order=columns,
            operation=outcomes.operation_columns(answer) if answer.operation_id else {},
            discrepancy=(reason, ours, theirs),
            shreds_card=True,
        ),
    )
    if order.state == OrderState.REVIEW:
        adopt_automatic_capture(order, status)
