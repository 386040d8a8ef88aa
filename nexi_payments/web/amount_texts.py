"""Amounts of a payment as a shopper reads them."""

from __future__ import annotations

from nexi_payments import money
from nexi_payments.models import PaymentOrder


def amounts(order: PaymentOrder) -> dict[str, str]:
    """``amount``, and ``charged`` and ``refunded`` if they differ from it, else "".

    As people of the active language write them: "€12.50", "12,50 €".
    """
    charged, refunded = order.captured_amount, order.refunded_amount
    return {
        "amount": money.display_with_symbol(order.amount, order.currency),
        "charged": _if_different(order, charged),
        "refunded": _if_different(order, refunded),
    }


def _if_different(order: PaymentOrder, minor: int) -> str:
    if minor in (0, order.amount):
        return ""
    return money.display_with_symbol(minor, order.currency)
