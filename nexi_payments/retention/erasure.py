"""Erases personal data after ``RETENTION``; rows about money stay.

Erased are: name, e-mail, description and cardholder name of an order; its 3-D Secure
customer data; the IP addresses of its operations, events and queued refunds, the notes
of events and the reasons of queued refunds;
of contracts that have ended, the IP address of the consent and the shop's customer
number; of card verifications, the IP address. The stored card columns (brand, first
six, last four digits, expiry) belong to the accounts and stay.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from nexi_payments import conf, enums
from nexi_payments.enums import ContractState, EventKind, RefundReason
from nexi_payments.models import (
    CardVerification,
    Contract,
    CustomerDetails,
    Event,
    Operation,
    PaymentOrder,
    QueuedRefund,
    db_transactions,
)
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
    # staff may write a note about a payment that was erased before
    notes = Event.objects.filter(order=OuterRef("pk"), kind=EventKind.NOTE)
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
    return erased


@db_transactions.retried(durable=False)
def _erase_orders(keys: list[int]) -> None:
    blank: dict[str, Any] = dict.fromkeys(_PERSONAL_FIELDS, "")
    PaymentOrder.objects.filter(pk__in=keys).update(**blank)
    CustomerDetails.objects.filter(order__in=keys).delete()
    Operation.objects.filter(order__in=keys).update(address=None)
    # a code is no personal data; words may be
    words = Operation.objects.filter(order__in=keys).exclude(reason="")
    words.exclude(reason__in=RefundReason.values).update(reason="")
    Event.objects.filter(order__in=keys).update(address=None, note="")
    QueuedRefund.objects.filter(order__in=keys).update(address=None, reason="")


def _erase_contracts_and_verifications(before: datetime) -> None:
    """A contract that may be charged keeps the proof of consent."""
    CardVerification.objects.filter(
        created_at__lt=before, address__isnull=False
    ).update(address=None)
    ended = Q(state=ContractState.ENDED, ended_at__lt=before) | Q(
        state=ContractState.NOT_MADE, created_at__lt=before
    )
    personal = Q(consent_address__isnull=False) | ~Q(customer_id="")
    Contract.objects.filter(ended, personal).update(
        consent_address=None, customer_id=""
    )


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
