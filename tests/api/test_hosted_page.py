"""The API beside payments on Nexi's hosted page."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState
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


def row(order: PaymentOrder) -> dict[str, Any]:
    return PaymentOrder.objects.filter(pk=order.pk).values().get()


def test_a_payment_says_how_it_is_paid(at_nexi: HostedShopper) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    assert server.create()["method"] == ""
    page = at_nexi.go(new_order(terminal="methods", reference="A-1"))
    found = server.get(f"orders/{page.order_id}/").json()
    assert (found["state"], found["method"], found["card"]) == (
        "awaiting_hosted_page",
        "PAYPAL",
        None,
    )
    assert (found["final"], found["successful"]) == (False, False)
    checkout = PayerClient(page).get_checkout()
    assert checkout["next_action"] == {"type": "pending", "retry_after": 2}
    at_nexi.act(page)
    found = server.get(f"orders/{page.order_id}/").json()
    assert (found["state"], found["captured"], found["remaining_to_refund"]) == (
        "paid",
        "12.50",
        "12.50",
    )
    [operation] = server.get(f"orders/{page.order_id}/operations/").json()
    assert (operation["kind"], operation["outcome"]) == ("hosted", "done")


def test_what_the_method_forbids_is_refused_with_its_sentence(
    at_nexi: HostedShopper,
) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    order = at_nexi.act(at_nexi.go(new_order(terminal="methods"), "MYBANK"), "pending")
    at_nexi.gateway.hosted.settle(order.order_id)
    flows.reconcile(order)
    assert order.state == OrderState.PAID
    before, calls = row(order), len(at_nexi.gateway.calls)
    body = assert_problem(
        server.post(f"orders/{order.order_id}/refund/"), 409, "method_forbids"
    )
    assert body["hint"] == (
        "Nexi cannot refund this payment method. Refund by bank transfer, outside Nexi."
    )
    assert body["order"] == order.order_id
    assert row(order) == before
    assert len(at_nexi.gateway.calls) == calls
    assert server.get(f"orders/{order.order_id}/").json()["remaining_to_refund"] == (
        "0.00"
    )


def test_a_card_is_refused_where_cards_belong_on_nexis_page(
    at_nexi: HostedShopper,
) -> None:
    order = new_order(terminal="nexi_only")
    assert_problem(PayerClient(order).pay(), 409, "cards_not_accepted")
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    assert not Operation.objects.exists()


def test_no_card_beside_a_payment_that_nexi_is_confirming(
    at_nexi: HostedShopper,
) -> None:
    page = at_nexi.go(new_order(terminal="methods", reference="A-1"))
    at_nexi.act(page, "pending", comes_back=False)
    answer = PayerClient(page).pay().json()
    assert (answer["id"], answer["state"], answer["next_action"]["type"]) == (
        page.order_id,
        "awaiting_hosted_page",
        "pending",
    )
    assert PaymentOrder.objects.count() == 1


@pytest.mark.parametrize("ending", ["pay", "pending"])
def test_another_payment_of_the_reference_keeps_its_secret(
    at_nexi: HostedShopper, ending: str
) -> None:
    page = at_nexi.go(new_order(terminal="methods", reference="A-1"))
    flows.cancel(page)
    at_nexi.act(page, ending, comes_back=False)
    other = new_order(terminal="methods", reference="A-1")
    body = assert_problem(PayerClient(other).pay(), 409, "reference_in_use")
    assert page.order_id not in str(body)
    other.refresh_from_db()
    assert other.state == OrderState.INIT
    assert at_nexi.gateway.charge_count(other.order_id) == 0


@pytest.mark.parametrize(
    ("ending", "code"),
    [("pending", "payment_being_confirmed"), ("pay", "order_not_payable")],
)
def test_a_phone_order_beside_a_payment_on_nexis_page(
    at_nexi: HostedShopper, ending: str, code: str
) -> None:
    page = at_nexi.go(new_order(terminal="methods", reference="A-1"))
    flows.cancel(page)
    at_nexi.act(page, ending, comes_back=False)
    server = ShopServer(*ALL_PERMISSIONS)
    call = {**PURCHASE, **card_fields("frictionless"), "reference": "A-1"}
    body = assert_problem(server.post("moto/", call, "key-1234"), 409, code)
    assert body["order"] == page.order_id
    made = PaymentOrder.objects.exclude(pk=page.pk).get()
    assert (made.state, made.channel) == (OrderState.INIT, "moto")
    assert Operation.objects.filter(order=made).count() == 0
    assert at_nexi.gateway.count("moto") == 0


def test_the_same_key_asks_again_and_charges_nothing(at_nexi: HostedShopper) -> None:
    page = at_nexi.go(new_order(terminal="methods", reference="A-1"))
    flows.cancel(page)
    at_nexi.act(page, "pending", comes_back=False)
    server = ShopServer(*ALL_PERMISSIONS)
    call = {**PURCHASE, **card_fields("frictionless"), "reference": "A-1"}
    for _ in range(2):
        answer = server.post("moto/", call, "key-1234")
        assert_problem(answer, 409, "payment_being_confirmed")
    assert PaymentOrder.objects.count() == 2
    assert at_nexi.gateway.count("moto") == 0
