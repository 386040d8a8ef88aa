"""nexi_doctor: its findings, and that it changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from nexi_payments import signals
from nexi_payments.doctor import backlog
from nexi_payments.flows.ledger import discrepancies
from nexi_payments.models import Event, PaymentOrder, QueuedRefund
from nexi_payments.models.bookkeeping import Heartbeat, SweepCursor, TerminalOutage
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Reply, Simulator
from tests.support.contracts import MONTHLY, Clock, make_contract
from tests.support.in_doubt import DAY, payment_in_doubt
from tests.support.queued_refunds import enqueue_and_die
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def ship(**kwargs: Any) -> None:
    """The shop's receiver."""


@pytest.fixture(autouse=True)
def a_shop_that_runs(db: None) -> Iterator[None]:
    """Somebody reconciles, and somebody ships."""
    Heartbeat.objects.create(name="reconcile", ended_at=timezone.now(), host="cron")
    signals.payment_paid.connect(ship)
    yield
    signals.payment_paid.disconnect(ship)


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
    # times and the clocks of servers change
    said = re.sub(r"\b[0-9]+ (ms|s ago)", r"1 \1", said)
    methods = "  1 ms: VISA, MC, MAESTRO, AMEX"
    assert [one for one in said.splitlines() if "clock of" not in one] == [
        "terminal default: simulator, 3steps, automatic, the built-in simulator:"
        " answers",
        "  no API key of Nexi is used",
        methods,
        "terminal two: simulator, 2steps, automatic, the built-in simulator: answers",
        "  no API key of Nexi is used",
        methods,
        "terminal manual: simulator, 3steps, manual, the built-in simulator: answers",
        "  no API key of Nexi is used",
        methods,
        "terminal moto: simulator, 3steps, automatic, MOTO, the built-in simulator:"
        " answers",
        "  no API key of Nexi is used",
        "  at most 1000 per payment",
        methods,
        "simulator: no card is charged; its orders are in the memory of each process:"
        " no other process finds its payments",
        "urls:",
        "  ReturnUrl: http://127.0.0.1:8000/payments/return/<payment>/<token>/",
        "  result: http://127.0.0.1:8000/payments/result/<payment>/",
        "  status: http://127.0.0.1:8000/payments/status/<payment>/",
        "receivers:",
        "  payment_paid: tests.doctor.test_doctor.ship",
        *(
            f"  {name}: none"
            for name in (
                "payment_authorized",
                "payment_failed",
                "payment_refunded",
                "payment_voided",
                "payment_needs_review",
                "payment_duplicate",
                "payment_superseded",
                "payment_captured",
                "capture_cancelled",
                "refund_failed",
                "contract_activated",
                "contract_on_hold",
                "contract_ended",
                "discrepancy_found",
            )
        ),
        "sealed card keys: 1 (SEALED_CARD_KEYS); stored in database",
        "nexi_reconcile: last ran 1 s ago on cron",
        "database default:",
        "  charges in doubt: 0",
        "  open hosted pages: 0",
        "  unconfirmed captures, voids and refunds: 0",
        "  queued refunds: 0",
        "  queued refunds that wait for an hour: 0",
        "  under review: 0",
        "  overdue polls: 0",
        "  undelivered signals: 0",
        "  expired sealed cards: 0",
        "  failing signals: 0",
        "  recurring charges that end with an exception: 0",
        "  unresolved discrepancies: 0",
        "audit trail: no entry",
        "No problems found. The simulator is used: no card is charged.",
    ]


def test_doubt_alone_is_no_illness(shopper: Shopper, capsys: Any) -> None:
    payment_in_doubt(shopper)
    code, said = ask(capsys, "--offline")
    assert code == 0
    assert "charges in doubt: 1" in said
    assert said.count("not contacted") == 4


def test_a_gateway_that_does_not_know_the_key(gateway: Simulator, capsys: Any) -> None:
    gateway.next_reply("/payment_methods", Reply(401))
    code, said = ask(capsys)
    assert code == 1
    assert (
        "default: simulator, 3steps, automatic, the built-in simulator: does not"
        in said
    )
    assert said.count(": answers") == 3
    assert (
        said.count(
            "this API key is unknown there: is it for sandbox or production? for NPG,"
        )
        == 1
    )
    assert said.endswith("Action needed.\n")
    assert not TerminalOutage.objects.exists()  # it only looks


def test_an_alarm(gateway: Simulator, capsys: Any) -> None:
    TerminalOutage.objects.create(terminal="two", since=timezone.now(), status=401)
    code, said = ask(capsys)
    assert code == 1
    assert "answers; no charges since " in said
    assert TerminalOutage.objects.exists()


