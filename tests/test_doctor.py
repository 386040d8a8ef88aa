"""What the doctor says, and that it only looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from nexi_payments.flows import breaks
from nexi_payments.models import Event, Hold, PaymentOrder, TerminalAlarm
from nexi_payments.simulator import Reply, Simulator
from tests.doubt import in_doubt
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def ask(capsys: Any, *args: str) -> tuple[int, str]:
    try:
        call_command("nexi_doctor", *args)
        code = 0
    except SystemExit as end:
        code = int(str(end.code))
    return code, capsys.readouterr().out


def test_all_is_well(gateway: Simulator, shopper: Shopper, capsys: Any) -> None:
    shopper.pay(new_order())
    code, said = ask(capsys)
    assert code == 0
    assert said.splitlines() == [
        "terminal default: simulator, 3steps, automatic, the built-in simulator:"
        " answers",
        "terminal two: simulator, 2steps, automatic, the built-in simulator: answers",
        "terminal manual: simulator, 3steps, manual, the built-in simulator: answers",
        "terminal moto: simulator, 3steps, automatic, MOTO, the built-in simulator:"
        " answers",
        "database default:",
        "  charges in doubt: 0",
        "  captures, voids and refunds not confirmed: 0",
        "  under review: 0",
        "  due, and not looked at: 0",
        "  signals not delivered: 0",
        "  held cards past their time: 0",
        "  disagreements not dealt with: 0",
        "All is well.",
    ]


def test_doubt_alone_is_no_illness(shopper: Shopper, capsys: Any) -> None:
    in_doubt(shopper)
    code, said = ask(capsys, "--offline")
    assert code == 0
    assert "charges in doubt: 1" in said
    assert said.count("not asked") == 4


def test_a_gateway_that_does_not_know_the_key(gateway: Simulator, capsys: Any) -> None:
    gateway.next_reply("/payment_methods", Reply(401))
    code, said = ask(capsys)
    assert code == 1
    assert (
        "default: simulator, 3steps, automatic, the built-in simulator: does not"
        in said
    )
    assert said.count(": answers") == 3
    assert said.endswith("Somebody has to look at this.\n")
    assert not TerminalAlarm.objects.exists()  # it only looks


def test_an_alarm(gateway: Simulator, capsys: Any) -> None:
    TerminalAlarm.objects.create(terminal="two", since=timezone.now(), status=401)
    code, said = ask(capsys)
    assert code == 1
    assert "answers; takes no charges since " in said
    assert TerminalAlarm.objects.exists()


def test_breaks_by_their_kind(order: PaymentOrder, capsys: Any) -> None:
    breaks.record(order, "mismatch", "1250", "1251")
    breaks.record(None, "unknown_charge", "no such order", "PAB1 1250 EUR")
    breaks.record(None, "unknown_charge", "no such order", "PAB2 1250 EUR")
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert (
        "disagreements not dealt with: 3\n    mismatch: 1\n    unknown_charge: 2"
        in said
    )
    order.breaks.update(resolved_at=timezone.now())
    assert "disagreements not dealt with: 2" in ask(capsys, "--offline")[1]


def test_nobody_reconciles(shopper: Shopper, order: PaymentOrder, capsys: Any) -> None:
    shopper.start(order)
    long_ago = timezone.now() - timedelta(hours=1)
    PaymentOrder.objects.update(due_at=long_ago)
    Hold.objects.update(expires_at=long_ago)
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "due, and not looked at: 1" in said
    assert "held cards past their time: 1" in said
    assert "nexi_reconcile does not run" in said
    assert PaymentOrder.objects.get().due_at == long_ago


def test_signals_that_nobody_takes(shopper: Shopper, capsys: Any) -> None:
    shopper.pay(new_order())
    Event.objects.filter(kind="paid").update(
        deliver_at=timezone.now() - timedelta(hours=1)
    )
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "signals not delivered: 1" in said
