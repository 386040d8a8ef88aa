"""``manage.py nexi_sandbox_hour``: find out how Nexi's hosted page behaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from nexi_payments import conf
from nexi_payments.conf.terminals import PRODUCTION
from nexi_payments.exceptions import TerminalNotConfigured
from nexi_payments.management.sandbox_hour import steps
from nexi_payments.management.sandbox_hour.notes import Notes, UnusableNotes
from nexi_payments.management.sandbox_hour.person import Person


class Command(BaseCommand):
    help = (
        "Ask Nexi's test environment, step by step and with your help, what no public"
        " document says about the hosted page and payment links, and write the answers"
        " into a file. It holds no card, no secret and no address. Refuses terminals"
        " that take real money. Run it again to go on where it was left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--terminal", default="default", help="a terminal with a test key (default)"
        )
        parser.add_argument(
            "--to",
            default="nexi_sandbox_hour.json",
            help="the file (nexi_sandbox_hour.json)",
        )
        parser.add_argument(
            "--step", choices=list(steps.STEPS), help="only this step, once more"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        terminal = _test_terminal(options["terminal"])
        opener = conf.current().hosted_terminal(terminal)
        try:
            notes = Notes(
                Path(options["to"]),
                terminal=terminal.name,
                environment=opener.environment,
            )
            hour = steps.Hour(
                terminal,
                conf.client(opener, conf.site_address()),
                conf.site_address(),
                Person(input, self.stdout.write),
                notes,
            )
            self._run(hour, options["step"])
        except UnusableNotes as error:
            raise CommandError(str(error)) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("Stopped. Run it again to go on.") from None
        self.stdout.write(f"The answers are in {options['to']}.")

    def _run(self, hour: steps.Hour, only: str | None) -> None:
        for name, step in steps.STEPS.items():
            if name == only or (only is None and hour.notes.find(name) is None):
                self.stdout.write(f"\n{name}: {step.__doc__}")
                hour.notes.write(name, step(hour))
            self._watch_page(hour)
        if (minutes := self._watch_page(hour)) is not None:
            self.stdout.write(
                f'Run it again when the page of step "page" is {minutes} minutes old.'
            )

    def _watch_page(self, hour: steps.Hour) -> int | None:
        facts = hour.notes.find("page")
        if facts is None:
            return None
        due = steps.watch_page(hour, facts)
        hour.notes.write("page", facts)
        return due


def _takes_real_money(terminal: conf.Terminal) -> bool:
    return terminal.is_live or terminal.host_environment == PRODUCTION


def _test_terminal(name: str) -> conf.Terminal:
    """The terminal, if neither it nor the one that opens its page takes real money."""
    settings = conf.current()
    try:
        terminal = settings.terminal(name)
    except TerminalNotConfigured as error:
        raise CommandError(str(error)) from None
    opener = settings.hosted_terminal(terminal)
    if any(map(_takes_real_money, (terminal, opener))):
        raise CommandError(f"{name} takes real money: use a terminal for tests")
    if not terminal.has_hosted_page:
        raise CommandError(f"{name} has no hosted page: set CARDS or METHODS")
    return terminal
