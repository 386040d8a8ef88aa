"""kill -9 during a payment call: reconciliation settles the operation."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from nexi_payments.simulator.server import run_in_thread
from tests.support import warm_processes
from tests.support.warm_processes import WarmProcess

pytestmark = pytest.mark.seen_on("sqlite")

ROOT = Path(__file__).resolve().parents[2]

PAYS = """
import django, sys, re
django.setup()
from decimal import Decimal
from nexi_payments import flows
from nexi_payments.card import Card
order = flows.create_order(amount=Decimal("12.50"), currency="EUR", reference="crash")
step = flows.start_payment(order, Card("4999340261977289", "1230", "663"))
url = step.redirect.fields["ReturnUrl"]
print(step.redirect.fields["transactionId"], url, order.order_id, flush=True)
pares = sys.stdin.readline().strip()
flows.resume_payment(order, url.split("/")[-2], pares=pares)
print("SURVIVED", flush=True)
"""

PAYS_AND_DIES = """
import django, os, signal, sys
django.setup()
from decimal import Decimal
from demo_shop.models import ShopOrder
from nexi_payments import flows, outbox
from nexi_payments.card import Card
from nexi_payments.models import Event
ShopOrder.objects.create(number="crash", name="G", email="g@example.com", total="12.50")
order = flows.create_order(amount=Decimal("12.50"), currency="EUR", reference="crash")
step = flows.start_payment(order, Card("4999340261977289", "1230", "663"))
url = step.redirect.fields["ReturnUrl"]
print(step.redirect.fields["transactionId"], flush=True)
pares = sys.stdin.readline().strip()
deliver = outbox._deliver_new
def die(event):
    if event.kind == "paid":
        os.kill(os.getpid(), signal.SIGKILL)
    deliver(event)
outbox._deliver_new = die
flows.resume_payment(order, url.split("/")[-2], pares=pares)
print("SURVIVED", flush=True)
"""

HEARS = """
import django
django.setup()
from demo_shop.models import Fulfilment
from nexi_payments import flows
from nexi_payments.models import *
from nexi_payments.models.sealed_card import SealedCard
event = Event.objects.get(kind="paid")
counts = flows.reconcile()
print(counts.delivered, PaymentOrder.objects.get().state, event.delivered_at is None,
      *Fulfilment.objects.values_list("order__number", "signals", "event_id"), event.pk)
"""

LATER = """
import django
django.setup()
from django.utils import timezone
from nexi_payments.models import Event
print(Event.objects.exclude(deliver_at=None).update(deliver_at=timezone.now()))
"""

#: Reconciles at so many seconds after the charge, however slowly this process starts.
ASKS = """
import django, sys
django.setup()
from datetime import timedelta
import time_machine
from nexi_payments import flows
from nexi_payments.models import *
from nexi_payments.models.sealed_card import SealedCard
began = PaymentOrder.objects.get().charging_since
for seconds in map(int, sys.argv[1:]):
    with time_machine.travel(began + timedelta(seconds=seconds), tick=True):
        print(
            flows.reconcile(), *PaymentOrder.objects.values_list("state", flat=True),
            *Operation.objects.filter(kind="payment").values_list("outcome", flat=True),
            SealedCard.objects.count())
"""


@pytest.fixture
def folder(demo_tables: Path, tmp_path: Path) -> Path:
    """The folder of one test's database."""
    shutil.copy(demo_tables, tmp_path / "crash.sqlite3")
    return tmp_path


def environment(folder: Path, base_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'crash.sqlite3'}",
        "NEXI_BASE_URL": base_url,
        "NEXI_PUBLIC_URL": "http://127.0.0.1:8000",
        "NEXI_TOTAL_TIMEOUT": "3",
        "NEXI_SETTLE_AFTER": "1",
        "PYTHONPATH": str(ROOT),
    }


def ask(env: dict[str, str], program: str, *arguments: str) -> str:
    done = warm_processes.run("-c", program, *arguments, env=env, cwd=ROOT, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("charged", [True, False], ids=["charged", "not charged"])
def test_killed_during_the_payment_call(folder: Path, charged: bool) -> None:
    gateway = Simulator()
    arrived, go_on = threading.Event(), threading.Event()
    handle = gateway.handle

    def stalling(method: str, url: str, headers: Any, body: bytes) -> Any:
        if not url.endswith("/payment"):
            return handle(method, url, headers, body)
        if charged:
            reply = handle(method, url, headers, body)
        arrived.set()
        go_on.wait(30)
        return reply if charged else handle("GET", url, headers, b"")

    gateway.handle = stalling  # type: ignore[method-assign]
    with run_in_thread(gateway) as server:
        env = environment(folder, server.base_url)
        process = WarmProcess("-c", PAYS, env=env, cwd=ROOT, stdin=PIPE, stdout=PIPE)
        operation_id, _, order_id = process.stdout.readline().split()
        pares = gateway.answer_challenge(operation_id, "approve")["PaRes"]
        process.stdin.write(pares + "\n")
        process.stdin.flush()
        assert arrived.wait(30)
        process.kill()
        process.wait()
        assert process.stdout.read() == ""
        process.stdin.close()
        process.stdout.close()
        go_on.set()
        early, first, *later = ask(env, ASKS, "2", "11", "12", "13").splitlines()
        # under way and in doubt look alike: nothing is settled before the deadline
        assert early.endswith("paying open 0")
        # three inquiries, a lag apart, the first after a dead process lost its claim
        assert first.endswith("paid done 0" if charged else "paying open 0")
        assert later[-1].endswith("paid done 0" if charged else "failed declined 0")
        assert gateway.counts["POST /orders/3steps/payment"] == int(charged)
        assert gateway.charge_count(order_id) == int(charged)
    gateway.close()


def test_killed_between_commit_and_delivery(folder: Path) -> None:
    """The next reconciler delivers the event, once."""
    with run_in_thread(Simulator()) as server:
        env = environment(folder, server.base_url)
        env["NEXI_TOTAL_TIMEOUT"] = "60"  # so long an event belongs to its process
        process = WarmProcess(
            "-c", PAYS_AND_DIES, env=env, cwd=ROOT, stdin=PIPE, stdout=PIPE
        )
        operation_id = process.stdout.readline().strip()
        pares = server.simulator.answer_challenge(operation_id, "approve")["PaRes"]
        process.stdin.write(pares + "\n")
        process.stdin.close()
        assert process.wait() == -signal.SIGKILL
        assert process.stdout.read() == ""
        process.stdout.close()
        # the writing process may still deliver it
        assert ask(env, HEARS).startswith("0 paid True")
        assert ask(env, LATER) == "1"
        delivered, state, waited, *parcel = ask(env, HEARS).split(" ", 3)
        assert (delivered, state, waited) == ("1", "paid", "True")
        row, _, event_id = parcel[0].rpartition(" ")
        assert row == f"('crash', 1, {event_id})"
        assert ask(env, HEARS).startswith("0 paid False")
        server.simulator.close()
