"""A card over the API, beside another payment of the reference on the hosted page."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState, Reason
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.api_clients import (
    ALL_PERMISSIONS,
    PURCHASE,
    PayerClient,
    ShopServer,
    assert_problem,
    card_fields,
)
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_nexi(gateway: Simulator, settings: Any) -> HostedShopper:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    return HostedShopper(gateway)


@pytest.fixture
def paid_page(at_nexi: HostedShopper) -> PaymentOrder:
    """Cancelled by the shop, then paid on Nexi's hosted page. We do not know it yet."""
    page = at_nexi.go(new_order(terminal="methods", reference="R-1"))
    flows.cancel(page)
    at_nexi.act(page, comes_back=False)
    return page


@pytest.mark.parametrize("way", ["card", "page"])
def test_the_secret_of_the_other_payment_is_not_given_away(
    at_nexi: HostedShopper, paid_page: PaymentOrder, way: str
) -> None:
    other = new_order(terminal="methods", reference="R-1")
    payer = PayerClient(other)
    answer = (
        payer.pay()
        if way == "card"
        else payer.post(f"checkout/{payer.id}/hosted/", {"method": "PAYPAL"})
    )
    body = assert_problem(answer, 409, "reference_in_use")
    assert paid_page.order_id not in str(body)
    other.refresh_from_db()
    paid_page.refresh_from_db()
    assert other.state == OrderState.INIT
    assert paid_page.reason == Reason.CHARGED_AFTER_CANCEL
    assert not Operation.objects.filter(order=other).exists()


def test_a_phone_order_is_refused(
    at_nexi: HostedShopper, paid_page: PaymentOrder
) -> None:
    call = {**PURCHASE, **card_fields("frictionless")}
    answer = ShopServer(*ALL_PERMISSIONS).post("moto/", call)
    body = assert_problem(answer, 409, "order_not_payable")
    assert body["order"] == paid_page.order_id
    made = PaymentOrder.objects.exclude(pk=paid_page.pk).get()
    assert (made.state, made.channel) == (OrderState.INIT, "moto")
    assert not Operation.objects.filter(order=made).exists()
    assert at_nexi.gateway.count("moto") == 0
