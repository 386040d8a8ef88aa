"""The demo shop, over the front door of the package, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SHOPS = """
import django, re
django.setup()
from django.core.management import call_command
call_command("demo", no_serve=True)
call_command("demo", no_serve=True)          # again: changes nothing
from django.conf import settings
settings.ALLOWED_HOSTS = ["127.0.0.1"]
from django.test import Client
from django.contrib.auth.models import User
from demo_shop.models import *
from nexi_payments import conf, flows
from nexi_payments.models import *
assert Product.objects.count() == 4 and User.objects.count() == 5
c = Client(HTTP_HOST="127.0.0.1")
assert c.login(username="shopper", password="shopper")
assert c.get("/checkout/").status_code == 302          # an empty basket
cup = Product.objects.first()
for _ in range(3):
    c.post(f"/basket/{cup.pk}/")
c.post(f"/basket/{cup.pk}/", {"less": ""})
assert "25.00" in c.get("/basket/").content.decode()
who = {"name": "Giulia", "email": "g@shop.example", "terminal": "default"}
assert c.get("/checkout/").status_code == 200
first = c.post("/checkout/", who)["Location"]
assert c.post("/checkout/", who)["Location"] == first    # the same payment
other = c.post("/checkout/", {**who, "terminal": "two_steps"})["Location"]
assert other != first
order = PaymentOrder.objects.get(live_reference__isnull=False)
card = {"cardholder_name": "G", "card_number": "4349940199004549", "expiry": "12/30",
        "security_code": "396"}
page = c.post(other, card).content.decode()
back = re.search(r'name="ReturnUrl" value="http://127.0.0.1([^"]*)"', page)[1]
operation = re.search(r'name="transactionId" value="([^"]*)"', page)[1]
fields = conf.simulator().challenge(operation, "approve")
# the basket changes in another tab meanwhile
c.post(f"/basket/{cup.pk}/")
r = Client(HTTP_HOST="127.0.0.1").post(back, fields)
# a tab that was left open checks the same basket out once more: it is paid already
sent = ShopOrder.objects.count()
assert c.post("/checkout/", who)["Location"] == f"/orders/{order.reference}/"
assert ShopOrder.objects.count() == sent
thanks = c.get(r["Location"])["Location"]
assert f"payment={order.public_id}" in thanks
page = c.get(thanks).content.decode()
assert "data-paid" in page
order.refresh_from_db()
assert (order.state, order.amount) == ("paid", 2500)
parcel = Fulfilment.objects.get()
assert (parcel.order.number, parcel.signals) == (order.reference, 1)
assert c.session["basket"] == {}
# the signal once more: still one parcel
from nexi_payments import outbox
outbox.send(Event.objects.get(kind="paid"))
parcel.refresh_from_db()
assert (Fulfilment.objects.count(), parcel.signals) == (1, 2)
stranger = Client(HTTP_HOST="127.0.0.1")
assert stranger.get(thanks).status_code == 404
assert "/login/" in stranger.get("/account/")["Location"]
assert order.reference in c.get("/account/").content.decode()
assert c.get("/admin/").status_code == 302
print("ALL WELL", ShopOrder.objects.count())
"""


def test_a_shopper_in_the_demo(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOPS],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}",
            "NEXI_SIMULATOR_STATE": str(tmp_path / "simulator.sqlite3"),
            "PYTHONPATH": str(ROOT),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "ALL WELL 1" in done.stdout, done.stdout + done.stderr
    assert "shopper / shopper" in done.stdout


def test_the_demo_needs_debug(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--no-serve"],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
            "DEBUG": "false",
            "SECRET_KEY": "x",
            "NEXI_API_KEY": "k",
            "NEXI_BASE_URL": "http://localhost:1/",
            "NEXI_PUBLIC_URL": "http://127.0.0.1:8000",
            "NEXI_HOLD_KEYS": "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "needs DEBUG" in done.stderr
    assert not (tmp_path / "demo.sqlite3").exists()
