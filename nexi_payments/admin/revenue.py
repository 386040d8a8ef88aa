"""Sums of charges and refunds, computed by the database.

Shared by the daily report and the dashboard. They count operations confirmed by Nexi,
on the day of their confirmation: payments with immediate capture, captures, refunds.
Days begin at midnight in the shop's time zone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
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
from django.utils import timezone

from nexi_payments import enums
from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.gateway import result_codes
from nexi_payments.models import Operation, PaymentOrder, db_transactions

#: Number of newest orders that decide which currency is the main one.
_SAMPLE_SIZE: Final = 100


@dataclass(frozen=True)
class DailySum:
    """Sum of one day, direction and currency, in ``minor`` units.

    ``day`` is the index in the requested period.
    """

    day: int
    is_refund: int  # 1 for refunds
    currency: str
    count: int
    minor: int


def shop_zone() -> tzinfo:
    """The time zone of the shop (``TIME_ZONE``), whichever the reader works in: two
    people must see the same day's sum.
    """
    return timezone.get_default_timezone()


def today() -> date:
    return timezone.localdate(timezone=shop_zone())


def days_between(since: date, until: date) -> list[date]:
    return [since + timedelta(n) for n in range((until - since).days + 1)]


def revenue_operations(since: date, until: date) -> QuerySet[Any]:
    """Operations of a period, by the index on ``settled_at``.

    Annotated with ``day`` (index in the period) and ``is_refund`` (1 for a refund). The
    database assigns days by their boundaries: one query serves any number of days.
    """
    day = Case(
        *(
            When(settled_at__lt=_start_of_day(one + timedelta(1)), then=Value(index))
            for index, one in enumerate(days_between(since, until))
        ),
        output_field=IntegerField(),
    )
    charged = Q(kind__in=enums.CHARGING, result=result_codes.EXECUTED)
    return (
        Operation.objects.filter(
            charged | Q(kind__in=(OperationKind.CAPTURE, OperationKind.REFUND)),
            outcome=OperationOutcome.DONE,
            settled_at__gte=_start_of_day(since),
            settled_at__lt=_start_of_day(until + timedelta(1)),
        )
        .order_by()
        .annotate(
            day=day,
            is_refund=Case(
                When(kind=OperationKind.REFUND, then=Value(1)), default=Value(0)
            ),
        )
    )


def sums_by_currency(since: date, until: date) -> list[DailySum]:
    """Charges and refunds of each day in each currency.

    The currency is a column of the order. To join some ten thousand operations,
    PostgreSQL reads the whole table of orders. So there all operations are summed
    without the join, and sums in other currencies than the main one are subtracted, in
    one query.
    """
    everything = revenue_operations(since, until)
    if connections[db_transactions.alias()].vendor != "postgresql":
        return [DailySum(*row) for row in _aggregate(everything, F("order__currency"))]
    main = _main_currency()
    others = everything.filter(
        # two index ranges: "not equal" would use no index
        Q(order__currency__lt=main) | Q(order__currency__gt=main)
    )
    totals = _aggregate(everything, Value("", CharField()))
    rows = totals.union(_aggregate(others, F("order__currency")), all=True)
    return list(_subtract_other_currencies([DailySum(*row) for row in rows], main))


def _aggregate(operations: QuerySet[Any], currency: Any) -> Any:
    grouped = operations.annotate(code=currency).values_list("day", "is_refund", "code")
    return grouped.annotate(count=Count("pk"), total=Coalesce(Sum("amount"), 0))


def _main_currency() -> str:
    newest = PaymentOrder.objects.order_by("-created_at", "-id")
    currencies = Counter(newest.values_list("currency", flat=True)[:_SAMPLE_SIZE])
    return currencies.most_common(1)[0][0] if currencies else ""


def _subtract_other_currencies(rows: list[DailySum], main: str) -> Iterator[DailySum]:
    """Rows without a currency include all currencies: reduce them to the main one."""
    for row in rows:
        if row.currency:
            yield row
            continue
        others = [
            one
            for one in rows
            if one.currency and (one.day, one.is_refund) == (row.day, row.is_refund)
        ]
        count = row.count - sum(one.count for one in others)
        minor = row.minor - sum(one.minor for one in others)
        if count:
            yield replace(row, currency=main, count=count, minor=minor)


def _start_of_day(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min), shop_zone())
