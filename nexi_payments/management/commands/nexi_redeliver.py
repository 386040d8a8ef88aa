"""``manage.py nexi_redeliver``: send blocked signals again, without their pause."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nexi_payments import delivery_workers
from nexi_payments.models import PaymentOrder


class Command(BaseCommand):
    help = (
        "Send the signals again that receivers of the shop have not taken, without"
        " waiting for their next attempt; each payment's in order. Prints how many were"
        " taken and how many are left. Exit code 1 if any is left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "order_ids",
            nargs="*",
            metavar="ORDER_ID",
            help="only those of these payments",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        order_ids = options["order_ids"]
        rows = PaymentOrder.objects.filter(order_id__in=order_ids)
        known = set(rows.values_list("order_id", flat=True))
        if unknown := sorted({*order_ids} - known):
            raise CommandError(f"no such payment: {', '.join(unknown)}")
        delivered, left = delivery_workers.redeliver_blocked(order_ids)
        self.stdout.write(f"delivered={delivered} left={left}")
        if left:
            sys.exit(1)
