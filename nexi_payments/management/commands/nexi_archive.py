"""``manage.py nexi_archive``: old payments that are over, into files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from nexi_payments import archive


class Command(BaseCommand):
    help = (
        "Writes payments that are over and older than so many days into a file, without"
        " personal data, reads it back, and removes them from the tables. What is open,"
        " or pointed to by a row of the shop, stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--older-than",
            type=int,
            metavar="DAYS",
            help=f"at least {archive.YOUNGEST.days}; no refund is possible afterwards",
        )
        what.add_argument(
            "--verify",
            nargs="+",
            type=Path,
            metavar="FILE",
            help="only read files, and say what is in them",
        )
        parser.add_argument("--to", type=Path, help="an existing folder for the files")
        parser.add_argument(
            "--most", type=int, default=10_000, help="orders in a file (10000)"
        )
        parser.add_argument(
            "--files", type=int, default=1, help="so many files at most (1)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only count what would go"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verify"]:
            self._verify(options["verify"])
            return
        days, folder = options["older_than"], options["to"]
        if days < archive.YOUNGEST.days:
            raise CommandError(f"--older-than is at least {archive.YOUNGEST.days}")
        before = timezone.now() - timedelta(days=days)
        if options["dry_run"]:
            self.stdout.write(f"over={archive.over(before).count()}")
            return
        if folder is None or not folder.is_dir():
            raise CommandError("--to is an existing folder")
        for _number in range(options["files"]):
            try:
                outcome = archive.archive(folder, before, max(1, options["most"]))
            except (archive.Damaged, OSError) as error:
                raise CommandError(f"nothing was removed: {error}") from error
            if outcome is None:
                return
            self.stdout.write(
                f"{outcome.path} removed={outcome.removed} kept={outcome.kept}"
            )

    def _verify(self, files: list[Path]) -> None:
        for file in files:
            tally = archive.Tally()
            try:
                for line in archive.read(file):
                    tally.add(line)
            except archive.Damaged as error:
                raise CommandError(str(error)) from error
            sums = " ".join(
                f"{currency}={captured}-{refunded}"
                for currency, (captured, refunded) in sorted(tally.sums.items())
            )
            self.stdout.write(f"{file} orders={tally.orders} {sums}")
