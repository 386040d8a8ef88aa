"""``manage.py nexi_close_day``: compare a day with Nexi, and keep what was found."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser

from nexi_payments import flows
from nexi_payments.exceptions import (
    DayAlreadyClosed,
    DayNotOver,
    GatewayError,
    NexiPaymentsError,
)
from nexi_payments.flows.closing import days, records
from nexi_payments.models import ClosingDifference, DayClosing


class Command(BaseCommand):
    help = (
        "Compare the operations of a day with those that Nexi lists. Print what"
        " differs, and keep it. A day that was closed before is only printed. Nothing"
        " is closed when Nexi does not answer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--date",
            type=_date,
            metavar="YYYY-MM-DD",
            help="a day of the shop; the last one that can be closed, if left out",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only compare, and keep nothing"
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="close a closed day once more; the earlier closing stays",
        )
        parser.add_argument(
            "--follow-up",
            action="store_true",
            help="then ask Nexi about the payment of each difference",
        )
        parser.add_argument(
            "--json", action="store_true", help="print JSON lines, for scripts"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        day = options["date"] or days.last_closable()
        try:
            if options["dry_run"]:
                closing, differences = _unsaved(flows.compare_day(day))
            else:
                closing = flows.close_day(day, again=options["again"])
                differences = list(closing.differences.all())
        except DayAlreadyClosed as error:
            closing = error.closing
            differences = list(closing.differences.all())
        except DayNotOver as error:
            raise CommandError(str(error)) from error
        except GatewayError as error:
            raise CommandError(f"Nexi did not answer: {error}") from error
        self._print(closing, differences, as_json=options["json"])
        if options["follow_up"]:
            self._follow_up(differences)

    def _print(
        self,
        closing: DayClosing,
        differences: list[ClosingDifference],
        *,
        as_json: bool,
    ) -> None:
        if as_json:
            for line in records.json_lines(closing, differences):
                self.stdout.write(line, ending="")
            return
        for one in differences:
            self.stdout.write(_difference_text(one))
        revision = f"revision={closing.revision} " if closing.pk else ""
        self.stdout.write(
            f"{closing.day} {closing.zone}: {revision}matched={closing.matched}"
            f" missing_here={closing.missing_here}"
            f" missing_there={closing.missing_there} different={closing.different}"
        )

    def _follow_up(self, differences: list[ClosingDifference]) -> None:
        done = set()
        for one in differences:
            if one.order_id in done:
                continue
            done.add(one.order_id)
            try:
                order = flows.follow_up_difference(one)
            except NexiPaymentsError as error:
                self.stderr.write(f"{one.order_id}: {error}")
            else:
                state = order.state if order else "nothing to adopt"
                self.stdout.write(f"{one.order_id} → {state}")


def _unsaved(
    found: flows.DayComparison,
) -> tuple[DayClosing, list[ClosingDifference]]:
    return found.as_closing(revision=0), found.differences


def _difference_text(one: ClosingDifference) -> str:
    ours = f"{one.our_kind} {one.our_outcome} {_amount(one.our_amount)}"
    theirs = f"{one.their_type} {one.their_result} {_amount(one.their_amount)}"
    return " ".join(
        filter(
            None,
            (
                one.kind,
                one.aspects,
                one.terminal,
                one.order_id,
                one.operation_id,
                f"here: {ours.strip() or '-'} {one.our_currency}".rstrip() + ";",
                f"at Nexi: {theirs.strip() or '-'} {one.their_currency}".rstrip(),
            ),
        )
    )


def _amount(minor: int | None) -> str:
    return "" if minor is None else str(minor)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a date like 2026-01-31") from None
