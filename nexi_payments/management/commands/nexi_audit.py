"""``manage.py nexi_audit``: the audit trail of staff as JSON lines."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from nexi_payments import audit
from nexi_payments.audit import export, triggers
from nexi_payments.enums import AccessKind


class Command(BaseCommand):
    help = (
        "Print the audit trail of staff, one JSON object a line, in the order of its"
        " numbers. The export itself is written to the trail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        for name, text in (("--since", "the first day"), ("--until", "the last day")):
            parser.add_argument(
                name,
                type=date.fromisoformat,
                metavar="DATE",
                help=f"{text} (2026-12-31), in the time zone of the project",
            )
        parser.add_argument(
            "--triggers",
            action="store_true",
            help="print SQL instead, which makes the trail append-only in PostgreSQL",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["triggers"]:
            self.stdout.write(triggers.postgresql_triggers())
            return
        days = {name: options[name] for name in ("since", "until")}
        audit.record_access(
            AccessKind.AUDIT_READ,
            audit.Shell(),
            page="nexi_audit",
            detail=" ".join(f"{name}={day}" for name, day in days.items() if day),
        )
        since, until = days["since"], days["until"]
        lines = export.json_lines(
            since and _midnight(since),
            until and _midnight(date.fromordinal(until.toordinal() + 1)),
        )
        for line in lines:
            self.stdout.write(line)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