def test_breaks_by_their_kind(order: PaymentOrder, capsys: Any) -> None:
    discrepancies.record(order, "mismatch", "1250", "1251")
    discrepancies.record(None, "unknown_charge", "no such order", "PAB1 1250 EUR")
    discrepancies.record(None, "unknown_charge", "no such order", "PAB2 1250 EUR")
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "unresolved discrepancies: 3\n    mismatch: 1\n    unknown_charge: 2" in said
    order.discrepancies.update(resolved_at=timezone.now())
    assert "unresolved discrepancies: 2" in ask(capsys, "--offline")[1]


def test_nobody_reconciles(shopper: Shopper, order: PaymentOrder, capsys: Any) -> None:
    shopper.start(order)
    long_ago = timezone.now() - timedelta(hours=1)
    PaymentOrder.objects.update(next_poll_at=long_ago)
    SealedCard.objects.update(expires_at=long_ago)
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "overdue polls: 1" in said
    assert "expired sealed cards: 1" in said
    assert "nexi_reconcile does not run" in said
    assert PaymentOrder.objects.get().next_poll_at == long_ago


def test_refunds_that_wait(shopper: Shopper, capsys: Any) -> None:
    enqueue_and_die(shopper.pay(new_order()), "5.00")
    code, said = ask(capsys, "--offline")
    assert code == 0
    assert "queued refunds: 1\n  queued refunds that wait for an hour: 0" in said
    QueuedRefund.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "queued refunds that wait for an hour: 1" in said


def test_a_terminal_that_a_queued_refund_needs(shopper: Shopper, capsys: Any) -> None:
    order = shopper.pay(new_order())
    enqueue_and_die(order, "5.00")
    PaymentOrder.objects.update(terminal="gone")
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "Terminal gone is not in NEXI_PAYMENTS['TERMINALS']: refunds 1" in said


def test_signals_that_nobody_takes(shopper: Shopper, capsys: Any) -> None:
    shopper.pay(new_order())
    now, long_ago = timezone.now(), timezone.now() - timedelta(hours=1)
    Event.objects.filter(kind="paid").update(
        created_at=long_ago, deliver_at=now + timedelta(hours=1)
    )
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "undelivered signals: 1" in said  # it waits for its next attempt


@pytest.mark.parametrize(
    ("environment", "address", "code", "says"),
    [
        ("production", None, 0, "its API key is for Nexi's NPG, production"),
        ("sandbox", None, 0, "its API key is for Nexi's NPG, sandbox"),
        ("sandbox", "http://localhost:9/x", 0, "for the server at localhost"),
        (
            "production",
            "https://xpaysandbox.nexigroup.com/api/phoenix-0.0/psp/api/v1",
            1,
            "is production, and xpaysandbox.nexigroup.com is Nexi's sandbox",
        ),
    ],
)
def test_whose_key_it_is(
    change_settings: Any,
    capsys: Any,
    environment: str,
    address: Any,
    code: int,
    says: str,
) -> None:
    terminal = {"API_KEY": "secret-key", "ENVIRONMENT": environment}
    change_settings(
        TERMINALS={
            "default": {**terminal, **({"BASE_URL": address} if address else {})}
        },
        PUBLIC_URL="https://shop.example",
    )
    found, said = ask(capsys, "--offline")
    assert (found, says in said) == (code, True)
    assert "secret-key" not in said
    assert "https://shop.example/payments/return/<payment>/<token>/" in said


def test_an_answer_without_a_list(gateway: Simulator, capsys: Any) -> None:
    gateway.next_reply("/payment_methods", Reply(200, b'{"paymentMethods":{}}'))
    code, said = ask(capsys)
    assert code == 1
    assert "does not answer (" in said
    assert "this API key is unknown" not in said


def test_nobody_ships(capsys: Any) -> None:
    signals.payment_paid.disconnect(ship)
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "payment_paid: none" in said


def test_receivers_by_their_names() -> None:
    class Parcel:
        def send(self, **kwargs: Any) -> None: ...

        def __call__(self, **kwargs: Any) -> None: ...

    parcel, gone = Parcel(), Parcel()
    try:
        for receiver in (parcel.send, parcel, gone.send):
            signals.payment_paid.connect(receiver)
        del gone, receiver
        names = signals.receiver_names(signals.payment_paid)
    finally:
        signals.payment_paid.disconnect(parcel.send)
        signals.payment_paid.disconnect(parcel)
    here = "tests.doctor.test_doctor.test_receivers_by_their_names.<locals>.Parcel"
    assert names == ["tests.doctor.test_doctor.ship", f"{here}.send", here]


