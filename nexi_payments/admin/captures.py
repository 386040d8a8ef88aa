"""Captures of a payment with the amount left of each, and its saved card.

For the detail page of a payment.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from nexi_payments import money, payment_methods, permissions, terminal_rights
from nexi_payments.admin.amount_field import input_text
from nexi_payments.admin.base import url_in_site
from nexi_payments.flows import Available
from nexi_payments.models import Operation, PaymentOrder


def capture_rows(now: Available) -> list[dict[str, Any]]:
    """Every confirmed capture: time, amount, and amount left to refund."""
    return [
        {
            "when": one.operation.created_at,
            "amount": money.display(one.operation.amount or 0, now.order.currency),
            "left": _("cancelled")
            if one.is_cancelled
            else money.display(one.remaining, now.order.currency),
        }
        for one in now.captures
    ]


def refund_forms(now: Available) -> list[dict[str, Any]]:
    """One form for each capture with an amount left, or one for the payment."""
    if not now.refund:
        return []
    if now.method is not None and now.method.refunds == payment_methods.FULL:
        return _refund_in_full(now, now.refund)
    if not now.effective_captures:
        return [{**amount_form_values(now.order, now.refund), "capture": None}]
    return [
        _capture_form(now.order, one.operation, one.remaining)
        for one in now.effective_captures
        if one.remaining
    ]


def _refund_in_full(now: Available, left: int) -> list[dict[str, Any]]:
    """The only refund of a method that takes no other; none after a partial one."""
    order = now.order
    if left != order.captured_amount or len(now.effective_captures) > 1:
        return []
    form = {**amount_form_values(order, left), "capture": None}
    return [form | {"fixed": money.display(left, order.currency)}]


def cancel_forms(now: Available) -> list[dict[str, Any]]:
    """One form for each capture that can still be cancelled today."""
    return [
        _capture_form(now.order, one.operation, one.cancel)
        for one in now.captures
        if one.cancel and one.is_of_today
    ]


def _capture_form(
    order: PaymentOrder, capture: Operation, minor: int
) -> dict[str, Any]:
    return {
        **amount_form_values(order, minor),
        "capture": capture,
        "captured": money.display(capture.amount or 0, order.currency),
    }


def amount_form_values(order: PaymentOrder, minor: int) -> dict[str, str]:
    """Values for a form, of an amount in minor units.

    ``expected_remaining`` is not localized; ``amount`` is, for the field.
    """
    left = money.to_major(minor, order.currency)
    return {"expected_remaining": str(left), "amount": input_text(left, order.currency)}


def contract_link(
    request: HttpRequest, order: PaymentOrder, site: str
) -> dict[str, Any] | None:
    """The saved card that this payment created, or was charged to."""
    if order.contract is None:
        return None
    address = ""
    viewer = permissions.has_any(request, *permissions.CAN_VIEW_CONTRACTS)
    see = terminal_rights.SEE
    if viewer and terminal_rights.may(request.user, see, order.contract.terminal):
        name = "admin:nexi_payments_contract_change"
        address = url_in_site(site, name, order.contract.pk)
    return {"contract": order.contract, "address": address}
