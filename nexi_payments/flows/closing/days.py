"""The shop's day: its bounds in time, and when it may be closed.

A day begins at midnight in the time zone of ``TIME_ZONE``, and ends at the next one: it
has 23 or 25 hours when the clocks change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.utils import timezone

from nexi_payments import shop_time

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
    return timezone.get_default_timezone_name()


def of(day: date) -> ShopDay:
    end = shop_time.start_of_day(day + timedelta(days=1))
    return ShopDay(day, zone_name(), shop_time.start_of_day(day), end)


def last_closable() -> date:
    """The newest day that can be closed now."""
    day = shop_time.today()
    while not of(day).is_closable:
        day -= timedelta(days=1)
    return day
