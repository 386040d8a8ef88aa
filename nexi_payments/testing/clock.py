"""Time that a test moves on, without a package for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest import mock

from django.utils import timezone


class Clock:
    """Moves ``django.utils.timezone.now``, which this app asks for the time.

    ``time.time``, ``datetime.now`` and the database's clock go on as they are; a
    package that moves those (time-machine, freezegun) may be used beside it.
    """

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._real = timezone.now
        self._patch = mock.patch.object(timezone, "now", self.now)
        self._patched = False

    @property
    def ahead(self) -> timedelta:
        return self._ahead

    def now(self) -> datetime:
        return self._real() + self._ahead

    def advance(self, by: timedelta) -> None:
        if by < timedelta():
            raise ValueError("time goes forward only")
        if not self._patched:
            self._real = timezone.now
            self._patch.start()
            self._patched = True
        self._ahead += by

    def stop(self) -> None:
        """It is now again."""
        if self._patched:
            self._patch.stop()
            self._patched = False
        self._ahead = timedelta()
