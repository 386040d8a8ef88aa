"""``manage.py nexi_restore``: catch up with Nexi after a backup was restored."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.exceptions import GatewayError
from nexi_payments.flows.inquiry import restoring
from nexi_payments.flows.inquiry.restoring import Restored

#: Younger than anything that ``nexi_archive`` moves out of the database.
_MOST_DAYS: Final = 366


class Command(BaseCommand):
    help = (
        "Compare the orders that Nexi lists with ours. Inquire about each one that"
        " differs, and create an order under review for each charge that is unknown"
        " here. For use after a database was restored; may be repeated at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days",
            type=float,
            default=30,
            help=f"how far to look back (30, at most {_MOST_DAYS})",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only list what differs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["days"] <= _MOST_DAYS:
            raise CommandError(f"--days must be more than 0 and at most {_MOST_DAYS}")
        since = timezone.now() - timedelta(days=options["days"])
        for terminal in conf.current().terminals.values():
            failure = self._terminal(terminal, since, dry_run=options["dry_run"])
            if failure:
                raise CommandError(f"{terminal.name}: Nexi did not answer: {failure}")

    def _terminal(
        self, terminal: conf.Terminal, since: datetime, *, dry_run: bool
    ) -> str:
        """Catch up with one terminal, and print each difference and their number.
        Returns the gateway's error as text, or ""."""
        counts: Counter[str] = Counter(unknown=0, changed=0, unanswered=0)
        failure = ""
        try:
            for one in restoring.restore(terminal, since, dry_run=dry_run):
                counts["unknown" if one.is_unknown else "changed"] += 1
                counts["unanswered"] += not one.answered
                self.stdout.write(f"{terminal.name} {_text(one)}")
        except GatewayError as error:
            failure = str(error)
        totals = " ".join(f"{name}={number}" for name, number in counts.items())
        self.stdout.write(f"{terminal.name}: {totals}")
        return failure


def _text(one: Restored) -> str:
    text = str(one.difference)
    if one.order is not None:
        order = one.order
        text += f" → {order.state}, captured {order.captured_amount}"
        text += f", refunded {order.refunded_amount}"
    return text