def test_addresses_that_cannot_be_made(settings: Any, capsys: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.urls_empty"
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "urls:\n  none: 'nexi_payments' is not a registered namespace" in said


@pytest.mark.parametrize(
    ("age", "code", "says"),
    [
        (None, 1, "nexi_reconcile: no completed run"),
        (
            timedelta(seconds=590),
            0,
            "nexi_reconcile: last ran 590 s ago on an unknown host",
        ),
        (
            timedelta(seconds=610),
            1,
            "nexi_reconcile: last ran 610 s ago on an unknown host",
        ),
    ],
)
def test_when_the_reconciler_last_ran(
    capsys: Any, age: timedelta | None, code: int, says: str
) -> None:
    Heartbeat.objects.all().delete()
    if age is not None:
        Heartbeat.objects.create(name="reconcile", ended_at=timezone.now() - age)
    found, said = ask(capsys, "--offline")
    assert (found, says in said) == (code, True)


def test_due_charges_that_wait_for_a_sweep(
    shopper: Shopper, clock: Clock, capsys: Any
) -> None:
    make_contract(shopper, terms=MONTHLY)
    waiting = "terminal default: 1 due charges wait for a sweep"
    assert waiting not in ask(capsys, "--offline")[1]
    clock.advance(31 * DAY)
    code, said = ask(capsys, "--offline")
    assert (code, waiting in said) == (1, True)
    SweepCursor.objects.create(terminal="default", swept_at=timezone.now())
    assert waiting not in ask(capsys, "--offline")[1]


def test_hold_keys_are_counted_and_not_shown(
    settings: Any, change_settings: Any, capsys: Any
) -> None:
    keys = ["b25lb25lb25lb25lb25lb25lb25lb25lb25lb25lb25=", "dHdv" * 10 + "dHc="]
    change_settings(SEALED_CARD_KEYS=keys)
    said = ask(capsys, "--offline")[1]
    assert "sealed card keys: 2 (SEALED_CARD_KEYS); stored in database" in said
    assert not [key for key in keys if key in said]
    real = {**settings.NEXI_PAYMENTS["TERMINALS"], "real": {"API_KEY": "k"}}
    change_settings(SEALED_CARD_KEYS=[], TERMINALS=real)
    code, said = ask(capsys, "--offline")
    assert (code, "sealed card keys: 0 (SEALED_CARD_KEYS)" in said) == (1, True)
    settings.DEBUG = True
    code, said = ask(capsys, "--offline")
    assert (code, "sealed card keys: 1 (derived from SECRET_KEY)" in said) == (0, True)


def test_checks_are_findings_too(
    change_settings: Any, settings: Any, capsys: Any
) -> None:
    change_settings(SEALED_CARD_TTL=1000)
    code, said = ask(capsys, "--offline")
    assert code == 0  # a warning
    assert said.startswith(
        "nexi_payments.W003: SEALED_CARD_TTL is longer than 15 minutes.\n"
    )
    change_settings(TERMINALS={"default": {"API_KEY": "k", "LINK_TERMINAL": "gone"}})
    code, said = ask(capsys, "--offline")
    assert code == 1
    assert "nexi_payments.E006: LINK_TERMINAL" in said
    settings.SILENCED_SYSTEM_CHECKS = ["nexi_payments.E006"]
    assert ask(capsys, "--offline")[0] == 0


def test_settings_that_cannot_be_read(change_settings: Any, capsys: Any) -> None:
    change_settings(SEALED_CARD_TLL=1)
    code, said = ask(capsys, "--offline")
    assert code == 2
    assert "unknown key 'SEALED_CARD_TLL'. Did you mean 'SEALED_CARD_TTL'?" in said


def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def away() -> Any:
        raise OperationalError("at 10.0.0.5 with password secret")
        yield

    monkeypatch.setattr(backlog, "row_counts", away)
    code, said = ask(capsys, "--offline")
    assert code == 2
    assert "the database does not answer: OperationalError" in said
    assert "secret" not in said


def test_for_scripts(gateway: Simulator, order: PaymentOrder, capsys: Any) -> None:
    discrepancies.record(order, "mismatch", "1250", "1251")
    code, said = ask(capsys, "--json")
    found = json.loads(said)
    assert code == found["exit"] == 1
    parts = {one["section"] for one in found["findings"]}
    assert parts >= {
        "terminal default",
        "urls",
        "receivers",
        "discrepancies",
        "database",
    }
    facts = {k: v for one in found["findings"] for k, v in one["data"].items()}
    assert facts["payment_paid"] == ["tests.doctor.test_doctor.ship"]
    assert facts["kinds"] == {"mismatch": 1}
    bad = [one["section"] for one in found["findings"] if one["level"] != "ok"]
    assert bad == ["discrepancies", "discrepancies"]
