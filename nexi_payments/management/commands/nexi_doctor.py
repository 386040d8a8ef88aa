"""``manage.py nexi_doctor``: diagnose an installation."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nexi_payments import doctor


class Command(BaseCommand):
    help = (
        "Contact each terminal's gateway with its API key. Show URLs, signal receivers"
        " and the reconciler's last run, and count pending work. Exit code 0: OK; 1:"
        " action is needed; 2: a check could not run."
    )
    #: invalid settings are a finding, too
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--offline", action="store_true", help="do not contact the gateways"
        )
        parser.add_argument(
            "--scan",
            nargs="*",
            metavar="APP",
            help="search all texts of nexi_payments and of these apps for card numbers",
        )
        parser.add_argument(
            "--verify-audit",
            action="store_true",
            help="read the whole audit trail of staff: was anything changed?",
        )
        parser.add_argument(
            "--anchor",
            nargs="+",
            type=_anchor,
            default=[],
            metavar="NUMBER:HASH",
            help="entries that must be found, as nexi_reconcile has logged them",
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON document, for scripts"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings: list[doctor.Finding] = []
        try:
            for finding in doctor.diagnose(
                contact_gateways=not options["offline"],
                scan_apps=options["scan"],
                audit_anchors=dict(options["anchor"])
                if options["verify_audit"] or options["anchor"]
                else None,
            ):
                findings.append(finding)
                if not options["json"]:
                    self.stdout.write("  " * finding.indent + finding.message)
        except LookupError as error:
            raise CommandError(str(error), returncode=2) from None
        code = doctor.exit_code(findings)
        if options["json"]:
            self.stdout.write(_document(findings, code))
        else:
            self.stdout.write(_verdict(findings, code))
        if code:
            raise SystemExit(code)


def _anchor(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    if not (number.isdecimal() and len(digest) == 64):
        raise ArgumentTypeError("an anchor is NUMBER:HASH, as nexi_reconcile logs it")
    return int(number), digest


def _verdict(findings: list[doctor.Finding], code: int) -> str:
    if code:
        return "Action needed."
    if any(finding.section == "simulator" for finding in findings):
        return "No problems found. The simulator is used: no card is charged."
    return "No problems found."


def _document(findings: list[doctor.Finding], code: int) -> str:
    rows = [
        {
            "section": finding.section,
            "level": finding.level,
            "message": finding.message,
            "data": finding.data,
        }
        for finding in findings
    ]
    return json.dumps({"exit": code, "findings": rows}, indent=1, ensure_ascii=False)
