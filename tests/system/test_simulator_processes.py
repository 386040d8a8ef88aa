"""A project in development: its processes see one simulator, and a restart keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexi_payments.simulator import TEST_CARDS
from tests.testing.project import Project

pytestmark = pytest.mark.seen_on("sqlite")

SETUP = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from decimal import Decimal
from django.test import Client
from django.utils import timezone
from nexi_payments import conf, flows
from nexi_payments.flows.inquiry import query
from nexi_payments.models import PaymentOrder
from nexi_payments.testing.forms import parse_form
from nexi_payments.testing.shopper import Shopper
query.INQUIRE_AFTER = (0.0, 0.0)
shopper = Shopper(Client(headers={"host": "localhost"}))
shopper.browser_without_cookies = lambda: shopper.browser
simulator = conf.simulator()
"""
#: A worker that hands out the challenge.
START = """
order = flows.create_order(amount=Decimal("12.50"), currency="EUR", reference="D-1")
form = parse_form(shopper.submit_card(order))
print(form.fields["transactionId"], form.fields["ReturnUrl"])
"""
#: Another one, to which the shopper returns. The responses to the charge and to the two
#: inquiries after it never arrive.
RETURN = """
import sys
form = parse_form(None)
form.fields = dict(zip(("transactionId", "ReturnUrl"), sys.argv[1:]))
answer = simulator.answer_challenge(form.operation_id, "approve")
simulator.lose_next_answer("/payment")
simulator.lose_next_answer("/orders/" + PaymentOrder.objects.get().order_id)
simulator.lose_next_answer("/orders/" + PaymentOrder.objects.get().order_id)
shopper.return_from_issuer(form, answer)
print(PaymentOrder.objects.get().state, simulator.calls[0].order_id)
PaymentOrder.objects.update(next_poll_at=timezone.now())
"""
REFUND = """
flows.refund(PaymentOrder.objects.get())
order = PaymentOrder.objects.get()
print(order.state, simulator.charge_of(order.order_id).refunded)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    project = Project(
        tmp_path, 'NEXI_PAYMENTS = {"TERMINALS": {"default": {"API_KEY": None}}}'
    )
    assert project.run("manage.py", "migrate").returncode == 0
    return project


def said(shop: Project, *arguments: str) -> list[str]:
    done = shop.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_one_process_charged_another_one_finds(shop: Project) -> None:
    operation, return_url = said(shop, "-c", SETUP + START)
    state, order_id = said(shop, "-c", SETUP + RETURN, operation, return_url)
    assert state == "paying"
    assert order_id
    said(shop, "manage.py", "nexi_reconcile")
    assert said(shop, "-c", SETUP + REFUND) == ["refunded", "1250"]

    file = shop.place / "db.nexi_simulator.sqlite3"
    doctor = shop.run("manage.py", "nexi_doctor").stdout
    assert f"simulator: no card is charged; its orders are in {file}\n" in doctor
    kept = b"".join(one.read_bytes() for one in shop.place.glob(f"{file.name}*"))
    assert b"434994******4549" in kept
    assert not [card for card in TEST_CARDS if card.number.encode() in kept]
