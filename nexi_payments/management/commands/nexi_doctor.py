"""``manage.py nexi_doctor``: is this shop well? Looks, changes nothing."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nexi_payments import doctor


class Command(BaseCommand):
    help = (
        "Asks every terminal's gateway whether it knows our key, shows addresses,"
        " receivers and the reconciler's last run, and counts what waits. Exit 0: all"
        " is well; 1: a person has to look; 2: it could not be looked at."
    )
    #: broken settings are a finding too
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--offline", action="store_true", help="do not ask the gateways"
        )
        parser.add_argument(
            "--scan",
            nargs="*",
            metavar="APP",
            help="look for card numbers in all texts of nexi_payments and these apps",
        )
        parser.add_argument(
            "--json", action="store_true", help="one JSON document, for scripts"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings: list[doctor.Finding] = []
        try:
            for one in doctor.examine(
                ask=not options["offline"], scanned=options["scan"]
            ):
                findings.append(one)
                if not options["json"]:
                    self.stdout.write("  " * one.depth + one.says)
        except LookupError as error:
            raise CommandError(str(error), returncode=2) from None
        code = doctor.exit_code(findings)
        if options["json"]:
            self.stdout.write(_document(findings, code))
        else:
            self.stdout.write(
                "Somebody has to look at this." if code else "All is well."
            )
        if code:
            raise SystemExit(code)


def _document(findings: list[doctor.Finding], code: int) -> str:
    rows = [
        {"part": one.part, "level": one.level, "says": one.says, "facts": one.facts}
        for one in findings
    ]
    return json.dumps({"exit": code, "findings": rows}, indent=1, ensure_ascii=False)
