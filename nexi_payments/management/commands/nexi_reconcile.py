"""``manage.py nexi_reconcile``: one pass. From cron, every minute or so."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from nexi_payments import flows


class Command(BaseCommand):
    help = (
        "Asks Nexi about payments in doubt, expires abandoned ones, delivers events"
        " that were not delivered, purges held cards. Safe to run anywhere, any number"
        " at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(str(flows.reconcile()))
