"""The header of a payment, the list and the CSV say what became of its money."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

import pytest

from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from tests.support.clerk import ORDERS_URL, Clerk, order_url
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def header(clerk: Clerk, order: PaymentOrder) -> tuple[str, str, str]:
    """Tone, headline and badge of the payment's page."""
    page = clerk.get_text(order_url(order))
    found = re.search(
        r'<section class="nexi-panel nexi-(\w+)">\s*<h2>(.*?) <span[^>]*'
        r"nexi-is-\w+\">(.*?)</span></h2>",
        page,
    )
    assert found, page
    return found[1], found[2], found[3]


def test_a_capture_in_part(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    assert header(clerk, order) == ("good", "12.50 EUR", "authorized")
    flows.capture(order, Decimal("5.00"))
    assert header(clerk, order) == (
        "neutral",
        "5.00 EUR captured of 12.50 EUR",
        "partially captured",
    )
    assert "partially captured" in clerk.get_text(ORDERS_URL)
    flows.capture(order, Decimal("7.50"))
    assert header(clerk, order) == ("good", "12.50 EUR", "paid")


def test_a_refund_in_part(clerk: Clerk, paid: PaymentOrder) -> None:
    flows.refund(paid, Decimal("2.00"))
    assert header(clerk, paid) == (
        "neutral",
        "10.50 EUR kept of 12.50 EUR",
        "partially refunded",
    )
    flows.refund(paid)
    assert header(clerk, paid)[1:] == ("12.50 EUR", "refunded")


def test_a_refund_that_nexi_has_not_confirmed(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    flows.refund(order, Decimal("2.00"))
    assert header(clerk, order) == (
        "wait",
        "2.00 EUR being refunded of 12.50 EUR",
        "refund pending",
    )
    assert "refund pending" in clerk.get_text(ORDERS_URL)


def test_the_csv_has_state_and_status(clerk: Clerk, paid: PaymentOrder) -> None:
    flows.refund(paid, Decimal("2.00"))
    answer = clerk.get(ORDERS_URL + "export/")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["state"], row["display_status"]) == ("paid", "partially_refunded")
