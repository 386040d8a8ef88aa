"""Timeline of a payment: its operations and events, as sentences with raw facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from nexi_payments import enums
from nexi_payments.admin import customer_info_texts, reason_texts, timeline_sentences
from nexi_payments.enums import EventKind, OperationKind
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.models.hosted_page import HostedPage
from nexi_payments.signals import SIGNAL_BY_EVENT_KIND

#: Events that are left out beside an operation of these kinds: it says the same.
_SAID_BY_OPERATION: Final[dict[str, frozenset[str]]] = {
    EventKind.VALIDATED: frozenset({OperationKind.VALIDATION}),
    EventKind.PAYING: enums.CHARGING,
}


@dataclass
class TimelineEntry:
    """One entry of the timeline: an operation or an event.

    ``notes`` are further sentences. ``facts`` are what Nexi or a developer asks for:
    label, value, and whether it has a button to copy it.
    """

    at: datetime
    title: Any
    tone: str = ""
    actor: str = ""
    address: str = ""
    notes: list[Any] = field(default_factory=list)
    facts: list[tuple[Any, str, bool]] = field(default_factory=list)
    #: primary key of the event whose signal may be sent again
    event_id: int | None = None


def timeline(order: PaymentOrder) -> list[TimelineEntry]:
    """Operations and events of the order, oldest first."""
    operations = list(order.operations.select_related("actor"))
    kinds = {one.kind for one in operations}
    events = order.events.select_related("actor", "operation", "successor", "approval")
    entries = [
        *(_of_operation(one, order) for one in operations),
        *(
            _of_event(one, order)
            for one in events
            if not kinds & _SAID_BY_OPERATION.get(one.kind, frozenset())
        ),
        *_returns(order),
    ]
    entries.sort(key=lambda one: one.at)
    for one in entries:
        one.notes = [text for text in one.notes if text]
        one.facts = [fact for fact in one.facts if fact[1]]
    return entries


def _of_operation(row: Operation, order: PaymentOrder) -> TimelineEntry:
    return TimelineEntry(
        at=row.created_at,
        title=timeline_sentences.of_operation(row, order),
        tone=row.outcome,
        actor=row.actor_name or str(row.actor or ""),
        address=row.address or "",
        notes=list(map(customer_info_texts.warning_text, row.warnings.split())),
        facts=[
            (_("Nexi's operation id"), row.gateway_operation_id, True),
            (_("authorization code"), row.authorization_code, True),
            (_("RRN"), row.rrn, True),
            (_("correlation id"), row.correlation_id, True),
            (_("result at Nexi"), row.result, False),
            (_("response code"), row.response_code, False),
            (_("error"), row.error, False),
            (_("HTTP status"), str(row.http_status or ""), False),
            (_("Nexi's trace"), row.cid, False),
            (_("request id"), row.request_id, False),
            (_("idempotency key"), row.idempotency_key, False),
        ],
    )


def _of_event(event: Event, order: PaymentOrder) -> TimelineEntry:
    changed = event.from_state != event.to_state
    return TimelineEntry(
        at=event.created_at,
        title=timeline_sentences.of_event(event, order),
        tone="note" if event.kind == EventKind.NOTE else "event",
        actor=event.actor_name or str(event.actor or ""),
        address=event.address or "",
        notes=[reason_texts.refund_reason(event.note), _delivery_status(event)],
        facts=[
            (
                _("state"),
                f"{event.from_state} → {event.to_state}" if changed else "",
                False,
            ),
            (_("reason"), event.reason, False),
        ],
        event_id=event.pk if event.kind in SIGNAL_BY_EVENT_KIND else None,
    )


def _returns(order: PaymentOrder) -> list[TimelineEntry]:
    """The first return from Nexi's page. It proves nothing: Nexi is asked then."""
    if not order.is_hosted:
        return []
    page = HostedPage.objects.filter(order=order, back_at__isnull=False).first()
    if page is None or page.back_at is None:
        return []
    return [
        TimelineEntry(page.back_at, _("The customer is back from Nexi's page"), "event")
    ]


def _delivery_status(event: Event) -> Any:
    if event.deliver_at is None or not event.attempts:
        return ""
    return _("not delivered to the shop yet (attempts: %(count)s)") % {
        "count": event.attempts
    }
