"""Timeline of a payment: its operations and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from nexi_payments import money
from nexi_payments.admin import (
    approval_texts,
    customer_info_texts,
    discrepancy_texts,
    in_flight,
    method_texts,
    response_code_texts,
)
from nexi_payments.enums import ApprovalFailure, EventKind, RefundFailure
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.models.hosted_page import HostedPage
from nexi_payments.signals import SIGNAL_BY_EVENT_KIND

#: Words of ours in ``Operation.error``; the others are the gateway's.
_ERROR_TEXTS: Final = {
    "resolved": EventKind.DECIDED.label,
    "unconfirmed": _("Nexi does not show it"),
}


@dataclass
class TimelineEntry:
    """One entry of the timeline: an operation or an event."""

    at: datetime
    title: Any
    tone: str = ""
    amount: str = ""
    actor: str = ""
    address: str = ""
    details: list[Any] = field(default_factory=list)
    ids: list[tuple[Any, str]] = field(default_factory=list)
    #: primary key of the event whose signal may be sent again
    event_id: int | None = None


def timeline(order: PaymentOrder) -> list[TimelineEntry]:
    """Operations and events of the order, oldest first."""
    entries = [
        TimelineEntry(
            at=one.created_at,
            title=one.get_kind_display(),
            tone=one.outcome,
            amount=""
            if one.amount is None
            else money.display(one.amount, order.currency),
            actor=one.actor_name or str(one.actor or ""),
            address=one.address or "",
            details=[
                in_flight.origin(one),
                method_texts.outcome_label(one),
                one.result,
                _response_code_text(one.response_code),
                _ERROR_TEXTS.get(one.error, one.error),
                *map(customer_info_texts.warning_text, one.warnings.split()),
            ],
            ids=[
                (_("correlation id"), one.correlation_id),
                (_("Nexi's operation"), one.gateway_operation_id),
                (_("authorization code"), one.authorization_code),
                (_("RRN"), one.rrn),
                (_("Nexi's trace"), one.cid),
                (_("request id"), one.request_id),
                (_("idempotency key"), one.idempotency_key),
            ],
        )
        for one in order.operations.select_related("actor")
    ]
    labels = dict(order._meta.get_field("state").choices or [])
    for event in order.events.select_related(
        "actor", "operation", "successor", "approval"
    ):
        if event.from_state != event.to_state:
            title: Any = f"{labels[event.from_state]} → {labels[event.to_state]}"
        else:
            title = event.get_kind_display()
        entries.append(
            TimelineEntry(
                at=event.created_at,
                title=title,
                tone="event",
                actor=event.actor_name or str(event.actor or ""),
                address=event.address or "",
                details=[
                    _decided_operation(event, order),
                    approval_texts.event_text(event, order),
                    _method(event, order),
                    _successor(event),
                    _reason_text(event),
                    event.note,
                    _delivery_status(event),
                ],
                event_id=event.pk if event.kind in SIGNAL_BY_EVENT_KIND else None,
            )
        )
    entries += _returns(order)
    entries.sort(key=lambda one: one.at)
    for one in entries:
        one.details = [word for word in one.details if word]
        one.ids = [(word, value) for word, value in one.ids if value]
    return entries


def _returns(order: PaymentOrder) -> list[TimelineEntry]:
    """The first return from Nexi's page. It proves nothing: Nexi is asked then."""
    if not order.is_hosted:
        return []
    page = HostedPage.objects.filter(order=order, back_at__isnull=False).first()
    if page is None or page.back_at is None:
        return []
    return [TimelineEntry(page.back_at, _("back from Nexi's page"), "event")]


def _method(event: Event, order: PaymentOrder) -> Any:
    """Which method the shopper chose."""
    if event.kind != EventKind.AWAITING_HOSTED_PAGE:
        return ""
    return method_texts.method_label(order.method)


def _decided_operation(event: Event, order: PaymentOrder) -> str:
    if event.kind != EventKind.DECIDED or event.operation is None:
        return ""
    return in_flight.title(event.operation, order)


def _successor(event: Event) -> Any:
    """The attempt that took its place; it may be archived since."""
    if event.successor_id is None or event.successor is None:
        return ""
    return _("replaced by %(order)s") % {"order": event.successor.order_id}


def _reason_text(event: Event) -> Any:
    if event.approval_id is not None:
        return dict(ApprovalFailure.choices).get(event.reason, "")
    if event.kind == EventKind.REFUND_FAILED:
        return dict(RefundFailure.choices).get(event.reason, event.reason)
    return discrepancy_texts.what_happened(event.reason) or event.reason


def _delivery_status(event: Event) -> Any:
    if event.deliver_at is None or not event.attempts:
        return ""
    return _("not delivered to the shop yet (attempts: %(count)s)") % {
        "count": event.attempts
    }


def _response_code_text(code: str) -> str:
    text = response_code_texts.response_code_text(code)
    return f"{code}: {text}" if code else ""
