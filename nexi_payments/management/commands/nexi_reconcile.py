"""``manage.py nexi_reconcile``: one pass, or with ``--watch`` one after the other."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from nexi_payments import flows

log = logging.getLogger("nexi_payments.reconcile")


class Command(BaseCommand):
    help = (
        "Asks Nexi about payments in doubt, expires abandoned ones, delivers events"
        " that were not delivered, purges held cards. Safe to run anywhere, any number"
        " at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--watch", action="store_true", help="go on until SIGTERM or Ctrl-C"
        )
        parser.add_argument(
            "--every",
            type=float,
            default=5.0,
            metavar="SECONDS",
            help="the pause between two passes of --watch (5)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["watch"]:
            self.stdout.write(str(flows.reconcile()))
            return
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        while not stop.is_set():
            self._pass()
            stop.wait(options["every"])

    def _pass(self) -> None:
        """A database that is away is no reason to end: it comes back."""
        close_old_connections()
        try:
            counts = flows.reconcile()
        except Exception:
            log.exception("a pass was broken off; the next one goes on")
            return
        if counts.did_something:
            self.stdout.write(str(counts))
            self.stdout.flush()
