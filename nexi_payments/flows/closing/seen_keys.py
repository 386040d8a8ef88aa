"""The keys of our rows that Nexi lists: eight bytes each, however many there are."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final

#: Keys that are sorted at once: sorting makes an object of each.
_PART: Final = 10_000


class SeenKeys:
    """A set of primary keys, in sorted parts. Asking is quick: a large day has some
    dozen parts.
    """

    __slots__ = ("_new", "_parts")

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._parts: list[array[int]] = []

    def add(self, key: int) -> None:
        self._new.add(key)
        if len(self._new) >= _PART:
            self._parts.append(array("q", sorted(self._new)))
            self._new = set()

    def __contains__(self, key: int) -> bool:
        return key in self._new or any(_has(part, key) for part in self._parts)


def _has(part: array[int], key: int) -> bool:
    place = bisect_left(part, key)
    return place < len(part) and part[place] == key
