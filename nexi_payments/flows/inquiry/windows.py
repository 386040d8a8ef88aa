"""Nexi's lists in time windows: the one way to page through them.

A list answers windows of a month, and at most 500 entries. It has no cursor, and its
order is not documented. So a window whose answer is full is asked for again in two
halves, down to a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

Entry = TypeVar("Entry")

PAGE_SIZE: Final = 500
#: The longest window that Nexi answers, less a margin for clocks.
_LONGEST: Final = timedelta(days=30)
_SHORTEST: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Page(Generic[Entry]):
    """The entries of one window. ``is_cut``: there may be more, and no way to ask."""

    entries: Sequence[Entry]
    is_cut: bool = False


def pages(
    fetch: Callable[[datetime, datetime], Sequence[Entry]],
    since: datetime,
    until: datetime,
) -> Iterator[Page[Entry]]:
    """Yields the pages of a window of any length, the newest first.

    ``fetch`` asks for the entries from one time to another, at most ``PAGE_SIZE``. Its
    errors are not caught. Bounds are whole seconds, as in Nexi's query. Both belong to
    a window, so an entry on a bound is in two pages, one after the other.
    """
    windows = [(_floor(since), _ceiling(until))] if since < until else []
    while windows:
        start, end = windows.pop()
        if start >= end:
            continue
        if end - start > _LONGEST:
            middle = end - _LONGEST
            windows += [(start, middle), (middle, end)]
            continue
        entries = fetch(start, end)
        is_full = len(entries) >= PAGE_SIZE
        if is_full and end - start > _SHORTEST:
            middle = _floor(start + (end - start) / 2)
            windows += [(start, middle), (middle, end)]
            continue
        yield Page(entries, is_full)


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _ceiling(moment: datetime) -> datetime:
    floor = _floor(moment)
    return floor if floor == moment else floor + _SHORTEST
