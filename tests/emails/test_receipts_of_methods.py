"""Receipts of payments by other methods than a card: none of them speaks of a card."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from nexi_payments.emails import receipts
from nexi_payments.emails.receipts import Receipt
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import Clerk, action_url
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shopper(gateway: Simulator, settings: Any) -> HostedShopper:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    return HostedShopper(gateway)


def paid(shopper: HostedShopper, method: str) -> PaymentOrder:
    made = new_order(terminal="nexi_only", reference="R-1")
    return shopper.act(shopper.go(made, method))


def mailed(order: PaymentOrder) -> tuple[str, str]:
    assert receipts.send(order, "giulia@example.com", "en")
    [sent] = mail.outbox
    [(page, kind)] = sent.alternatives  # type: ignore[attr-defined]
    assert kind == "text/html"
    return str(sent.body), str(page)


def test_by_paypal(shopper: HostedShopper) -> None:
    order = paid(shopper, "PAYPAL")
    assert Receipt(order).method == "PayPal"
    text, page = mailed(order)
    assert "Payment method: PayPal\n" in text
    assert ">Payment method</td>" in page
    assert ">PayPal</td>" in page
    assert "card" not in text.lower()
    assert "Card" not in page
    staff = Clerk("view_paymentorder").get(action_url(order, "receipt"))
    assert b"<td>PayPal</td>" in staff.content
    assert b"Card" not in staff.content


def test_reserved_by_another_method(shopper: HostedShopper) -> None:
    order = paid(shopper, "PAYPAL")
    order.state = "authorized"  # shown, not stored: this version captures at once
    text, page = mailed(order)
    for one in (text, page):
        assert "The amount is reserved and charged when the order is sent." in one
        assert "on your card" not in one


def test_by_card_on_nexis_page(shopper: HostedShopper) -> None:
    order = paid(shopper, "CARDS")
    assert Receipt(order).method == ""
    text, _ = mailed(order)
    assert f"Card: {order.card_brand} •••• {order.card_last4}\n" in text
    assert order.card_last4 != ""
