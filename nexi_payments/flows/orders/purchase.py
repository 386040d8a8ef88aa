"""The attempts that belong to one purchase: same reference, or same first attempt."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from nexi_payments.models import PaymentOrder


def attempts(order: PaymentOrder) -> QuerySet[PaymentOrder]:
    """The attempts that share the order's ``live_key``, itself included."""
    if order.reference:
        same = Q(reference=order.reference)
    else:
        first = first_key(order)
        same = Q(pk=first) | Q(retry_of=first)
    return PaymentOrder.objects.filter(same)


def attempts_until(order: PaymentOrder) -> QuerySet[PaymentOrder]:
    """``order``, earlier attempts, and what shoppers made of these on their pages.

    Not an attempt that the shop created after ``order``.
    """
    rows = attempts(order).annotate(first_key=Coalesce("retry_of_id", "pk"))
    return rows.filter(first_key__lte=order.pk)


def live_attempt(order: PaymentOrder) -> PaymentOrder | None:
    """The attempt that holds the reference of the purchase."""
    return PaymentOrder.objects.filter(live_reference=order.live_key).first()


def live_until(order: PaymentOrder) -> PaymentOrder | None:
    """The live attempt, if it is one of ``attempts_until``."""
    live = live_attempt(order)
    if live is None or first_key(live) > order.pk:
        return None  # the shop created that one later
    return live


def first_key(order: PaymentOrder) -> int:
    """The primary key of the attempt that the shop created; retries share it."""
    return order.retry_of_id or order.pk
