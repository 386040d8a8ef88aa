"""The shop's own app in the histories: it only has receivers."""

from __future__ import annotations

from django.apps import AppConfig


class HistoriesConfig(AppConfig):
    name = "tests.histories"
    label = "histories"

    def ready(self) -> None:
        from tests.histories import odd_receivers

        odd_receivers.connect()
