"""Daily report: charges and refunds by day and clerk, by method, brand and channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Case, Count, F, Sum, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from nexi_payments import enums, money, permissions, shop_time, terminal_rights
from nexi_payments.admin import access_log, csv_export, method_texts, revenue, svg_chart
from nexi_payments.admin.base import StaffPages
from nexi_payments.enums import AccessKind, Channel

_MAX_DAYS: Final = 31
CSV_COLUMNS: Final = (
    "day",
    "clerk",
    "currency",
    "method",
    "brand",
    "channel",
    "kind",
    "count",
    "amount",
)
#: Value of ``format`` → whether semicolons separate the cells.
_CSV_FORMATS: Final = {"csv": False, "csv-semicolons": True}


class PeriodForm(forms.Form):
    """A period of at most 31 days; today by default."""

    since = forms.DateField(label=_("From"), required=False)
    until = forms.DateField(label=_("To"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("since", "until"):
            field = self.fields[name]
            field.widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
            field.input_formats = ["%Y-%m-%d"]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        today = shop_time.today()
        since = data.get("since") or data.get("until") or today
        until = data.get("until") or max(since, today if not self.data else since)
        if until < since or (until - since).days >= _MAX_DAYS:
            self.add_error("until", _("Choose a period of one to 31 days."))
        data["since"], data["until"] = since, until
        return data


@dataclass(frozen=True)
class ReportRow:
    """One sum, in minor units of its currency. ``count``: number of operations."""

    day: date
    clerk: str
    currency: str
    method: str
    brand: str
    channel: str
    is_refund: bool
    count: int
    amount: int


class DailyReportPage(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        return [self.admin.admin_path("daily-report/", self.view, "daily_report")]

    def view(self, request: HttpRequest) -> HttpResponseBase:
        permissions.require_any(request, *permissions.CAN_VIEW_PAYMENTS)
        form = PeriodForm(request.GET or {})
        valid = form.is_valid()
        data = form.cleaned_data if valid else {}
        period = (data["since"], data["until"]) if valid else None
        rows = list(_report_rows(*period, request.user)) if period else []
        clerks = sorted({row.clerk for row in rows} - {""})
        chosen = request.GET.get("clerk", "")
        if chosen:
            rows = [row for row in rows if row.clerk == chosen]
        wanted = request.GET.get("format", "")
        if valid and wanted in _CSV_FORMATS:
            name = f"daily-report-{data['since']}-{data['until']}"
            access_log.record(request, AccessKind.EXPORTED, detail=name, note=chosen)
            semicolons = _CSV_FORMATS[wanted]
            return csv_export.csv_response(_csv_rows(rows), name, semicolons=semicolons)
        blank = PeriodForm(
            initial={"since": data.get("since"), "until": data.get("until")}
        )
        context = {
            "title": _("Daily report"),
            "form": blank if valid else form,
            "clerks": clerks,
            "chosen": chosen,
            "days": _group_by(rows, lambda row: (row.day, row.clerk or _("shop"))),
            "brands": _group_by(
                rows,
                lambda row: (
                    method_texts.method_label(row.method),
                    row.brand or "–",
                    _channel_label(row.channel),
                ),
            ),
            "totals": _totals(rows),
            "charts": _charts(rows, data["since"], data["until"]) if valid else [],
            "csv_query": _csv_query(request, "csv"),
            "semicolons_query": _csv_query(request, "csv-semicolons"),
            "zone": shop_time.zone(),
            "list_url": self.admin.admin_url("changelist"),
        }
        return self.render(request, "daily_report.html", context)


def _csv_query(request: HttpRequest, name: str) -> str:
    query = request.GET.copy()
    query["format"] = name
    return query.urlencode()


def _channel_label(channel: str) -> Any:
    labels: dict[str, Any] = dict(Channel.choices)
    return labels.get(channel, channel)


# -- sums ---------------------------------------------------------------------------


def _report_rows(since: date, until: date, user: Any) -> Iterator[ReportRow]:
    """Sum up with one query, independent of the number of days."""
    days = revenue.days_between(since, until)
    operations = revenue.revenue_operations(since, until)
    operations = terminal_rights.limit(operations, user, column="order__terminal")
    sums = (
        operations.annotate(
            # a payment through a link counts for the clerk who sent the link
            clerk=Case(
                When(
                    kind__in=enums.CHARGING,
                    then=Coalesce(F("actor"), F("order__clerk")),
                ),
                default=F("actor"),
            ),
            # as it was then: the user may have been deleted or renamed since
            clerk_name=Case(
                When(
                    kind__in=enums.CHARGING,
                    actor_name="",
                    then=F("order__clerk_name"),
                ),
                default=F("actor_name"),
            ),
        )
        .values_list(
            "day",
            "is_refund",
            "clerk",
            "clerk_name",
            "order__currency",
            "order__method",
            "order__card_brand",
            "order__channel",
        )
        .annotate(count=Count("pk"), total=Sum("amount"))
    )
    found = list(sums)
    names = _usernames({row[2] for row in found} - {None})
    for day, is_refund, actor, name, currency, method, brand, channel, *sums in found:
        count, total = sums
        yield ReportRow(
            day=days[day],
            clerk=name or names.get(actor, ""),
            currency=currency,
            method=method,
            brand=brand,
            channel=channel,
            is_refund=bool(is_refund),
            count=count,
            amount=total or 0,
        )


def _usernames(keys: set[Any]) -> dict[Any, str]:
    users = get_user_model()._default_manager.filter(pk__in=keys)
    return {user.pk: user.get_username() for user in users}


def _group_by(rows: list[ReportRow], key: Any) -> list[dict[str, Any]]:
    """Sums of charges, refunds and net, for each key and currency."""
    groups: dict[Any, dict[str, Any]] = {}
    for row in rows:
        names = (*key(row), row.currency)
        empty = {"charged": 0, "refunded": 0, "count": 0, "refund_count": 0}
        group = groups.setdefault(names, empty)
        group["refunded" if row.is_refund else "charged"] += row.amount
        group["refund_count" if row.is_refund else "count"] += row.count
    return [
        {
            "names": names[:-1],
            "currency": names[-1],
            "count": group["count"],
            "charged": money.display_number(group["charged"], names[-1]),
            "refund_count": group["refund_count"],
            "refunded": money.display_number(group["refunded"], names[-1]),
            "net": money.display_number(
                group["charged"] - group["refunded"], names[-1]
            ),
        }
        for names, group in sorted(groups.items(), key=lambda one: _sort_key(one[0]))
    ]


def _sort_key(names: Any) -> list[str]:
    return [str(name) for name in names]


def _totals(rows: list[ReportRow]) -> list[dict[str, Any]]:
    """One row for each currency, with the share of phone orders in its charges."""
    lines = _group_by(rows, lambda row: ())
    for line in lines:
        charges = [
            row
            for row in rows
            if row.currency == line["currency"] and not row.is_refund
        ]
        total = sum(row.amount for row in charges)
        moto = sum(row.amount for row in charges if row.channel == Channel.MOTO)
        line["moto"] = f"{moto * 100 / total:.0f} %" if total else "–"
    return lines


def _charts(rows: list[ReportRow], since: date, until: date) -> list[svg_chart.Chart]:
    """Charges of each day by channel, one chart for each currency."""
    days = revenue.days_between(since, until)
    charts = []
    for currency in sorted({row.currency for row in rows if not row.is_refund}):
        series = {
            channel: [
                sum(
                    row.amount
                    for row in rows
                    if (row.day, row.channel, row.currency, row.is_refund)
                    == (day, channel, currency, False)
                )
                for day in days
            ]
            for channel in Channel.values
        }
        names = [formats.date_format(day, "j M") for day in days]
        charts.append(svg_chart.stacked_bars(currency, names, series))
    return charts


def _csv_rows(rows: list[ReportRow]) -> Iterator[tuple[Any, ...]]:
    yield CSV_COLUMNS
    for row in sorted(rows, key=lambda one: (one.day, one.clerk, one.currency)):
        kind = "refund" if row.is_refund else "charged"
        yield (
            row.day,
            row.clerk,
            row.currency,
            row.method,
            row.brand,
            row.channel,
            kind,
            row.count,
            money.to_major(row.amount, row.currency),
        )
