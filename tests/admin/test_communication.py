"""The communication log on the page of a payment, and nowhere else."""

from __future__ import annotations

import re

import pytest

from nexi_payments.models import Operation, PaymentOrder
from tests.support.api_clients import ALL_PERMISSIONS, ShopServer
from tests.support.clerk import PERMISSIONS, Clerk, order_url

pytestmark = pytest.mark.django_db(transaction=True)

SECTION = 'id="communication"'


def test_staff_with_the_permission_see_each_call(paid: PaymentOrder) -> None:
    anna = Clerk("view_paymentorder", "view_communication_log", name="anna")
    page = anna.get_text(order_url(paid))
    calls = re.findall(r"<code>(POST [^<]+)</code>", page)
    assert calls == [
        "POST /orders/3steps/init",
        "POST /orders/3steps/validation",
        "POST /orders/3steps/payment",
    ]
    part = page.split(SECTION)[1].split("</section>")[0]
    assert "<summary>Details</summary>" in part
    assert part.count("<summary>Answer of Nexi</summary>") == 3
    assert "&quot;operationResult&quot;: &quot;EXECUTED&quot;" in part
    assert re.search(r"200 · \d+ ms", part)
    assert "Giulia" not in part
    assert "giulia" not in part


def test_without_the_permission_nothing_is_shown(paid: PaymentOrder) -> None:
    for names in (("view_paymentorder",), PERMISSIONS):
        page = Clerk(*names, name=f"{len(names)}").get_text(order_url(paid))
        assert SECTION not in page
        assert "/orders/3steps/payment" not in page
    # the permission alone opens no payment
    alone = Clerk("view_communication_log", name="alone")
    assert alone.get(order_url(paid)).status_code == 403


def test_a_log_that_is_empty_or_odd(paid: PaymentOrder) -> None:
    anna = Clerk("view_paymentorder", "view_communication_log", name="anna")
    Operation.objects.update(calls="")
    assert SECTION not in anna.get_text(order_url(paid))
    Operation.objects.filter(kind="payment").update(
        calls='[{"at": "?", "request": "(no JSON)"}]'
    )
    page = anna.get_text(order_url(paid))
    assert "<pre>(no JSON)</pre>" in page


def test_the_api_never_shows_it(paid: PaymentOrder) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    response = server.get(f"orders/{paid.order_id}/")
    assert response.status_code == 200
    text = response.content.decode()
    assert paid.order_id in text
    for word in ("3steps/payment", "calls", "IMPLICIT", "captureType"):
        assert word not in text
