"""``manage.py nexi_purge``: delete expired sealed cards and old personal data."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from nexi_payments import sealed_cards
from nexi_payments.retention import erasure


class Command(BaseCommand):
    help = (
        "Delete expired sealed cards (nexi_reconcile does it, too), erase personal data"
        " older than RETENTION, empty communication logs older than COMMUNICATION_LOG,"
        " and delete idempotency records older than a week. Run it once a day."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(
            f"purged={sealed_cards.purge()} erased={erasure.erase()}"
            f" communication_logs={erasure.empty_communication_logs()}"
            f" idempotency_records={erasure.delete_idempotency_records()}"
        )
