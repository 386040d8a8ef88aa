"""``manage.py nexi_card_notices``: mails owners of cards on file that expire soon."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from nexi_payments import notices


class Command(BaseCommand):
    help = (
        "Mails the owners of cards on file that expire within 30 days, each card once,"
        " if MAILS names card_expires. Once a day."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"mailed={notices.warn_of_expiry()}")
