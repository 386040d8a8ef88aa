"""A payment in parts: its captures, what is left of each, and the card on file behind
it. For the page of one order."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from nexi_payments import mails, money, states
from nexi_payments.admin import access
from nexi_payments.flows import cancelling, postauth
from nexi_payments.models import PaymentOrder


def captures(order: PaymentOrder) -> list[dict[str, Any]]:
    """Every capture that was made: when, how much, what is left to refund of it."""
    made = order.operations.filter(kind=states.CAPTURE, outcome=states.DONE)
    standing = set(postauth.captures(order))
    return [
        {
            "when": one.created_at,
            "amount": mails.amount_in_words(order, one.amount),
            "left": mails.amount_in_words(order, postauth.left_of(one))
            if one in standing
            else _("cancelled"),
        }
        for one in made
    ]


def refundable(order: PaymentOrder) -> list[dict[str, Any]]:
    """One form for each capture that has a rest, or one for the payment."""
    made = postauth.captures(order)
    if not made:
        whole = money.to_major(order.left_to_refund, order.currency)
        return [{"left": whole, "capture": None}]
    return [
        {
            "left": money.to_major(left, order.currency),
            "capture": one,
            "captured": mails.amount_in_words(order, one.amount),
        }
        for one in made
        if (left := postauth.left_of(one))
    ]


def cancellable(order: PaymentOrder) -> list[dict[str, Any]]:
    """One form for each capture that may be rolled back today."""
    return [
        {
            "left": money.to_major(one.amount or 0, order.currency),
            "capture": one,
            "captured": mails.amount_in_words(order, one.amount),
        }
        for one in cancelling.cancellable(order)
    ]


def contract_link(
    request: HttpRequest, order: PaymentOrder, site: str
) -> dict[str, Any] | None:
    """The card on file that this payment has made, or was charged to."""
    if order.contract is None:
        return None
    address = ""
    if access.may(request, *access.CONTRACT_READERS):
        name = "admin:nexi_payments_contract_change"
        address = reverse(name, args=[order.contract.pk], current_app=site)
    return {"contract": order.contract, "address": address}
