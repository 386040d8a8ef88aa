"""What a payment is called where people read it: ``PaymentOrder.display_status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexi_payments import enums
from nexi_payments.enums import DisplayStatus, OrderState

if TYPE_CHECKING:
    from nexi_payments.models.order import PaymentOrder


def of_order(order: PaymentOrder) -> DisplayStatus:
    """The state, or a finer word where its amounts or its reason say more.

    Reads columns only. Money on its way comes before what has happened: a person must
    see that an amount is reserved. A state that a person must decide keeps its name.
    """
    if order.state == OrderState.FAILED:
        if order.is_cancelled:
            return DisplayStatus.CANCELLED
        return enums.STATUS_BY_REASON.get(order.reason, DisplayStatus.FAILED)
    if order.state == OrderState.AWAITING_HOSTED_PAGE and order.gateway_pending:
        return DisplayStatus.WAITING_FOR_CONFIRMATION
    if order.state in enums.SUCCESSFUL:
        return _of_money(order)
    return DisplayStatus(order.state)


def _of_money(order: PaymentOrder) -> DisplayStatus:
    """Of an authorized or paid order. In ``paid``, what is queued is a refund."""
    is_paid = order.state == OrderState.PAID
    if order.refunding_amount or (is_paid and order.queued_amount):
        return DisplayStatus.REFUND_PENDING
    if order.capturing_amount:
        return DisplayStatus.CAPTURE_PENDING
    if not is_paid:
        return DisplayStatus.AUTHORIZED
    if order.refunded_amount:
        return DisplayStatus.PARTIALLY_REFUNDED
    if order.captured_amount < order.amount:
        return DisplayStatus.PARTIALLY_CAPTURED
    return DisplayStatus.PAID
