"""Clock that a test can move forward, without a further package."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest import mock

from django.utils import timezone


class Clock:
    """Moves ``django.utils.timezone.now``, which this app uses for the time.

    ``time.time``, ``datetime.now`` and the database's clock do not change. A package
    that moves those (time-machine, freezegun) can be used as well.
    """

    def __init__(self) -> None:
        self._offset = timedelta()
        self._real = timezone.now
        self._patch = mock.patch.object(timezone, "now", self.now)
        self._patched = False

    @property
    def offset(self) -> timedelta:
        return self._offset

    def now(self) -> datetime:
        return self._real() + self._offset

    def advance(self, by: timedelta) -> None:
        if by < timedelta():
            raise ValueError("time goes forward only")
        if not self._patched:
            self._real = timezone.now
            self._patch.start()
            self._patched = True
        self._offset += by

    def stop(self) -> None:
        """Restore the real time."""
        if self._patched:
            self._patch.stop()
            self._patched = False
        self._offset = timedelta()
