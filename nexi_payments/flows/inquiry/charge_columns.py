"""The columns of an order that a response fills in about its charge."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from nexi_payments import conf, enums, payment_methods
from nexi_payments.flows.inquiry.reading import Reading, Verdict
from nexi_payments.flows.ledger import poll_schedule
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import PaymentOrder

#: "***4549"
_LAST4: Final = re.compile(r"[^0-9]([0-9]{4})$", re.ASCII)


def of_reading(
    order: PaymentOrder, reading: Reading, asked_at: datetime
) -> dict[str, Any]:
    """The order's columns about its charge."""
    columns: dict[str, Any] = {}
    charge = reading.charge
    if order.is_hosted:
        # the payment service is deciding, or has decided
        columns["gateway_pending"] = charge.verdict is Verdict.PENDING
    elif charge.verdict is Verdict.PENDING and _pending_is_stable(order, asked_at):
        columns["gateway_pending"] = True
    if charge.entry is None:
        return columns
    # on the hosted page each try has an id of its own: only a success is ours
    is_ours = not order.is_hosted or charge.verdict is Verdict.CHARGED
    if charge.entry.id and is_ours and not order.gateway_operation_id:
        columns["gateway_operation_id"] = charge.entry.id
    if order.is_hosted and charge.verdict is Verdict.CHARGED:
        columns |= _instrument_columns(charge.entry.source)
        if order.method == payment_methods.LINK:
            columns["method"] = _chosen_method(charge.entry.source)
    if charge.entry.source.response_code:
        columns["response_code"] = charge.entry.source.response_code
    return columns


def _instrument_columns(source: OperationResult) -> dict[str, Any]:
    """What the shopper paid with on the hosted page, as far as Nexi shows it."""
    columns = {"card_brand": source.brand[:16]} if source.brand else {}
    if found := _LAST4.search(source.instrument):
        columns["card_last4"] = found[1]
    return columns


def _chosen_method(source: OperationResult) -> str:
    """What the customer chose on a payment link of Nexi's."""
    if source.payment_method != "APM":
        return payment_methods.CARDS
    found = payment_methods.find(source.brand, conf.current().method_overrides)
    return (source.brand[:32] or payment_methods.LINK) if found is None else found.code


def _pending_is_stable(order: PaymentOrder, asked_at: datetime) -> bool:
    """Whether PENDING is about the charge. In three steps, Nexi's list may lag: 3DS
    was PENDING, too, a moment before.
    """
    if order.channel in enums.SINGLE_CALL or order.charging_since is None:
        return True
    return asked_at >= order.charging_since + poll_schedule.scaled_minutes(1)
