"""kill -9 between any two steps of a queued refund, in the shop's process and in the
worker's: it is sent once, or, before the commit, never."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nexi_payments.simulator import Simulator
from nexi_payments.simulator.server import run_in_thread
from tests.system.test_crash import ask, environment, folder

assert folder  # the fixture

pytestmark = pytest.mark.seen_on("sqlite")

#: A step is a statement of the database, or a request to Nexi before its first byte.
#: For each number a child process dies just before that step, until one survives.
DIES_AT_EACH_STEP = """
import django, os, signal, sys
django.setup()
from datetime import timedelta
from decimal import Decimal
import time_machine
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.utils import timezone
from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.flows import refund_worker
from nexi_payments.models import *

who = sys.argv[1]
step = last = 0

def count():
    global step
    step += 1
    if step == last:
        os.kill(os.getpid(), signal.SIGKILL)

def statement(execute, *arguments):
    count()
    return execute(*arguments)

def request(event, arguments):
    if event == "http.client.send" and arguments[1].startswith((b"GET", b"POST")):
        count()

sys.addaudithook(request)

def pay(number):
    order = flows.create_order(
        amount=Decimal("12.50"), currency="EUR", reference=str(number), terminal="moto")
    card = Card("4999340261977289", "1230", "663")
    flows.pay_moto(order, card, cardholder="G B", allow_duplicate=True)
    return order

def enqueue(order):
    with transaction.atomic():
        flows.enqueue_refund(order, Decimal("2.00"), key=order.order_id)

def enqueue_only(order):
    with transaction.atomic():
        flows.enqueue_refund(order, Decimal("2.00"), key=order.order_id)
        connection.run_on_commit.clear()

def work(order):
    with time_machine.travel(timezone.now() + timedelta(seconds=11), tick=True):
        refund_worker.send_due()

def hurry(connection, **kwargs):  # a killed process loses no write; a power failure may
    connection.cursor().execute("PRAGMA synchronous=OFF")

connection_created.connect(hurry)
survived, number = False, 0
while not survived:
    number += 1
    order = pay(number)
    if who == "worker":
        enqueue_only(order)
    connection.close()
    child = os.fork()
    if child == 0:
        with connection.execute_wrapper(statement):
            step, last = 0, number
            work(order) if who == "worker" else enqueue(order)
        os._exit(0)
    survived = os.waitpid(child, 0)[1] == 0
print(number)
"""

#: Passes of the reconciler over twenty minutes.
AFTERWARDS = """
import django, json
django.setup()
from datetime import timedelta
import time_machine
from django.utils import timezone
from nexi_payments import flows
from nexi_payments.models import *
for minutes in range(1, 21):
    later = timezone.now() + timedelta(minutes=minutes)
    with time_machine.travel(later, tick=True):
        flows.reconcile()
print(json.dumps([
    [order.order_id, order.queued_amount, order.refunded_amount,
     order.refunding_amount,
     list(order.queued_refunds.values_list("state", flat=True)),
     list(order.operations.filter(kind="refund").values_list("outcome", flat=True))]
    for order in PaymentOrder.objects.order_by("pk")]))
"""


@pytest.mark.parametrize("who", ["shop", "worker"])
def test_killed_before_any_step(folder: Path, who: str) -> None:
    gateway = Simulator()
    with run_in_thread(gateway) as server:
        env = environment(folder, server.base_url)
        env["NEXI_TOTAL_TIMEOUT"] = "20"
        said = [ask(env, program, who) for program in (DIES_AT_EACH_STEP, AFTERWARDS)]
    orders = json.loads(said[1])
    assert len(orders) == int(said[0]) > 20
    queued = [one for one in orders if one[4]]
    for order_id, *found in queued:
        assert found == [0, 200, 0, ["sent"], ["done"]], order_id
        assert gateway.charge_of(order_id).refunded == 200
    for order_id, *found in orders:
        if order_id not in {one[0] for one in queued}:
            assert (who, found) == ("shop", [0, 0, 0, [], []])
            assert gateway.charge_of(order_id).refunded == 0
    assert gateway.counts["POST /operations/{id}/refunds"] == len(queued) > 10
    gateway.close()
