"""``manage.py nexi_archive``: move old, finished payments into files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from nexi_payments.retention import archive


class Command(BaseCommand):
    help = (
        "Write finished payments of a minimum age into a file, without personal data."
        " Read the file back, then delete them from the tables. Open payments stay, and"
        " so do payments that a row of the shop references."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        action = parser.add_mutually_exclusive_group(required=True)
        action.add_argument(
            "--older-than",
            type=int,
            metavar="DAYS",
            help=f"minimum age, at least {archive.MINIMUM_AGE.days};"
            " archived payments cannot be refunded",
        )
        action.add_argument(
            "--verify",
            nargs="+",
            type=Path,
            metavar="FILE",
            help="only read archive files and print their totals",
        )
        parser.add_argument("--to", type=Path, help="an existing folder for the files")
        parser.add_argument(
            "--limit",
            type=int,
            default=10_000,
            metavar="COUNT",
            help="maximum number of payments in a file (10000)",
        )
        parser.add_argument(
            "--max-files",
            type=int,
            default=1,
            metavar="COUNT",
            help="maximum number of files (1)",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="only count the payments that would be archived",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verify"]:
            self._verify(options["verify"])
            return
        days, folder = options["older_than"], options["to"]
        if days < archive.MINIMUM_AGE.days:
            minimum = archive.MINIMUM_AGE.days
            raise CommandError(f"--older-than must be at least {minimum}")
        before = timezone.now() - timedelta(days=days)
        if options["dry_run"]:
            count = archive.archivable_orders(before).count()
            self.stdout.write(f"archivable={count}")
            return
        if folder is None or not folder.is_dir():
            raise CommandError("--to must be an existing folder")
        for _number in range(options["max_files"]):
            try:
                result = archive.archive(folder, before, max(1, options["limit"]))
            except (archive.CorruptArchive, OSError) as error:
                raise CommandError(f"nothing was removed: {error}") from error
            if result is None:
                return
            self.stdout.write(
                f"{result.path} removed={result.removed} kept={result.kept}"
            )

    def _verify(self, files: list[Path]) -> None:
        for file in files:
            totals = archive.ArchiveTotals()
            try:
                for line in archive.read_archive(file):
                    totals.add(line)
            except archive.CorruptArchive as error:
                raise CommandError(str(error)) from error
            sums = " ".join(
                f"{currency}={captured}-{refunded}"
                for currency, (captured, refunded) in sorted(totals.totals.items())
            )
            self.stdout.write(f"{file} orders={totals.orders} {sums}")
