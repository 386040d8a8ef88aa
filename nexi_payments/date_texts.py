"""Dates and times as people read them: one format in each language.

A day is the short date of the language, in figures; English gets the month as a word,
because "11/12/2026" is two days to its readers. Times have 24 hours. So no text ends
with a full stop of its own ("a.m."), and each may stand at the end of a sentence.
Times are in Django's present time zone.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from django.utils import formats, timezone
from django.utils.timesince import timesince

#: Django's short date of "en": month first.
_AMERICAN: Final = "m/d/Y"
_ENGLISH: Final = "j M Y"


def day(at: date | datetime) -> str:
    """ "30 Nov 2026", "30/11/2026", "30.11.2026": the day of ``at``."""
    found = formats.get_format("SHORT_DATE_FORMAT")
    return formats.date_format(_local(at), _ENGLISH if found == _AMERICAN else found)


def clock(at: datetime) -> str:
    """ "14:05" """
    return formats.date_format(_local(at), "H:i")


def moment(at: datetime) -> str:
    """ "30 Nov 2026, 14:05" """
    return f"{day(at)}, {clock(at)}"


def exact_moment(at: datetime) -> str:
    """ "30 Nov 2026, 14:05:09" """
    return f"{day(at)}, {formats.date_format(_local(at), 'H:i:s')}"


def age(at: datetime) -> str:
    """ "11 minutes": how long ago, by the clock that ``timezone.now`` reads."""
    return timesince(at, timezone.now())


def _local(at: date | datetime) -> date | datetime:
    if isinstance(at, datetime) and timezone.is_aware(at):
        return timezone.localtime(at)
    return at
