"""``manage.py nexi_simulator --port 8900``: run the simulator as a separate server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from nexi_payments.simulator import server


class Command(BaseCommand):
    help = (
        "Run the gateway simulator on this machine. Set BASE_URL to the URL that it"
        " prints."
    )
    requires_system_checks: list[str] = []  # it needs no settings of the app

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8900, help="0: any free port")
        parser.add_argument("--state", default=None, help="a file for its orders")
        parser.add_argument(
            "--latency-ms", type=int, default=0, help="delay of each response (0)"
        )
        parser.add_argument(
            "--world",
            action="append",
            metavar="NAMES",
            help="what a real gateway may do: one world, or several with commas",
        )
        parser.add_argument("--seed", default="", help="repeats what the worlds decide")

    def handle(self, *args: Any, **options: Any) -> None:
        argv = ["--port", str(options["port"])]
        argv += ["--latency-ms", str(options["latency_ms"])]
        argv += ["--seed", options["seed"]]
        for world in options["world"] or ():
            argv += ["--world", world]
        if options["state"]:
            argv += ["--state", options["state"]]
        server.main(argv)
