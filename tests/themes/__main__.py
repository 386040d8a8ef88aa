"""Asks for every page of ours under a theme, and prints what came: one line a page."""

from __future__ import annotations

from decimal import Decimal

import django
from django.test.utils import setup_test_environment

django.setup()
setup_test_environment()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from nexi_payments import flows  # noqa: E402
from nexi_payments.card import Card  # noqa: E402
from nexi_payments.flows import moto  # noqa: E402
from tests.clerk import BASE, DESK, card_page, order_page, result_page  # noqa: E402
from tests.shopper import CARDS  # noqa: E402

call_command("migrate", verbosity=0)
boss = get_user_model().objects.create_superuser("boss", password="boss")
browser = Client(HTTP_HOST="127.0.0.1:8000")
browser.force_login(boss)
facts = {"currency": "EUR", "terminal": "moto", "actor": flows.Actor(boss)}
orders = [
    moto.open_order(amount=Decimal(n), reference=f"R-{n}", **facts) for n in (1, 2, 3)
]
card = Card(CARDS["challenge"].number, "1230", "396")
flows.pay_moto(orders[0], card, cardholder="Giulia Bianchi")
moto.offer_link(orders[2])
checks = "/admin/nexi_payments/cardcheck/"
check = flows.verify_card(card, terminal="moto")
confirm = {"amount": "0.50", "seen": "1.00"}
for method, path, fields in (
    ("GET", "/admin/", {}),
    ("GET", BASE, {}),
    ("GET", BASE, {"q": "R-1", "created": "today"}),
    ("GET", order_page(orders[0]), {}),
    ("GET", f"{BASE}{orders[0].pk}/history/", {}),
    ("GET", DESK, {}),
    ("POST", DESK, {"amount": ""}),
    ("GET", card_page(orders[1]), {}),
    ("GET", result_page(orders[0]), {}),
    ("GET", result_page(orders[2]), {}),
    ("GET", result_page(orders[0]) + "receipt/", {}),
    ("POST", f"{BASE}{orders[0].pk}/refund/", confirm),
    ("GET", BASE + "to-check/", {}),
    ("GET", BASE + "till/", {}),
    ("GET", BASE + "export/", {}),
    ("GET", checks, {}),
    ("GET", f"{checks}verify/{check.order_id}/", {}),
    ("GET", checks + "verify/", {}),
    ("POST", checks + "verify/", {"card_number": ""}),
    ("GET", "/admin/nexi_payments/contract/", {}),
):
    call = browser.get if method == "GET" else browser.post
    answer = call(path, fields)
    text = b"".join(answer) if answer.streaming else answer.content
    ours = "ours" if b"nexi" in text else "nothing of ours"
    print(method, path.replace(orders[0].public_id, "…"), answer.status_code, ours)
