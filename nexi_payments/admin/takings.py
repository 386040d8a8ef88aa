"""What was taken and given back, as the database adds it up: shared by the till report
and by what stands above the list.

From the operations that Nexi has confirmed, on the day on which we knew it: a payment
booked at once, each capture, each refund. Days begin at midnight where the shop is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connections
from django.db.models import (
    Case,
    CharField,
    Count,
    F,
    IntegerField,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import formats, timezone

from nexi_payments import money, states
from nexi_payments.gateway import codes
from nexi_payments.models import Operation, PaymentOrder, database

#: So many of the newest orders tell which currency the shop mostly sells in.
_NEWEST: Final = 100


@dataclass(frozen=True)
class Sums:
    """Of one day (its place among the days asked for), one direction, one currency;
    ``minor`` units."""

    day: int
    back: int  # 1 for refunds
    currency: str
    count: int
    minor: int


def days_of(since: date, until: date) -> list[date]:
    return [since + timedelta(n) for n in range((until - since).days + 1)]


def moved(since: date, until: date) -> QuerySet[Any]:
    """Operations of these days, by the index on the time. Each has ``day``, its place
    among them, and ``back``, 1 for a refund: the database sorts into days by their
    borders, so that one question does for any number of them."""
    day = Case(
        *(
            When(settled_at__lt=_start(one + timedelta(1)), then=Value(place))
            for place, one in enumerate(days_of(since, until))
        ),
        output_field=IntegerField(),
    )
    booked = Q(kind__in=states.CHARGING, result=codes.EXECUTED)
    return (
        Operation.objects.filter(
            booked | Q(kind__in=(states.CAPTURE, states.REFUND)),
            outcome=states.DONE,
            settled_at__gte=_start(since),
            settled_at__lt=_start(until + timedelta(1)),
        )
        .order_by()
        .annotate(
            day=day,
            back=Case(When(kind=states.REFUND, then=Value(1)), default=Value(0)),
        )
    )


def by_currency(since: date, until: date) -> list[Sums]:
    """What was taken and given back on each of these days, in each currency.

    The currency stands with the order. PostgreSQL joins some ten thousand operations
    by reading every order there is, however old: there all is added up without it, and
    the few in another currency than the usual one are taken off again, in one query.
    """
    everything = moved(since, until)
    if connections[database.alias()].vendor != "postgresql":
        return [Sums(*row) for row in _summed(everything, F("order__currency"))]
    usual = _usual_currency()
    others = everything.filter(
        # two ranges of the index by currency; "not equal" is none
        Q(order__currency__lt=usual) | Q(order__currency__gt=usual)
    )
    nameless = _summed(everything, Value("", CharField()))
    rows = nameless.union(_summed(others, F("order__currency")), all=True)
    return list(_told_apart([Sums(*row) for row in rows], usual))


def _summed(operations: QuerySet[Any], currency: Any) -> Any:
    named = operations.annotate(code=currency).values_list("day", "back", "code")
    return named.annotate(count=Count("pk"), total=Coalesce(Sum("amount"), 0))


def _usual_currency() -> str:
    newest = PaymentOrder.objects.order_by("-created_at", "-id")
    codes = Counter(newest.values_list("currency", flat=True)[:_NEWEST])
    return codes.most_common(1)[0][0] if codes else ""


def _told_apart(rows: list[Sums], usual: str) -> Iterator[Sums]:
    """``rows`` without a currency count the others, too."""
    for row in rows:
        if row.currency:
            yield row
            continue
        others = [
            one
            for one in rows
            if one.currency and (one.day, one.back) == (row.day, row.back)
        ]
        count = row.count - sum(one.count for one in others)
        minor = row.minor - sum(one.minor for one in others)
        if count:
            yield replace(row, currency=usual, count=count, minor=minor)


def figure(value: Decimal, currency: str) -> str:
    """A sum in major units, as the reader's language writes it, without currency."""
    digits = money.exponent(currency)
    return formats.number_format(value, digits, force_grouping=True)


def _start(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
