"""Whether an operation that Nexi lists belongs to an order of ours. Pure.

Type and amount alone are not enough: an operation of another order, in another
currency, or with an unreadable amount is never matched with one of ours. An absent
member is no mismatch.
"""

from __future__ import annotations

from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import PaymentOrder


def mismatched_member(order: PaymentOrder, operation: OperationResult) -> str:
    """The first member of ``operation`` that does not fit ``order``, by Nexi's name;
    "" if all fit.
    """
    if belongs_to_other_order(order, operation):
        return "orderId"
    if operation.currency and operation.currency != order.currency:
        return "operationCurrency"
    if "amount" in operation.invalid_members:
        return "operationAmount"
    return ""


def belongs_to_other_order(order: PaymentOrder, operation: OperationResult) -> bool:
    return bool(operation.order_id) and operation.order_id != order.order_id
