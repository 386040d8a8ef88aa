"""Filters, pagination and search of the list of payments.

The cost of a page does not grow with the table: the count stops at ``MAX_ROWS``, a
search uses the one index that fits its text, and filters take their choices from the
settings, not from ``SELECT DISTINCT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, payment_methods, shop_time, terminal_rights
from nexi_payments.admin import method_texts
from nexi_payments.enums import OrderState
from nexi_payments.models import Operation, PaymentOrder, db_transactions
from nexi_payments.models.hosted_page import TerminalMethods

#: Maximum number of rows to page through. Filters and the CSV reach older ones.
MAX_ROWS: Final = 1000
#: Maximum number of matches of one search, newest first.
_MAX_MATCHES: Final = 1000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to ``MAX_ROWS``."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.values("pk")[:MAX_ROWS].count())


class _SettingsFilter(admin.SimpleListFilter):
    """A filter on a column whose values come from the settings."""

    column = ""

    def __init__(self, *args: Any) -> None:
        self.parameter_name = self.column
        super().__init__(*args)

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> QuerySet[PaymentOrder]:
        value = self.value()
        return queryset.filter(**{self.column: value}) if value else queryset


class TerminalFilter(_SettingsFilter):
    title = _("terminal")
    column = "terminal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        seen = terminal_rights.terminals_of(request.user)
        names = conf.current().terminals
        return [(name, name) for name in names if seen is None or name in seen]


class CurrencyFilter(_SettingsFilter):
    title = _("currency")
    column = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = dict.fromkeys(
            code
            for terminal in conf.current().terminals.values()
            for code in terminal.currencies or ("EUR", "CHF", "GBP", "USD")
        )
        return [(code, code) for code in known]


class MethodFilter(admin.SimpleListFilter):
    """Where a terminal takes "auto", the methods that Nexi listed last."""

    title = _("payment method")
    parameter_name = "method"
    #: a card on our own page has no method
    _CARD_HERE = "card"

    def has_output(self) -> bool:
        # an address that someone kept still filters when the methods are off
        return super().has_output() or bool(self.value())

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        codes = dict.fromkeys(_offered_codes())
        if not codes:
            return []  # no terminal has a hosted page
        found = [(code, method_texts.method_label(code)) for code in codes]
        return [(self._CARD_HERE, _("Card on our page")), *found]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> QuerySet[PaymentOrder]:
        value = self.value()
        if value:
            method = "" if value == self._CARD_HERE else value
            return queryset.filter(method=method)
        return queryset


def _offered_codes() -> Iterator[str]:
    settings = conf.current()
    pages = [one for one in settings.terminals.values() if one.has_hosted_page]
    if any(not one.has_own_card_page for one in pages):
        yield payment_methods.CARDS
    for terminal in pages:
        yield from terminal.methods or ()
    if any(terminal.methods is None for terminal in pages):
        for row in TerminalMethods.objects.all():
            known = (payment_methods.find(one, {}) for one in row.circuits)
            yield from (one.code for one in known if one is not None)


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
        dates = _date_range(self.value())
        if dates is None:
            return queryset
        return queryset.filter(created_at__gte=dates[0], created_at__lt=dates[1])


def _date_range(word: str | None) -> tuple[datetime, datetime] | None:
    """Half-open interval in days of the shop; ``None`` for an unknown word."""
    today = shop_time.today()
    tomorrow = today + timedelta(days=1)
    month = today.replace(day=1)
    ranges = {
        "today": (today, tomorrow),
        "yesterday": (today - timedelta(days=1), today),
        "week": (today - timedelta(days=6), tomorrow),
        "month": (month, tomorrow),
        "last_month": ((month - timedelta(days=1)).replace(day=1), month),
        "year": (today.replace(month=1, day=1), tomorrow),
    }
    if word not in ranges:
        return None
    since, until = ranges[word]
    return shop_time.start_of_day(since), shop_time.start_of_day(until)


class InDoubtFilter(admin.SimpleListFilter):
    title = _("in doubt")
    parameter_name = "in_doubt"

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
            return queryset.filter(state=OrderState.REFUNDED)
        return queryset


def search(queryset: QuerySet[PaymentOrder], text: str) -> QuerySet[PaymentOrder]:
    """Find orders by order id, reference prefix, operation id, last four digits or
    email.

    Each is one lookup in one index. The newest ``_MAX_MATCHES`` are kept.
    """
    found: set[int] = set()
    for matches in _search_queries(text):
        found.update(matches.values_list("pk", flat=True)[:_MAX_MATCHES])
    return queryset.filter(pk__in=sorted(found, reverse=True)[:_MAX_MATCHES])


def _search_queries(text: str) -> Iterator[QuerySet[PaymentOrder]]:
    """Yield each query in the order of its index, so that nothing is sorted."""
    newest = PaymentOrder.objects.order_by("-created_at", "-id")
    text = text.strip()
    if "@" in text:
        for key in _email_keys(text):
            yield newest.filter(email_key=key)
        return
    if len(text) == 4 and text.isdigit():
        yield newest.filter(card_last4=text)
    unsorted = newest.order_by()
    if len(text) == 18:
        yield unsorted.filter(order_id=text)
    if len(text) > 8:
        yield unsorted.filter(gateway_operation_id=text)
        rows = Operation.objects.filter(gateway_operation_id=text).order_by()
        owners = list(rows.values_list("order_id", flat=True)[:_MAX_MATCHES])
        yield unsorted.filter(pk__in=owners)
    # an exact match sorts first; order numbers are mostly in one case
    for spelling in dict.fromkeys((text, text.upper(), text.lower())):
        prefix = prefix_filter("reference", spelling)
        yield newest.order_by("reference").filter(prefix)


def _email_keys(text: str) -> set[str]:
    """How databases write an address in lower case: SQLite knows ASCII only."""
    ascii_only = "".join(one.lower() if one.isascii() else one for one in text)
    return {text.lower(), ascii_only}


def prefix_filter(column: str, text: str) -> Q:
    """A prefix match that the index of each database supports."""
    if connections[db_transactions.alias()].vendor == "sqlite":
        return Q(**{f"{column}__gte": text, f"{column}__lt": text + "\U0010ffff"})
    return Q(**{f"{column}__startswith": text})
