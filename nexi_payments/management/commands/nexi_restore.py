"""``manage.py nexi_restore``: restore charges that are missing in a restored backup."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.exceptions import GatewayError
from nexi_payments.flows.inquiry import orphans


class Command(BaseCommand):
    help = (
        "Find charges at Nexi that have our order prefix and are unknown here. Create"
        " an order under review for each. For use after a database was restored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", type=float, default=7, help="how far to look back (7, at most 30)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only list what would be restored"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["days"] <= 30:
            raise CommandError("--days must be more than 0 and at most 30")
        since = timezone.now() - timedelta(days=options["days"])
        for terminal in conf.current().terminals.values():
            failure = self._terminal(terminal, since, dry_run=options["dry_run"])
            if failure:
                raise CommandError(f"{terminal.name}: Nexi did not answer: {failure}")

    def _terminal(
        self, terminal: conf.Terminal, since: datetime, *, dry_run: bool
    ) -> str:
        """Restore or list the charges of one terminal. Returns the gateway's error as
        text, or ""."""
        try:
            if dry_run:
                for charge in orphans.find_orphans(terminal, since):
                    found = f"{charge.order_id} {charge.amount} {charge.currency}"
                    self.stdout.write(f"{terminal.name} {found}")
            else:
                for order in orphans.restore_orphans(terminal, since):
                    self.stdout.write(f"{terminal.name} {order}")
        except GatewayError as error:
            return str(error)
        return ""
