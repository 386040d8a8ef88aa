"""What an audit entry says of each kind of row that staff write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models
from django.db.models import Q
from django.utils import timezone

from nexi_payments.enums import (
    AuditSource,
    EventKind,
    OperationOutcome,
    VerificationOutcome,
)
from nexi_payments.models import CardVerification, Event, Operation
from nexi_payments.models.audit import StaffAccess

#: After this time an entry is written with the outcome as it is, open or in doubt.
_OUTCOME_WAIT: Final = timedelta(minutes=5)
#: The fact that may change after the entry: it is the outcome at that time.
OUTCOME: Final = "outcome"
#: Their note is the customer's email address, which ``RETENTION`` erases.
WITH_CUSTOMER_ADDRESS: Final = (EventKind.LINK_EMAILED, EventKind.RECEIPT_EMAILED)


@dataclass(frozen=True)
class Draft:
    """An entry before it is chained. ``personal`` has no empty values."""

    source: str
    source_id: int
    kind: str
    at: datetime
    about: str
    facts: dict[str, Any]
    personal: dict[str, str]


@dataclass(frozen=True)
class Source:
    """``rows``: a queryset of those that may enter the trail now."""

    model: type[models.Model]
    rows: Callable[[], models.QuerySet[Any]]
    draft: Callable[[Any], Draft]


def _personal(name: str, key: Any, address: str | None, note: str) -> dict[str, str]:
    values = {"actor": name, "user": str(key or ""), "address": address, "note": note}
    return {key: value for key, value in values.items() if value}


def _of_event(event: Event) -> Draft:
    note = "" if event.kind in WITH_CUSTOMER_ADDRESS else event.note
    facts = {
        "from_state": event.from_state,
        "to_state": event.to_state,
        "reason": event.reason,
        "operation": event.operation_id,
        "approval": event.approval_id,
    }
    return Draft(
        AuditSource.EVENT,
        event.pk,
        event.kind,
        event.created_at,
        event.order.order_id,
        facts,
        _personal(event.actor_name, event.actor_id, event.address, note),
    )


def _of_operation(operation: Operation) -> Draft:
    facts = {
        "amount": operation.amount,
        "currency": operation.order.currency,
        "request_id": operation.request_id,
        OUTCOME: operation.outcome,
    }
    return Draft(
        AuditSource.OPERATION,
        operation.pk,
        operation.kind,
        operation.created_at,
        operation.order.order_id,
        facts,
        _personal(
            operation.actor_name,
            operation.actor_id,
            operation.address,
            operation.reason,
        ),
    )


def _of_verification(check: CardVerification) -> Draft:
    facts = {
        "terminal": check.terminal,
        "card_brand": check.card_brand,
        "card_last4": check.card_last4,
        OUTCOME: check.outcome,
    }
    return Draft(
        AuditSource.VERIFICATION,
        check.pk,
        "verify_card",
        check.created_at,
        check.order_id,
        facts,
        _personal(check.actor_name, check.actor_id, check.address, note=""),
    )


def _of_access(access: StaffAccess) -> Draft:
    facts = {
        "page": access.page,
        "detail": access.detail,
        "request_id": access.request_id,
    }
    return Draft(
        AuditSource.ACCESS,
        access.pk,
        access.kind,
        access.created_at,
        access.about,
        facts,
        _personal(access.actor_name, access.actor_key, access.address, access.note),
    )


def _older() -> Q:
    return Q(created_at__lt=timezone.now() - _OUTCOME_WAIT)


#: The rows are read with what their drafts need.
SOURCES: Final[dict[str, Source]] = {
    AuditSource.EVENT: Source(
        Event,
        lambda: Event.objects.filter(audit_due=True).select_related("order"),
        _of_event,
    ),
    AuditSource.OPERATION: Source(
        Operation,
        lambda: Operation.objects.filter(
            ~Q(outcome=OperationOutcome.OPEN) | _older(), audit_due=True
        ).select_related("order"),
        _of_operation,
    ),
    AuditSource.VERIFICATION: Source(
        CardVerification,
        lambda: CardVerification.objects.filter(
            ~Q(outcome=VerificationOutcome.OPEN) | _older(), audit_due=True
        ),
        _of_verification,
    ),
    AuditSource.ACCESS: Source(
        StaffAccess, lambda: StaffAccess.objects.all(), _of_access
    ),
}
