"""Ends attempts in which no charge was sent, when their time is over."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.enums import OperationOutcome, OrderState, Reason
from nexi_payments.flows.inquiry.reading import Reading, Verdict
from nexi_payments.flows.ledger import operations
from nexi_payments.flows.ledger.operations import OperationUpdate
from nexi_payments.models import PaymentOrder


def end_if_over(order: PaymentOrder, reading: Reading) -> None:
    """Fails an attempt whose shopper did not come back, or whose return died."""
    if order.state not in (OrderState.AWAITING_3DS, OrderState.VALIDATED):
        return
    end = order.expires_at
    if order.claimed_at is not None:
        end = order.claimed_at + timedelta(seconds=conf.current().claim_timeout)
    if timezone.now() < end or not _is_uncharged(reading):
        return  # the shopper is still at the issuer, or the request may still run
    fail(order, Reason.ABANDONED if order.is_claimed else Reason.EXPIRED)


def fail_unauthenticated(order: PaymentOrder, reading: Reading) -> None:
    """Fails an order that came back from 3-D Secure without a result."""
    if order.state == OrderState.AWAITING_3DS and _is_uncharged(reading):
        fail(order, Reason.NOT_AUTHENTICATED)


def fail(order: PaymentOrder, reason: str) -> bool:
    """Fails an attempt in which no charge was sent, and shreds its sealed card. False
    when another process changed it first.
    """
    return operations.settle_order(
        order,
        OperationUpdate(
            OperationOutcome.IN_DOUBT, OrderState.FAILED, reason, shreds_card=True
        ),
    )


def _is_uncharged(reading: Reading) -> bool:
    return reading.charge.verdict in (
        Verdict.NO_CHARGE,
        Verdict.DECLINED,
        Verdict.PENDING,
    )
