"""Personal data goes when its time is over; the money rows stay.

Erased are name, e-mail and description of an order, what 3-D Secure was told about the
customer, the cardholder's name, the addresses of its operations and events, and what
mails and notes say; of cards on file, once they are over, the address that the owner
agreed from and the shop's number of the customer; of card checks the address. What is
kept of the card (brand, first six, last four digits, expiry) belongs to the accounts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from nexi_payments import conf, states
from nexi_payments.models import (
    CardCheck,
    Contract,
    CustomerDetails,
    Event,
    KeptAnswer,
    Operation,
    PaymentOrder,
    database,
)

_BATCH: Final = 500
#: How long an Idempotency-Key of the API finds its answer. What it has done is known by
#: its nonce for ever.
ANSWERS_KEPT: Final = timedelta(days=7)
_PERSONAL: Final = (
    "customer_name",
    "customer_email",
    "cardholder_name",
    "description",
)


def erase() -> int:
    """Erases what is older than ``RETENTION``; returns how many orders were touched.

    Orders about which something is still open wait. Does nothing without the setting.
    """
    seconds = conf.current().retention
    if seconds is None:
        return 0
    before = timezone.now() - timedelta(seconds=seconds)
    something = Exists(CustomerDetails.objects.filter(order=OuterRef("pk"))) | Q()
    for name in _PERSONAL:
        something |= ~Q(**{name: ""})
    old = PaymentOrder.objects.filter(
        something,
        created_at__lt=before,
        state__in=states.FINAL,
        unsettled_since=None,
        due_at=None,
    ).order_by("pk")
    erased = 0
    while batch := list(old.values_list("pk", flat=True)[:_BATCH]):
        with database.atomic():
            blank: dict[str, Any] = dict.fromkeys(_PERSONAL, "")
            PaymentOrder.objects.filter(pk__in=batch).update(**blank)
            CustomerDetails.objects.filter(order__in=batch).delete()
            Operation.objects.filter(order__in=batch).update(address=None)
            Event.objects.filter(order__in=batch).update(address=None, note="")
        erased += len(batch)
    _erase_beside_orders(before)
    return erased


def _erase_beside_orders(before: datetime) -> None:
    """A card on file that may be charged keeps the proof of its owner's consent."""
    CardCheck.objects.filter(created_at__lt=before, address__isnull=False).update(
        address=None
    )
    over = Q(state=states.ENDED, ended_at__lt=before) | Q(
        state=states.NOT_MADE, created_at__lt=before
    )
    personal = Q(agreed_address__isnull=False) | ~Q(customer_id="")
    Contract.objects.filter(over, personal).update(agreed_address=None, customer_id="")


def forget_answers() -> int:
    """Deletes what was answered to keys of the API a week ago, or ``RETENTION`` ago if
    that is less: descriptions are in it. Returns how many."""
    kept = ANSWERS_KEPT
    if (seconds := conf.current().retention) is not None:
        kept = min(kept, timedelta(seconds=seconds))
    return KeptAnswer.objects.filter(created_at__lt=timezone.now() - kept).delete()[0]
