"""``manage.py demo``: migrate, seed, serve, and do every few seconds what cron does."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from demo_shop import ports, seed, time_controls
from nexi_payments.testing import demo_clock

log = logging.getLogger("nexi_payments.demo")


class Command(BaseCommand):
    help = "Sets up and serves the demo shop on this machine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port",
            type=int,
            help=f"by default {ports.FIRST}, or the next one that is free",
        )
        parser.add_argument(
            "--no-serve", action="store_true", help="only migrate and seed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo's logins are public: it needs DEBUG.")
        asked, port = options["port"], options["port"] or ports.FIRST
        if not options["no_serve"]:
            port = ports.choose(asked)  # before anything is written or printed
        call_command("migrate", interactive=False, verbosity=0)
        seed.seed()
        if port != (asked or ports.FIRST):
            used = f"Port {ports.FIRST} is in use. The demo uses {port}."
            self.stdout.write(f"\n  {used}")
        logins = "\n".join(
            f"    {name} / {password}  ({purpose})"
            for name, password, purpose in seed.LOGINS
        )
        self.stdout.write(
            f"\n  Demo shop:  http://127.0.0.1:{port}/\n"
            f"  Admin:      http://127.0.0.1:{port}/admin/\n"
            f"  Logins:\n{logins}\n"
            "  Stop with Ctrl-C.\n\n"
        )
        self.stdout.flush()
        if options["no_serve"]:
            return
        demo_clock.catch_up_with_database()
        if gateway := demo_clock.simulator_for("default"):
            gateway.notifies_in_background = True
        threading.Thread(target=_run_due_forever, daemon=True).start()
        call_command("runserver", f"127.0.0.1:{port}", use_reloader=False)


def _run_due_forever() -> None:
    """Do every five seconds what cron does in production."""
    while True:
        time.sleep(5)
        try:
            time_controls.run_due()
        except Exception:
            log.exception("what was due")
        finally:
            connection.close()
