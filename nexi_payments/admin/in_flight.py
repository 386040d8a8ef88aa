"""What is on its way at Nexi: since when, how it stands, and what happens next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import date_texts, enums, money
from nexi_payments.admin import method_texts, staff_texts
from nexi_payments.flows import operation_review
from nexi_payments.flows.inquiry.reading.absence import MAX_SENDS
from nexi_payments.models import Operation, PaymentOrder

MADE_AT_NEXI: Final = _("made at Nexi, not here")
BY_TOTALS: Final = _("known from Nexi's total only")

_CONFIRMED_LATER: Final = _(
    "Nexi knows it, and has not finished it. We ask until it has."
)
_SENT_AGAIN: Final = _(
    "If Nexi still does not show it, it is sent once more. Nexi executes it once."
)
_GIVEN_UP: Final = _(
    "If Nexi does not show it in repeated questions, it counts as not executed."
)


@dataclass(frozen=True)
class InFlight:
    """One operation without an outcome. ``may_be_decided``: by a person."""

    operation: Operation
    title: str
    origin: Any
    state: Any
    next_step: Any
    may_be_decided: bool


def origin(operation: Operation) -> Any:
    """Where an operation comes from, if it is not from us; "" if it is."""
    if operation.by_totals:
        return BY_TOTALS
    return MADE_AT_NEXI if operation.is_adopted else ""


def title(operation: Operation, order: PaymentOrder) -> str:
    """``"refund 3.00 EUR"``"""
    kind = operation.get_kind_display()
    if operation.amount is None:
        return kind
    return f"{kind} {money.display(operation.amount, order.currency)}"


def operations(order: PaymentOrder) -> list[InFlight]:
    """The operations of the order that are on their way, oldest first."""
    rows = order.operations.filter(outcome__in=enums.RESERVING, amount__isnull=False)
    return [describe(row, order) for row in rows.order_by("pk")]


def describe(operation: Operation, order: PaymentOrder) -> InFlight:
    return InFlight(
        operation,
        title(operation, order),
        origin(operation),
        method_texts.outcome_label(operation),
        _next_step(operation, order),
        operation_review.may_be_decided(operation),
    )


def next_question(order: PaymentOrder) -> Any:
    """When Nexi is asked again; "" if it is not."""
    due = order.next_poll_at
    if due is None:
        return ""
    if due <= timezone.now():
        return _("Nexi is asked again in a moment.")
    return _("Nexi is asked again: %(when)s") % {"when": date_texts.moment(due)}


def _next_step(operation: Operation, order: PaymentOrder) -> Any:
    if method_texts.is_open_page(operation):
        return method_texts.page_advice(order)
    if operation.kind in enums.CHARGING:
        return staff_texts.OUTCOME_UNKNOWN.do
    if operation.gateway_operation_id or operation.is_adopted:
        return _CONFIRMED_LATER
    if operation.kind in enums.IDEMPOTENT and operation.send_count < MAX_SENDS:
        return _SENT_AGAIN
    return _GIVEN_UP
