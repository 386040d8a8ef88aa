"""What stands above the list: today, the last seven days, and what needs a person.

Few questions, each by an index: what was taken and given back in a week, and what is
open, which is little, unless there is an outage; then counting stops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import CharField, Value
from django.utils import formats, timezone
from django.utils.http import urlencode
from django.utils.timesince import timesince

from nexi_payments import conf, money, states
from nexi_payments.admin import chart, takings
from nexi_payments.models import Break, Event, PaymentOrder, TerminalAlarm

DAYS: Final = 7
#: Nobody asks how many more there are.
MOST_OPEN: Final = 999
_WIDTH, _HEIGHT = 460, 150


@dataclass
class Takings:
    """What was taken and given back in one currency, in major units."""

    currency: str
    count: int = 0
    taken: Decimal = Decimal(0)
    backs: int = 0
    back: Decimal = Decimal(0)

    def add(self, count: int, amount: Decimal, *, back: bool) -> None:
        if back:
            self.backs += count
            self.back += amount
        else:
            self.count += count
            self.taken += amount

    @property
    def taken_in_words(self) -> str:
        return takings.figure(self.taken, self.currency)

    @property
    def back_in_words(self) -> str:
        return takings.figure(self.back, self.currency)


@dataclass(frozen=True)
class Open:
    """How many of a kind are open (``more`` means at least), and since when."""

    count: int
    oldest: datetime | None
    more: bool

    @property
    def number(self) -> str:
        return f"{self.count}+" if self.more else str(self.count)

    @property
    def age(self) -> str:
        return timesince(self.oldest) if self.oldest else ""


def board(address: Callable[[str], str]) -> dict[str, Any]:
    """The context of ``staff/dashboard.html``; ``address`` knows our pages by name."""
    until = timezone.localdate()
    since = until - timedelta(DAYS - 1)
    days = takings.days_of(since, until)
    week = _week(days)
    doubt, check = _open()
    span = urlencode({"since": since.isoformat(), "until": until.isoformat()})
    return {
        "today": [sums[-1] for sums in week if sums[-1].count or sums[-1].backs],
        "today_url": address("till"),
        "doubt": doubt,
        "doubt_url": f"{address('changelist')}?doubt=yes",
        "check": check,
        "check_url": address("tocheck"),
        "chart": _chart(days, week),
        "week": [
            (day, one)
            for place, day in enumerate(days)
            for one in (sums[place] for sums in week)
            if one.count or one.backs
        ],
        "week_url": f"{address('till')}?{span}",
    }


def _week(days: list[date]) -> list[list[Takings]]:
    """For each currency its days; the currency with most payments first."""
    week: dict[str, list[Takings]] = {}
    for one in takings.by_currency(days[0], days[-1]):
        sums = week.setdefault(one.currency, [Takings(one.currency) for _ in days])
        amount = money.to_major(one.minor, one.currency)
        sums[one.day].add(one.count, amount, back=bool(one.back))

    def most(sums: list[Takings]) -> tuple[int, str]:
        return -sum(one.count for one in sums), sums[0].currency

    return sorted(week.values(), key=most)


def _chart(days: list[date], week: list[list[Takings]]) -> chart.Chart | None:
    """What was taken, in the currency of most payments; the table has the others."""
    if not week or not any(one.count for one in week[0]):
        return None
    return chart.stacked(
        week[0][0].currency,
        [formats.date_format(day, "j M") for day in days],
        {"taken": [one.taken for one in week[0]]},
        width=_WIDTH,
        height=_HEIGHT,
    )


def _open() -> tuple[Open, Open]:
    """What the filter "in doubt" lists; and what stands on the list to check, where a
    payment that a request may still be working on is not yet."""

    def kind(word: str) -> Value:
        return Value(word, output_field=CharField())

    orders = PaymentOrder.objects.filter(unsettled_since__isnull=False).order_by()
    breaks = Break.objects.filter(resolved_at=None).order_by()
    events = Event.objects.filter(deliver_at__isnull=False, attempts__gt=0).order_by()
    rows = orders.values_list("state", "unsettled_since").union(
        breaks.values_list(kind("break"), "created_at"),
        events.values_list(kind("event"), "created_at"),
        TerminalAlarm.objects.order_by().values_list(kind("alarm"), "since"),
        all=True,
    )
    found: list[Any] = list(rows.order_by("unsettled_since")[: MOST_OPEN + 1])
    border = timezone.now() - timedelta(seconds=conf.current().claim_deadline)
    doubt = [at for word, at in found if word in states.STATES]
    check = [
        at
        for word, at in found
        if word not in states.STATES or word == states.REVIEW or at <= border
    ]
    more = len(found) > MOST_OPEN
    return _since(doubt, more), _since(check, more)


def _since(moments: list[datetime], more: bool) -> Open:
    return Open(len(moments), moments[0] if moments else None, more and bool(moments))
