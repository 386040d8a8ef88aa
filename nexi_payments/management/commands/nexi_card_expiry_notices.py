"""``manage.py nexi_card_expiry_notices``: e-mail the owners of saved cards that expire
soon."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from nexi_payments.emails import automatic


class Command(BaseCommand):
    help = (
        "E-mail the owners of saved cards that expire within 30 days, once for each"
        " card, if MAILS has card_expires. Run it once a day."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"emailed={automatic.send_expiry_notices()}")
