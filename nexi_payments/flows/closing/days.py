"""The shop's day: its bounds in time, and when it may be closed.

A day begins at midnight in the time zone of ``DAY_TIME_ZONE``, else of ``TIME_ZONE``,
and ends at the next one: it has 23 or 25 hours when the clocks change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings as django_settings
from django.utils import timezone

from nexi_payments import conf

#: Operations that were sent before midnight may be executed, and listed, after it. A
#: day can be closed so long after its end, and lists are read so far beyond its bounds.
MARGIN: Final = timedelta(hours=2)


@dataclass(frozen=True)
class ShopDay:
    """One day of the shop. ``start`` and ``end`` are in UTC; ``end`` is the next day's
    ``start``.
    """

    date: date
    zone: str
    start: datetime
    end: datetime

    @property
    def closable_from(self) -> datetime:
        return self.end + MARGIN

    @property
    def is_closable(self) -> bool:
        return timezone.now() >= self.closable_from

    def contains(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def zone_name() -> str:
    """The name of the time zone in which the shop counts its days."""
    return conf.current().day_time_zone or django_settings.TIME_ZONE


def of(day: date) -> ShopDay:
    zone = ZoneInfo(zone_name())
    return ShopDay(
        day, zone.key, _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    )


def last_closable() -> date:
    """The newest day that can be closed now."""
    day = timezone.now().astimezone(ZoneInfo(zone_name())).date()
    while not of(day).is_closable:
        day -= timedelta(days=1)
    return day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day. Where the clocks jump over midnight, that is the
    moment of the jump: ``zoneinfo`` uses the offset from before it.
    """
    return datetime.combine(day, time.min, zone).astimezone(UTC)
