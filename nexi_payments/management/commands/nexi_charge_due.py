"""``manage.py nexi_charge_due``: charges the cards on file whose time has come."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from nexi_payments import flows


class Command(BaseCommand):
    help = (
        "Charges the cards on file whose time has come, each period once, and tries"
        " declined ones again by rule. Safe to run anywhere, any number at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--most",
            type=int,
            default=1000,
            metavar="COUNT",
            help="contracts taken up in this run at most (1000)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(str(flows.charge_due(most=options["most"])))
