"""Asks for every page of ours under a theme, and prints what came: one line a page."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import django
from django.test.utils import setup_test_environment

django.setup()
setup_test_environment()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from nexi_payments import flows  # noqa: E402
from nexi_payments.card import Card  # noqa: E402
from nexi_payments.flows import moto, payment_link  # noqa: E402
from tests.support.clerk import (  # noqa: E402
    ORDERS_URL,
    PHONE_ORDERS_URL,
    card_url,
    order_url,
    result_url,
)
from tests.support.shopper import CARDS, post_form  # noqa: E402

call_command("migrate", verbosity=0)
boss = get_user_model().objects.create_superuser("boss")
browser = Client(HTTP_HOST="127.0.0.1:8000")
browser.force_login(boss)
facts = {"currency": "EUR", "terminal": "moto", "actor": flows.Actor(boss)}
orders = [
    moto.create_moto_order(amount=Decimal(n), reference=f"R-{n}", **facts)
    for n in (1, 2, 3)
]
card = Card(CARDS["challenge"].number, "1230", "396")
flows.pay_moto(orders[0], card, cardholder="Giulia Bianchi")
payment_link.offer_link(orders[2])
checks = "/admin/nexi_payments/cardverification/"
check = flows.verify_card(card, terminal="moto")
confirm = {"amount": "0.50", "expected_remaining": "1.00"}
unclear = {"amount": "1.500", "expected_remaining": "1.00"}
for method, path, fields in (
    ("GET", "/admin/", {}),
    ("GET", ORDERS_URL, {}),
    ("GET", ORDERS_URL, {"q": "R-1", "created": "today"}),
    ("GET", order_url(orders[0]), {}),
    ("GET", f"{ORDERS_URL}{orders[0].pk}/history/", {}),
    ("GET", PHONE_ORDERS_URL, {}),
    ("POST", PHONE_ORDERS_URL, {"amount": ""}),
    ("POST", PHONE_ORDERS_URL, {**unclear, "currency": "EUR", "reference": "R-4"}),
    ("GET", card_url(orders[1]), {}),
    ("GET", result_url(orders[0]), {}),
    ("GET", result_url(orders[2]), {}),
    ("GET", f"{ORDERS_URL}{orders[0].pk}/receipt/", {}),
    ("POST", f"{ORDERS_URL}{orders[0].pk}/refund/", confirm),
    ("POST", f"{ORDERS_URL}{orders[0].pk}/refund/", unclear),
    ("GET", ORDERS_URL + "review-queue/", {}),
    ("GET", ORDERS_URL + "daily-report/", {}),
    ("GET", ORDERS_URL + "export/", {}),
    ("GET", checks, {}),
    ("GET", f"{checks}verify/{check.order_id}/", {}),
    ("GET", checks + "verify/", {}),
    ("POST", checks + "verify/", {"card_number": ""}),
    ("GET", "/admin/nexi_payments/contract/", {}),
):
    call = browser.get if method == "GET" else partial(post_form, browser)
    answer = call(path, fields)
    text = b"".join(answer) if answer.streaming else answer.content
    ours = "ours" if b"nexi" in text else "nothing of ours"
    print(method, path.replace(orders[0].order_id, "…"), answer.status_code, ours)
