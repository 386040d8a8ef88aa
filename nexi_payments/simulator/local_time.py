"""Times as the gateway shows them: Central European local time without a zone."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

_ROME: Final = ZoneInfo("Europe/Rome")


def format_time(moment: datetime) -> str:
    """Return date and time with milliseconds, as recorded."""
    return moment.astimezone(_ROME).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def format_date(moment: datetime) -> str:
    return moment.astimezone(_ROME).date().isoformat()
