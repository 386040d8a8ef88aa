"""``manage.py nexi_purge``: held cards and personal data whose time is over."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from nexi_payments import hold, retention


class Command(BaseCommand):
    help = (
        "Removes held cards whose time is over (nexi_reconcile does it too), erases"
        " personal data older than RETENTION, and forgets what the API answered a week"
        " ago. Once a day."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(
            f"purged={hold.purge()} erased={retention.erase()}"
            f" forgotten={retention.forget_answers()}"
        )
