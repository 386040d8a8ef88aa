"""Dates in six languages, on one clock."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.template import Context, Template
from django.utils import timezone, translation

from nexi_payments import date_texts

pytestmark = pytest.mark.seen_on("sqlite")
AT = datetime(2026, 11, 30, 8, 5, 9, tzinfo=UTC)
ROME = zoneinfo.ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("language", "day"),
    [
        ("en", "30 Nov 2026"),
        ("en-gb", "30/11/2026"),
        ("it", "30/11/2026"),
        ("de", "30.11.2026"),
        ("fr", "30/11/2026"),
        ("es", "30/11/2026"),
        ("el", "30/11/2026"),
    ],
)
def test_one_format_in_each_language(language: str, day: str) -> None:
    with translation.override(language), timezone.override(ROME):
        assert date_texts.day(AT) == date_texts.day(date(2026, 11, 30)) == day
        assert date_texts.clock(AT) == "09:05"
        assert date_texts.moment(AT) == f"{day}, 09:05"
        assert date_texts.exact_moment(AT) == f"{day}, 09:05:09"
        for text in (day, date_texts.clock(AT), date_texts.moment(AT)):
            assert not text.endswith(".")  # it may end a sentence


def test_ages_follow_the_clock_of_django() -> None:
    with time_machine.travel(datetime(2026, 11, 30, 8, 16, 9, tzinfo=UTC), tick=False):
        assert date_texts.age(AT) == "11\u00a0minutes"


def test_in_templates() -> None:
    page = Template("{% load nexi_dates %}{{ at|moment }}|{{ none|day }}")
    assert page.render(Context({"at": AT, "none": None})) == "30 Nov 2026, 09:05|"
