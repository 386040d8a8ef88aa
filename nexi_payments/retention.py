"""Personal data goes when its time is over; the money rows stay.

Erased are name, e-mail and description of an order, the cardholder's name, the
addresses of its operations and events, and what mails and notes say. What is kept of
the card (brand, first six, last four digits, expiry) belongs to the accounts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf, states
from nexi_payments.models import Event, Operation, PaymentOrder, database

_BATCH: Final = 500
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
    something = Q()
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
            Operation.objects.filter(order__in=batch).update(address=None)
            Event.objects.filter(order__in=batch).update(address=None, note="")
        erased += len(batch)
    return erased
