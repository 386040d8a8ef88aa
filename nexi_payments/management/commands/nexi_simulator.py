"""``manage.py nexi_simulator --port 8900``: the simulator as a server of its own."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from nexi_payments.simulator import server


class Command(BaseCommand):
    help = (
        "Serves the gateway simulator on this machine. Point BASE_URL at the address it"
        " prints."
    )
    requires_system_checks: list[str] = []  # it needs no settings of ours

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8900, help="0 picks a free one")
        parser.add_argument("--state", default=None, help="file to keep the orders in")
        parser.add_argument("--latency-ms", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        argv = ["--port", str(options["port"])]
        argv += ["--latency-ms", str(options["latency_ms"])]
        if options["state"]:
            argv += ["--state", options["state"]]
        server.main(argv)
