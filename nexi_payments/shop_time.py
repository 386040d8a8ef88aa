"""The days of the shop: in ``TIME_ZONE``, whatever zone the reader of a page has.

A middleware may activate the zone of each user. Sums of a day and deadlines must not
depend on who looks at them, so nothing else here uses Django's current zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.utils import timezone


def zone() -> tzinfo:
    return timezone.get_default_timezone()


def local(moment: datetime) -> datetime:
    return timezone.localtime(moment, zone())


def today() -> date:
    return local(timezone.now()).date()


def start_of_day(day: date) -> datetime:
    """The first moment of a day.

    Where clocks change at midnight, local midnight may come twice (the first one
    counts) or not at all (the day begins after the gap).
    """
    return datetime.combine(day, time.min, zone()).astimezone(UTC)


def earliest_day_on_earth() -> date:
    """The day where it is earliest (UTC−12): a date is over when it is over there."""
    return (timezone.now() - timedelta(hours=12)).date()
