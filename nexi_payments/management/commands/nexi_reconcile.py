"""``manage.py nexi_reconcile``: one run, or with ``--watch`` one after the other."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from nexi_payments import delivery_workers, flows
from nexi_payments.delivery_workers import DeliveryWorkers

log = logging.getLogger("nexi_payments.reconcile")


class Command(BaseCommand):
    help = (
        "Reconcile payments in doubt with Nexi, expire abandoned ones, deliver pending"
        " events, delete expired sealed cards. Several processes may run it at the same"
        " time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--watch", action="store_true", help="repeat until SIGTERM or Ctrl-C"
        )
        parser.add_argument(
            "--interval",
            type=float,
            default=5.0,
            metavar="SECONDS",
            help="the pause between two runs of --watch (5)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["watch"]:
            counts, delivered = delivery_workers.run_pass(flows.reconcile)
            counts.delivered = delivered
            self.stdout.write(str(counts))
            return
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        with delivery_workers.watching() as workers:
            while not stop.is_set():
                self._reconcile_once(workers)
                stop.wait(options["interval"])

    def _reconcile_once(self, workers: DeliveryWorkers) -> None:
        """One run. An error, for instance an unavailable database, is logged and does
        not end the watch."""
        close_old_connections()
        try:
            counts = flows.reconcile()
        except Exception:
            log.exception("a reconciler run failed; the next one continues")
            return
        counts.delivered = workers.pop_delivered()
        if counts.did_something:
            self.stdout.write(str(counts))
            self.stdout.flush()
