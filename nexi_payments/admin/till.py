"""The till report: what was taken and given back, by day and by who did it. A mixin of
the order's ``ModelAdmin``. The sums are those of ``takings``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Case, Count, F, Sum, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import money, states
from nexi_payments.admin import access, chart, export, takings
from nexi_payments.models.order import CHANNEL_LABELS

_MOST_DAYS: Final = 31
CSV_COLUMNS: Final = (
    "day",
    "clerk",
    "currency",
    "circuit",
    "channel",
    "kind",
    "count",
    "amount",
)


class PeriodForm(forms.Form):
    """At most a month; without dates, today."""

    since = forms.DateField(label=_("From"), required=False)
    until = forms.DateField(label=_("To"), required=False)
    clerk = forms.IntegerField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("since", "until"):
            field = self.fields[name]
            field.widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
            field.input_formats = ["%Y-%m-%d"]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        today = timezone.localdate()
        since = data.get("since") or data.get("until") or today
        until = data.get("until") or max(since, today if not self.data else since)
        if until < since or (until - since).days >= _MOST_DAYS:
            self.add_error("until", _("Choose a period of one to 31 days."))
        data["since"], data["until"] = since, until
        return data


@dataclass(frozen=True)
class Row:
    """One sum, in major units of its currency."""

    day: date
    clerk: str
    currency: str
    circuit: str
    channel: str
    back: bool
    count: int
    amount: Decimal


class TillReport:
    if TYPE_CHECKING:
        admin_site: Any
        opts: Any

        def address(self, name: str, *args: Any) -> str: ...

    def till_view(self, request: HttpRequest) -> HttpResponseBase:
        access.require(request, *access.READERS)
        form = PeriodForm(request.GET or {})
        good = form.is_valid()
        data = form.cleaned_data if good else {}
        rows = list(_rows(data["since"], data["until"])) if good else []
        clerks = sorted({row.clerk for row in rows} - {""})
        chosen = request.GET.get("who", "")
        if chosen:
            rows = [row for row in rows if row.clerk == chosen]
        if good and request.GET.get("format") == "csv":
            name = f"till-{data['since']}-{data['until']}"
            return export.as_csv(_as_csv(rows), name)
        shown = PeriodForm(
            initial={"since": data.get("since"), "until": data.get("until")}
        )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Till report"),
            "form": shown if good else form,
            "clerks": clerks,
            "chosen": chosen,
            "days": _by(rows, lambda row: (row.day, row.clerk or _("shop"))),
            "circuits": _by(rows, lambda row: (row.circuit or "–", _word(row.channel))),
            "totals": _totals(rows),
            "charts": _charts(rows, data["since"], data["until"]) if good else [],
            "csv_query": _query(request),
            "list_url": self.address("changelist"),
        }
        return TemplateResponse(request, "nexi_payments/staff/till.html", context)


def _query(request: HttpRequest) -> str:
    query = request.GET.copy()
    query["format"] = "csv"
    return query.urlencode()


def _word(channel: str) -> Any:
    return dict(CHANNEL_LABELS).get(channel, channel)


# -- adding up -----------------------------------------------------------------------


def _rows(since: date, until: date) -> Iterator[Row]:
    """One query, whatever the number of days."""
    days = takings.days_of(since, until)
    sums = (
        takings.moved(since, until)
        .annotate(
            # a customer paid by the link that a clerk has sent: the clerk's takings
            who=Case(
                When(
                    kind__in=states.CHARGING,
                    then=Coalesce(F("actor"), F("order__clerk")),
                ),
                default=F("actor"),
            ),
        )
        .values_list(
            "day",
            "back",
            "who",
            "order__currency",
            "order__card_brand",
            "order__channel",
        )
        .annotate(count=Count("pk"), total=Sum("amount"))
    )
    found = list(sums)
    names = _names({one[2] for one in found} - {None})
    for place, back, actor, currency, brand, channel, count, total in found:
        yield Row(
            day=days[place],
            clerk=names.get(actor, ""),
            currency=currency,
            circuit=brand,
            channel=channel,
            back=bool(back),
            count=count,
            amount=money.to_major(total or 0, currency),
        )


def _names(keys: set[Any]) -> dict[Any, str]:
    users = get_user_model()._default_manager.filter(pk__in=keys)
    return {user.pk: user.get_username() for user in users}


def _by(rows: list[Row], key: Any) -> list[dict[str, Any]]:
    """Taken, given back and the rest, for each key and currency."""
    groups: dict[Any, dict[str, Any]] = {}
    for row in rows:
        names = (*key(row), row.currency)
        empty = {"taken": Decimal(0), "back": Decimal(0), "count": 0, "backs": 0}
        group = groups.setdefault(names, empty)
        group["back" if row.back else "taken"] += row.amount
        group["backs" if row.back else "count"] += row.count
    return [
        {
            "names": names[:-1],
            "currency": names[-1],
            "count": group["count"],
            "taken": takings.figure(group["taken"], names[-1]),
            "backs": group["backs"],
            "back": takings.figure(group["back"], names[-1]),
            "net": takings.figure(group["taken"] - group["back"], names[-1]),
        }
        for names, group in sorted(groups.items(), key=lambda one: _sortable(one[0]))
    ]


def _sortable(names: Any) -> list[str]:
    return [str(name) for name in names]


def _totals(rows: list[Row]) -> list[dict[str, Any]]:
    """One line a currency, with the share of phone orders in what was taken."""
    lines = _by(rows, lambda row: ())
    for line in lines:
        taken = [
            row for row in rows if row.currency == line["currency"] and not row.back
        ]
        total = sum((row.amount for row in taken), Decimal(0))
        moto = sum(
            (row.amount for row in taken if row.channel == states.CHANNEL_MOTO),
            Decimal(0),
        )
        line["moto"] = f"{moto * 100 / total:.0f} %" if total else "–"
    return lines


def _charts(rows: list[Row], since: date, until: date) -> list[chart.Chart]:
    """What was taken each day, by channel: one chart a currency."""
    days = takings.days_of(since, until)
    charts = []
    for currency in sorted({row.currency for row in rows if not row.back}):
        series = {
            channel: [
                sum(
                    (
                        row.amount
                        for row in rows
                        if (row.day, row.channel, row.currency, row.back)
                        == (day, channel, currency, False)
                    ),
                    Decimal(0),
                )
                for day in days
            ]
            for channel in states.CHANNELS
        }
        names = [formats.date_format(day, "j M") for day in days]
        charts.append(chart.stacked(currency, names, series))
    return charts


def _as_csv(rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    yield CSV_COLUMNS
    for row in sorted(rows, key=lambda one: (one.day, one.clerk, one.currency)):
        kind = "refund" if row.back else "taken"
        yield (
            row.day,
            row.clerk,
            row.currency,
            row.circuit,
            row.channel,
            kind,
            row.count,
            row.amount,
        )
