"""Dashboard above the list: today, the last seven days, open payments.

Few queries, each by an index: the revenue of a week, and what is open. Few rows are
open except in an outage; counting stops at ``MAX_OPEN``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import CharField, Value
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.http import urlencode

from nexi_payments import conf, date_texts, money, shop_time, terminal_rights
from nexi_payments.admin import revenue, svg_chart
from nexi_payments.enums import OrderState
from nexi_payments.flows import ceilings
from nexi_payments.models import Discrepancy, Event, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage

DAYS: Final = 7
#: Counting stops here.
MAX_OPEN: Final = 999
_WIDTH, _HEIGHT = 460, 150


@dataclass
class DailyRevenue:
    """Charges and refunds of one day in one currency, in minor units."""

    currency: str
    count: int = 0
    charged: int = 0
    refund_count: int = 0
    refunded: int = 0

    def add(self, one: revenue.DailySum) -> None:
        if one.is_refund:
            self.refund_count += one.count
            self.refunded += one.minor
        else:
            self.count += one.count
            self.charged += one.minor

    @property
    def charged_display(self) -> str:
        return money.display(self.charged, self.currency)

    @property
    def refunded_display(self) -> str:
        return money.display(self.refunded, self.currency)


@dataclass(frozen=True)
class OpenCount:
    """Number of open items and time of the oldest. ``is_capped``: at least so many."""

    count: int
    oldest: datetime | None
    is_capped: bool

    @property
    def display(self) -> str:
        return f"{self.count}+" if self.is_capped else str(self.count)

    @property
    def age(self) -> str:
        return date_texts.age(self.oldest) if self.oldest else ""


def dashboard_context(admin_url: Callable[[str], str], user: Any) -> dict[str, Any]:
    """Context of ``staff/dashboard.html``, of the terminals that ``user`` may see.

    ``admin_url``: page name → URL."""
    until = shop_time.today()
    since = until - timedelta(DAYS - 1)
    days = revenue.days_between(since, until)
    week = _revenue_by_currency(days, user)
    asked, waiting = _open_counts(user)
    period = urlencode({"since": since.isoformat(), "until": until.isoformat()})
    return {
        "today": [sums[-1] for sums in week if sums[-1].count or sums[-1].refund_count],
        "today_url": admin_url("daily_report"),
        **_approvals(user),
        "attention": waiting,
        "asked": asked,
        "attention_url": admin_url("review_queue"),
        "chart": _chart(days, week),
        "week": [
            (day, one)
            for place, day in enumerate(days)
            for one in (sums[place] for sums in week)
            if one.count or one.refund_count
        ],
        "zone": shop_time.zone(),
        "week_url": f"{admin_url('daily_report')}?{period}",
    }


def _approvals(user: Any) -> dict[str, Any]:
    """How many requests wait for an approval; nothing without ceilings."""
    if not conf.current().approval_ceilings:
        return {}
    waiting = terminal_rights.limit(ceilings.waiting_now(), user).order_by()
    count = waiting[: MAX_OPEN + 1].count()
    url = reverse("admin:nexi_payments_approval_changelist")
    return {"approvals": count, "approvals_url": f"{url}?state=waiting"}


def _revenue_by_currency(days: list[date], user: Any) -> list[list[DailyRevenue]]:
    """The days of each currency; the currency with most payments first."""
    week: dict[str, list[DailyRevenue]] = {}
    for one in revenue.sums_by_currency(days[0], days[-1], user):
        sums = week.setdefault(one.currency, [DailyRevenue(one.currency) for _ in days])
        sums[one.day].add(one)

    def sort_key(sums: list[DailyRevenue]) -> tuple[int, str]:
        return -sum(one.count for one in sums), sums[0].currency

    return sorted(week.values(), key=sort_key)


def _chart(days: list[date], week: list[list[DailyRevenue]]) -> svg_chart.Chart | None:
    """Charges in the currency with most payments; the table shows the others."""
    if not week or not any(one.count for one in week[0]):
        return None
    return svg_chart.stacked_bars(
        week[0][0].currency,
        [formats.date_format(day, "j M") for day in days],
        {"charged": [one.charged for one in week[0]]},
        width=_WIDTH,
        height=_HEIGHT,
    )


def _open_counts(user: Any) -> tuple[OpenCount, OpenCount]:
    """Counts of what only needs an answer of Nexi, and of what needs a person.

    The second is the review queue, and the first what it omits: payments that a request
    may still be working on. So nothing is counted twice.
    """

    def kind(word: str) -> Value:
        return Value(word, output_field=CharField())

    orders = PaymentOrder.objects.filter(unsettled_since__isnull=False).order_by()
    discrepancies = Discrepancy.objects.filter(resolved_at=None).order_by()
    events = Event.objects.filter(deliver_at__isnull=False, attempts__gt=0).order_by()
    outages = TerminalOutage.objects.order_by()
    orders = terminal_rights.limit(orders, user)
    outages = terminal_rights.limit(outages, user)
    of_orders = {"column": "order__terminal"}
    discrepancies = terminal_rights.limit(discrepancies, user, **of_orders)
    events = terminal_rights.limit(events, user, **of_orders)
    rows = orders.values_list("state", "unsettled_since").union(
        discrepancies.values_list(kind("discrepancy"), "created_at"),
        events.values_list(kind("event"), "created_at"),
        outages.values_list(kind("outage"), "since"),
        all=True,
    )
    found: list[Any] = list(rows.order_by("unsettled_since")[: MAX_OPEN + 1])
    deadline = timezone.now() - timedelta(seconds=conf.current().claim_timeout)
    asked: list[datetime] = []
    waiting: list[datetime] = []
    for word, at in found:
        is_fresh = word in OrderState.values and at > deadline
        needs_person = word == OrderState.REVIEW or not is_fresh
        (waiting if needs_person else asked).append(at)
    more = len(found) > MAX_OPEN
    return _open_count(asked, more), _open_count(waiting, more)


def _open_count(moments: list[datetime], more: bool) -> OpenCount:
    return OpenCount(
        len(moments), moments[0] if moments else None, more and bool(moments)
    )
