"""Erases personal data after ``RETENTION``; rows about money stay.

Erased are: name, e-mail, description and cardholder name of an order; its 3-D Secure
customer data; the IP addresses of its operations, events, queued refunds and approvals,
the notes of events, and the reasons of queued refunds and approvals;
of contracts that have ended, the IP address of the consent and the shop's customer
number; of card verifications, the IP address. The stored card columns (brand, first
six, last four digits, expiry) belong to the accounts and stay.

What staff did stays longer, for ``AUDIT_RETENTION``: names, IP addresses and notes in
rows of staff and in the audit trail (decision 51). The email addresses of customers,
to which staff sent something, do not.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone

from nexi_payments import conf, enums
from nexi_payments.audit.sources import WITH_CUSTOMER_ADDRESS
from nexi_payments.enums import ContractState, EventKind, RefundReason
from nexi_payments.models import (
    Approval,
    CardVerification,
    Contract,
    CustomerDetails,
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
    QueuedRefund,
    db_transactions,
)
from nexi_payments.models.audit import NO_STAFF, AuditEntry
from nexi_payments.models.bookkeeping import IdempotencyRecord

BATCH_SIZE: Final = 500
#: How long an Idempotency-Key of the API finds its stored response. Later, the nonce
#: still finds what the request created.
IDEMPOTENCY_RECORD_LIFETIME: Final = timedelta(days=7)
_PERSONAL_FIELDS: Final = (
    "customer_name",
    "customer_email",
    "cardholder_name",
    "description",
    "attempt_network",
)


def erase() -> int:
    """Erases personal data older than ``RETENTION``. Returns the number of orders.

    Unsettled or watched orders, and those with a queued refund, wait. Does nothing
    without the setting. Idempotent.
    """
    seconds = conf.current().retention
    if seconds is None:
        return 0
    before = timezone.now() - timedelta(seconds=seconds)
    # a note may be about a payment that was erased before; those of staff stay longer
    notes = Event.objects.filter(NO_STAFF, order=OuterRef("pk"), kind=EventKind.NOTE)
    has_personal_data = Exists(
        CustomerDetails.objects.filter(order=OuterRef("pk"))
    ) | Q(Exists(notes.exclude(note="")))
    for name in _PERSONAL_FIELDS:
        has_personal_data |= ~Q(**{name: ""})
    old = PaymentOrder.objects.filter(
        has_personal_data,
        created_at__lt=before,
        state__in=enums.FINAL,
        unsettled_since=None,
        next_poll_at=None,
        queued_amount=0,
    ).order_by("pk")
    erased = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH_SIZE]):
        _erase_orders(batch)
        erased += len(batch)
    _erase_contracts_and_verifications(before)
    _erase_staff_rows(seconds)
    return erased


@db_transactions.retried(durable=False)
def _erase_orders(keys: list[int]) -> None:
    blank: dict[str, Any] = dict.fromkeys(_PERSONAL_FIELDS, "")
    PaymentOrder.objects.filter(pk__in=keys).update(**blank)
    CustomerDetails.objects.filter(order__in=keys).delete()
    of_orders = Q(order__in=keys)
    Operation.objects.filter(of_orders, NO_STAFF).update(
        address=None, reason=_WITHOUT_WORDS
    )
    Event.objects.filter(of_orders, NO_STAFF).update(address=None, note="")
    Event.objects.filter(of_orders, kind__in=WITH_CUSTOMER_ADDRESS).update(note="")
    QueuedRefund.objects.filter(of_orders, NO_STAFF).update(address=None, reason="")


#: Of the reason of a refund: a code is no personal data; words may be.
_WITHOUT_WORDS: Final = Case(
    When(reason__in=RefundReason.values, then=F("reason")), default=Value("")
)
#: Rows of staff, and what is erased in them.
_STAFF_ROWS: Final[tuple[tuple[type[models.Model], dict[str, Any]], ...]] = (
    (Operation, {"actor_name": "", "address": None, "reason": _WITHOUT_WORDS}),
    (Event, {"actor_name": "", "address": None, "note": ""}),
    (QueuedRefund, {"actor_name": "", "address": None, "reason": ""}),
    (CardVerification, {"actor_name": "", "address": None, "network": ""}),
    (
        Approval,
        {
            "requester_name": "",
            "approver_name": "",
            "address": None,
            "reason": "",
            "decision_reason": "",
        },
    ),
    (PaymentOrder, {"clerk_name": ""}),
    (Discrepancy, {"resolved_by_name": ""}),
)


def _erase_staff_rows(retention: float) -> None:
    """Not before ``AUDIT_RETENTION``, and not what the audit trail still lacks."""
    kept_for = conf.current().audit_retention
    if kept_for is None:
        return
    before = timezone.now() - timedelta(seconds=max(retention, kept_for))
    for model, blank in _STAFF_ROWS:
        name = next(iter(blank))
        rows: Any = model._base_manager.filter(created_at__lt=before)
        rows = rows.exclude(**{name: ""})
        if hasattr(model, "audit_due"):
            rows = rows.filter(audit_due=None)
        _update_in_batches(rows, blank)
    entries = AuditEntry.objects.filter(at__lt=before).exclude(personal="")
    _update_in_batches(entries, {"personal": "", "salt": ""})


def _update_in_batches(rows: Any, values: dict[str, Any]) -> None:
    keys, last = rows.order_by("pk").values_list("pk", flat=True), 0
    while batch := list(keys.filter(pk__gt=last)[:BATCH_SIZE]):
        rows.model._base_manager.filter(pk__in=batch).update(**values)
        last = batch[-1]


def _erase_contracts_and_verifications(before: datetime) -> None:
    """A contract that may be charged keeps the proof of consent."""
    CardVerification.objects.filter(
        NO_STAFF, created_at__lt=before, address__isnull=False
    ).update(address=None, network="")
    ended = Q(state=ContractState.ENDED, ended_at__lt=before) | Q(
        state=ContractState.NOT_MADE, created_at__lt=before
    )
    personal = Q(consent_address__isnull=False) | ~Q(customer_id="")
    Contract.objects.filter(ended, personal).update(
        consent_address=None, customer_id=""
    )


def empty_communication_logs() -> int:
    """Empties the communication log of operations after ``COMMUNICATION_LOG``, or after
    ``RETENTION`` if that is shorter. Returns of how many. Idempotent.

    Unsettled operations wait.
    """
    settings = conf.current()
    lifetime = min(settings.communication_log, settings.retention or math.inf)
    before = timezone.now() - timedelta(seconds=lifetime)
    old = Operation.objects.filter(
        created_at__lt=before, unsettled_order_id=None
    ).exclude(calls="")
    emptied, last = 0, 0
    while batch := list(
        old.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH_SIZE]
    ):
        emptied += Operation.objects.filter(pk__in=batch).update(calls="")
        last = batch[-1]
    return emptied


def delete_idempotency_records() -> int:
    """Deletes idempotency records after a week, or after ``RETENTION`` if that is
    shorter: they contain descriptions. Returns how many.
    """
    lifetime = IDEMPOTENCY_RECORD_LIFETIME
    if (seconds := conf.current().retention) is not None:
        lifetime = min(lifetime, timedelta(seconds=seconds))
    return IdempotencyRecord.objects.filter(
        created_at__lt=timezone.now() - lifetime
    ).delete()[0]
