"""``manage.py nexi_restore``: bring back charges that a restored backup lacks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.exceptions import GatewayError
from nexi_payments.flows import sweep


class Command(BaseCommand):
    help = (
        "Lists charges at Nexi that carry our prefix and are unknown here, and makes"
        " an order under review of each: for after a database was restored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", type=float, default=7, help="how far to look back (7, at most 30)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only list what would come back"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["days"] <= 30:
            raise CommandError("--days goes from more than 0 to 30")
        since = timezone.now() - timedelta(days=options["days"])
        for terminal in conf.current().terminals.values():
            failure = self._terminal(terminal, since, dry_run=options["dry_run"])
            if failure:
                raise CommandError(f"{terminal.name}: Nexi did not answer: {failure}")

    def _terminal(
        self, terminal: conf.Terminal, since: datetime, *, dry_run: bool
    ) -> str:
        """What Nexi did instead of answering, or ""."""
        try:
            if dry_run:
                for one in sweep.unknown(terminal, since):
                    what = f"{one.order_id} {one.amount} {one.currency}"
                    self.stdout.write(f"{terminal.name} {what}")
            else:
                for order in sweep.restore(terminal, since):
                    self.stdout.write(f"{terminal.name} {order}")
        except GatewayError as error:
            return str(error)
        return ""
