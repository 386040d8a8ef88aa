"""``manage.py nexi_doctor``: is this shop well? Looks, changes nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from nexi_payments import conf, outbox, states
from nexi_payments.exceptions import GatewayError
from nexi_payments.models import (
    Break,
    Event,
    Hold,
    Operation,
    PaymentOrder,
    TerminalAlarm,
    database,
)


class Command(BaseCommand):
    help = (
        "Asks every terminal's gateway whether it knows our key, and counts what waits:"
        " charges in doubt, disagreements, signals that nobody took. Exit 1 if a person"
        " has to do something."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--offline", action="store_true", help="do not ask the gateways"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        well = True
        for terminal in conf.current().terminals.values():
            well &= self._terminal(terminal, ask=not options["offline"])
        well &= self._waiting()
        well &= self._breaks()
        self.stdout.write("All is well." if well else "Somebody has to look at this.")
        if not well:
            raise SystemExit(1)

    def _terminal(self, terminal: conf.Terminal, *, ask: bool) -> bool:
        where = terminal.base_url or "the built-in simulator"
        kinds = [terminal.flow, terminal.capture, *(["MOTO"] if terminal.moto else [])]
        raised = TerminalAlarm.objects.filter(terminal=terminal.name).first()
        answer = self._ask(terminal) if ask else "not asked"
        if raised is not None:
            answer += f"; takes no charges since {raised.since:%Y-%m-%d %H:%M}"
        self.stdout.write(
            f"terminal {terminal.name}: {terminal.environment}, {', '.join(kinds)},"
            f" {where}: {answer}"
        )
        return raised is None and answer in ("answers", "not asked")

    def _ask(self, terminal: conf.Terminal) -> str:
        try:
            conf.client(terminal).payment_methods(conf.trace())
        except GatewayError as error:
            return f"does not answer ({error})"
        return "answers"

    def _waiting(self) -> bool:
        now = timezone.now()
        late = now - 2 * outbox.lease()
        orders, events = PaymentOrder.objects, Event.objects
        counts = {
            "charges in doubt": orders.filter(state=states.PAYING).count(),
            "captures, voids and refunds not confirmed": Operation.objects.filter(
                kind__in=states.AFTERWARDS, outcome__in=states.RESERVING
            ).count(),
            "under review": orders.filter(state=states.REVIEW).count(),
            "due, and not looked at": orders.filter(due_at__lt=late).count(),
            "signals not delivered": events.filter(deliver_at__lt=late).count(),
            "held cards past their time": Hold.objects.filter(
                expires_at__lt=late
            ).count(),
        }
        self.stdout.write(f"database {database.alias()}:")
        for what, count in counts.items():
            self.stdout.write(f"  {what}: {count}")
        idle = counts["due, and not looked at"] or counts["held cards past their time"]
        if idle:
            self.stdout.write("  nexi_reconcile does not run, or not often enough")
        return not (idle or counts["under review"] or counts["signals not delivered"])

    def _breaks(self) -> bool:
        open_ones = Break.objects.filter(resolved_at__isnull=True)
        kinds = Counter(open_ones.values_list("kind", flat=True))
        self.stdout.write(f"  disagreements not dealt with: {sum(kinds.values())}")
        for kind, count in sorted(kinds.items()):
            self.stdout.write(f"    {kind}: {count}")
        return not kinds
