"""Filters, pages and search of the list: everything by an index, nothing counted whole.

On a million rows a page costs what it costs on a thousand: the count stops at
``MOST_ROWS``, a search goes to the one index its text fits, filters have their choices
from the settings and not from ``SELECT DISTINCT``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, states
from nexi_payments.card import holds_card_number
from nexi_payments.models import Operation, PaymentOrder

#: So many rows can be paged through; who needs more filters, or exports.
MOST_ROWS: Final = 1000
#: Matches of one search that are looked at, newest first.
_MOST_MATCHES: Final = 1000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to ``MOST_ROWS`` and no further."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.values("pk")[:MOST_ROWS].count())


class _FromSettings(admin.SimpleListFilter):
    """A filter on a column whose values stand in the settings."""

    column = ""

    def __init__(self, *args: Any) -> None:
        self.parameter_name = self.column
        super().__init__(*args)

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> QuerySet[PaymentOrder]:
        value = self.value()
        return queryset.filter(**{self.column: value}) if value else queryset


class TerminalFilter(_FromSettings):
    title = _("terminal")
    column = "terminal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in conf.current().terminals]


class CurrencyFilter(_FromSettings):
    title = _("currency")
    column = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = dict.fromkeys(
            code
            for terminal in conf.current().terminals.values()
            for code in terminal.currencies or ("EUR", "CHF", "GBP", "USD")
        )
        return [(code, code) for code in known]


class CreatedFilter(admin.SimpleListFilter):
    title = _("date")
    parameter_name = "created"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("today", _("Today")),
            ("yesterday", _("Yesterday")),
            ("week", _("Last 7 days")),
            ("month", _("This month")),
            ("last_month", _("Last month")),
            ("year", _("This year")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> QuerySet[PaymentOrder]:
        span = _span(self.value())
        if span is None:
            return queryset
        return queryset.filter(created_at__gte=span[0], created_at__lt=span[1])


def _span(word: str | None) -> tuple[datetime, datetime] | None:
    """Half-open, in the local day."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = today + timedelta(days=1)
    month = today.replace(day=1)
    spans = {
        "today": (today, tomorrow),
        "yesterday": (today - timedelta(days=1), today),
        "week": (today - timedelta(days=6), tomorrow),
        "month": (month, tomorrow),
        "last_month": ((month - timedelta(days=1)).replace(day=1), month),
        "year": (today.replace(month=1, day=1), tomorrow),
    }
    return spans.get(word or "")


class DoubtFilter(admin.SimpleListFilter):
    title = _("in doubt")
    parameter_name = "doubt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("in doubt, or to be reviewed"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> QuerySet[PaymentOrder]:
        if self.value() == "yes":
            return queryset.filter(unsettled_since__isnull=False)
        return queryset


class RefundedFilter(admin.SimpleListFilter):
    title = _("refunded")
    parameter_name = "refunded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("part", _("in part")), ("all", _("completely"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> QuerySet[PaymentOrder]:
        if self.value() == "part":
            some = queryset.filter(refunded_at__isnull=False)
            return some.filter(refunded_amount__lt=F("captured_amount"))
        if self.value() == "all":
            return queryset.filter(state=states.REFUNDED)
        return queryset


def may_be_a_card(text: str) -> bool:
    """Whether a search has to be refused. Eighteen digits alone are an operation at
    Nexi: one in fifty of these would be taken for a card, and none is that long."""
    return holds_card_number(text) and not re.fullmatch(r"\s*[0-9]{18}\s*", text)


def search(queryset: QuerySet[PaymentOrder], text: str) -> QuerySet[PaymentOrder]:
    """Orders by Nexi's order id, reference (or its beginning), operation id, last four
    digits or e-mail. Each is one probe of one index; the newest matches are kept."""
    found: set[int] = set()
    for matches in _routes(text):
        found.update(matches.values_list("pk", flat=True)[:_MOST_MATCHES])
    return queryset.filter(pk__in=sorted(found, reverse=True)[:_MOST_MATCHES])


def _routes(text: str) -> Iterator[QuerySet[PaymentOrder]]:
    """Each in the order in which its index has the rows: nothing is sorted."""
    newest = PaymentOrder.objects.order_by("-created_at", "-id")
    if "@" in text:
        for address in {text, text.lower()}:
            yield newest.filter(customer_email=address)
        return
    if len(text) == 4 and text.isdigit():
        yield newest.filter(card_last4=text)
    unsorted = newest.order_by()
    if len(text) == 18:
        yield unsorted.filter(order_id=text)
    if len(text) > 8:
        yield unsorted.filter(gateway_operation_id=text)
        rows = Operation.objects.filter(gateway_operation_id=text).order_by()
        owners = list(rows.values_list("order_id", flat=True)[:_MOST_MATCHES])
        yield unsorted.filter(pk__in=owners)
    # one that is the whole text comes first
    yield newest.order_by("reference").filter(_begins("reference", text))


def _begins(column: str, text: str) -> Q:
    """A beginning, in the way that the database's index can find it."""
    if connections["default"].vendor == "sqlite":
        return Q(**{f"{column}__gte": text, f"{column}__lt": text + "\U0010ffff"})
    return Q(**{f"{column}__startswith": text})
