"""``manage.py nexi_purge``: removes held cards whose time is over."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from nexi_payments import hold


class Command(BaseCommand):
    help = "Removes held cards whose time is over. nexi_reconcile does it too."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"purged={hold.purge()}")
