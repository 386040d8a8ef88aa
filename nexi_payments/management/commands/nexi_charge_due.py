"""``manage.py nexi_charge_due``: charge the recurring payments that are due."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from nexi_payments import delivery_workers, flows


class Command(BaseCommand):
    help = (
        "Charge the contracts that are due, once for each period, and retry soft"
        " declines by CHARGE_RETRIES. Several processes may run it at the same time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--limit",
            type=int,
            default=1000,
            metavar="COUNT",
            help="maximum number of contracts in this run (1000)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        charge = partial(flows.charge_due, limit=options["limit"])
        counts, _ = delivery_workers.run_pass(charge)
        self.stdout.write(str(counts))
