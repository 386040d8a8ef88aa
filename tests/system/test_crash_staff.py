"""kill -9 during a phone payment, a capture or a refund."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from nexi_payments.simulator.server import run_in_thread
from tests.support.warm_processes import WarmProcess
from tests.system.test_crash import ROOT, ask, environment, folder

assert folder  # the fixture

pytestmark = pytest.mark.seen_on("sqlite")

BEGIN = """
import django
django.setup()
from decimal import Decimal
from nexi_payments import flows
from nexi_payments.card import Card
order = flows.create_order(
    amount=Decimal("12.50"), currency="EUR", reference="crash", terminal="moto")
def pay():
    flows.pay_moto(order, Card("4999340261977289", "1230", "663"), cardholder="G B")
"""
DEEDS = {
    "moto": "pay()",
    "refunds": "pay(); flows.refund(order, Decimal('2.00'))",
    "captures": "pay(); flows.capture(order, Decimal('2.00'))",
}
#: Reconciles a minute later, several times.
AFTERWARDS = """
import django
django.setup()
from datetime import timedelta
import time_machine
from django.utils import timezone
from nexi_payments import flows
from nexi_payments.models import *
for minutes in (1, 2, 3, 4):
    later = timezone.now() + timedelta(minutes=minutes)
    with time_machine.travel(later, tick=True):
        for order in PaymentOrder.objects.all():
            flows.reconcile(order)
order.refresh_from_db()
print(order.state, order.captured_amount, order.refunded_amount,
      order.unsettled_since, *order.operations.values_list("kind", "outcome",
      "send_count"))
"""


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize("what", DEEDS)
def test_killed_while_it_is_out(folder: Path, what: str, done: bool) -> None:
    gateway = Simulator()
    arrived, go_on = threading.Event(), threading.Event()
    handle = gateway.handle

    def stalling(method: str, url: str, headers: Any, body: bytes) -> Any:
        if not url.endswith(what) or arrived.is_set():
            return handle(method, url, headers, body)
        reply = handle(method, url, headers, body) if done else None
        arrived.set()
        go_on.wait(30)
        return reply or handle("GET", url, headers, b"")

    gateway.handle = stalling  # type: ignore[method-assign]
    with run_in_thread(gateway) as server:
        env = environment(folder, server.base_url)
        if what == "captures":
            env["NEXI_CAPTURE"] = "manual"
        process = WarmProcess("-c", BEGIN + DEEDS[what], env=env, cwd=ROOT)
        assert arrived.wait(60)
        process.kill()
        process.wait()
        go_on.set()
        told = ask(env, AFTERWARDS)
    if what == "moto":
        # never sent again, charged or not
        assert gateway.counts["POST /orders/moto"] == int(done)
        expected = (
            "paid 1250 0 None ('moto', 'done', 1)"
            if done
            else "failed 0 0 None ('moto', 'declined', 1)"
        )
    elif what == "refunds":
        # sent again with the same key if it is not listed: refunded once
        expected = (
            "paid 1250 200 None ('moto', 'done', 1)"
            f" ('refund', 'done', {1 if done else 2})"
        )
    else:
        expected = (
            "paid 200 0 None ('moto', 'done', 1)"
            f" ('capture', 'done', {1 if done else 2})"
        )
    assert told == expected
    gateway.close()
