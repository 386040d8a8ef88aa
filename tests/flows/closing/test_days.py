"""The bounds of the shop's day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from nexi_payments.flows.closing import days

pytestmark = pytest.mark.seen_on("sqlite")


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("Europe/Rome", date(2026, 1, 15), datetime(2026, 1, 14, 23), 24),
        ("Europe/Rome", date(2026, 7, 15), datetime(2026, 7, 14, 22), 24),
        # the clocks change
        ("Europe/Rome", date(2026, 3, 29), datetime(2026, 3, 28, 23), 23),
        ("Europe/Rome", date(2026, 10, 25), datetime(2026, 10, 24, 22), 25),
        ("UTC", date(2026, 3, 29), datetime(2026, 3, 29), 24),
        # where they jump from midnight to one: the day begins with the jump
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4), 23),
        ("America/Santiago", date(2026, 9, 5), datetime(2026, 9, 5, 4), 24),
        # where they go back from one to midnight: it begins at the first midnight
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4), 25),
    ],
)
def test_a_day_begins_at_midnight_of_the_shop(
    settings: Any, zone: str, day: date, start: datetime, hours: int
) -> None:
    settings.TIME_ZONE = zone
    found = days.of(day)
    assert (found.zone, found.start) == (zone, start.replace(tzinfo=UTC))
    assert found.end - found.start == timedelta(hours=hours)
    assert days.of(day + timedelta(1)).start == found.end
    assert found.contains(found.start)
    assert not found.contains(found.end)


def test_the_zone_is_the_projects_whoever_looks(settings: Any) -> None:
    with timezone.override("Asia/Tokyo"):
        assert days.of(date(2026, 1, 15)).zone == "Europe/Rome"
    settings.TIME_ZONE = "UTC"
    assert days.zone_name() == "UTC"


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (datetime(2026, 1, 15, 0, 59, 59, tzinfo=UTC), date(2026, 1, 13)),
        (datetime(2026, 1, 15, 1, 0, tzinfo=UTC), date(2026, 1, 14)),
        (datetime(2026, 1, 15, 23, 30, tzinfo=UTC), date(2026, 1, 14)),
    ],
)
def test_a_day_can_be_closed_two_hours_after_its_end(now: datetime, last: date) -> None:
    with time_machine.travel(now, tick=False):
        assert days.last_closable() == last
        assert days.of(last).is_closable
        assert not days.of(last + timedelta(1)).is_closable
