"""What a payment on Nexi's hosted page costs in statements and transactions."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from benchmarks.payment import counting
from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from tests.support.hosted import HostedShopper
from tests.support.in_doubt import MINUTE, time_travel

pytestmark = pytest.mark.django_db(transaction=True)

SITE = "http://localhost:8000"


def start() -> PaymentOrder:
    order = flows.create_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference=f"R{PaymentOrder.objects.count()}",
        terminal="methods",
    )
    step = flows.start_hosted_payment(order, "PAYPAL", language="en", site=SITE)
    assert step.redirect_to, step.order.reason
    return step.order


def cost(asked: counting.QueryCounts) -> tuple[int, int]:
    ours = [sql for sql in asked.statements if "COUNT(*) AS" not in sql]
    return len(ours), asked.transactions


def test_opening_coming_back_and_asking(shopper: HostedShopper) -> None:
    start()  # Nexi is asked for the methods
    with counting.count_queries() as opening:
        order = start()
    visit = shopper.gateway.hosted.pay(
        order.order_id, method="PAYPAL", ending="close", notify="never"
    )
    with time_travel(MINUTE), counting.count_queries() as asking:
        flows.reconcile(order)
    visit = shopper.gateway.hosted.pay(order.order_id, method="PAYPAL", notify="never")
    token = urlsplit(visit.return_url).path.split("/")[-2]
    with counting.count_queries() as coming_back:
        flows.return_from_hosted_page(order, token, site=SITE)
    assert order.state == "paid"
    # one statement more than for other terminals: the earlier pages of the purchase
    assert cost(opening) == (10, 3)
    assert cost(asking) == (5, 2)
    assert cost(coming_back) == (13, 3)
