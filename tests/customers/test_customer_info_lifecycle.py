"""The data for 3-D Secure on its way: shop → disk → Nexi → staff → gone."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.customers import Account, Address, Risk
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.flows import moto
from nexi_payments.gateway import payloads
from nexi_payments.models import CustomerDetails, Operation
from nexi_payments.retention import erasure
from nexi_payments.simulator import Simulator
from tests.gateway.test_payloads import schema
from tests.support.clerk import Clerk
from tests.support.in_doubt import time_travel
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
PAN = "4349940199004549"
ROME = Address(street="Via Verdi 3", city="Roma", province="RM", country="IT")
TOLD = {
    "billingAddress": {
        "street": "Via Verdi 3",
        "city": "Roma",
        "province": "RM",
        "country": "ITA",
    }
}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Each ``order`` as it goes into a body."""
    seen: list[dict[str, Any]] = []
    build = payloads.order_member

    def watched(purchase: payloads.Purchase) -> dict[str, Any]:
        seen.append(build(purchase))
        return seen[-1]

    monkeypatch.setattr(payloads, "order_member", watched)
    return seen


def told(order: Any) -> Any:
    return CustomerDetails.objects.get(order=order)


@pytest.mark.parametrize("flow", ["3steps", "2steps"])
def test_init_and_payment_are_told_the_same(
    change_settings: Any, gateway: Simulator, sent: list[dict[str, Any]], flow: str
) -> None:
    change_settings(TERMINALS={"default": {"ENVIRONMENT": "simulator", "FLOW": flow}})
    order = new_order(customer={"name": "Giulia", "billing_address": ROME})
    paid = Shopper(gateway).pay(order)
    assert paid.state == OrderState.PAID
    assert [one["customerInfo"] for one in sent] == [
        {**TOLD, "cardHolderName": "Giulia Bianchi"}
    ] * 2
    for one in sent:
        schema("Order").validate(one)
    assert [row.warnings for row in paid.operations.all()] == [""] * len(
        paid.operations.all()
    )


def test_another_attempt_is_told_the_same(
    gateway: Simulator, sent: list[dict[str, Any]]
) -> None:
    shopper = Shopper(gateway)
    order = new_order(reference="R-1", customer={"billing_address": ROME})
    assert shopper.pay(order, "declined").state == OrderState.FAILED
    again = shopper.pay(order)
    assert (again.state, again.retry_of) == (OrderState.PAID, order)
    assert [one["customerInfo"]["billingAddress"] for one in sent] == [
        TOLD["billingAddress"]
    ] * 4
    assert CustomerDetails.objects.count() == 1


def test_a_phone_order_is_told_too(
    gateway: Simulator, sent: list[dict[str, Any]]
) -> None:
    from nexi_payments.card import Card

    order = moto.create_moto_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference="R-1",
        terminal="moto",
        actor=flows.Actor(),
        customer={"name": "Giulia", "billing_address": ROME},
    )
    card = CARDS["challenge"]
    month, year = card.expiry.split("/")
    moto.pay_moto(order, Card(card.number, month + year, card.cvv))
    assert order.state == OrderState.PAID
    assert sent[0]["customerInfo"] == {**TOLD, "cardHolderName": "Giulia"}
    schema("OrderWithCardholder").validate(sent[0])


def test_bad_values_cost_no_sale_and_staff_read_why(gateway: Simulator) -> None:
    order = new_order(
        reference="R-1",
        customer={
            "billing_address": {
                **{"street": f"card {PAN}", "city": "Roma", "country": "Italia"},
                **{"province": "Roma", "x": 1},
            },
            "mobile_phone": "333",
            "account": Account(purchases=-3),
        },
    )
    assert Shopper(gateway).pay(order).state == OrderState.PAID
    row = told(order)
    assert row.customer_info == {"billingAddress": {"city": "Roma"}}
    assert row.omitted == [
        ["billing_address.?", "unknown"],
        ["billing_address.street", "card"],
        ["billing_address.province", "no_province"],
        ["billing_address.country", "no_country"],
        ["mobile_phone", "no_phone"],
        ["account.purchases", "no_number"],
    ]
    assert PAN not in json.dumps([row.customer_info, row.omitted])
    clerk = Clerk("view_paymentorder")
    page = clerk.browser.get(f"/admin/nexi_payments/paymentorder/{order.pk}/change/")
    assert b"billing address, country: not a country of ISO 3166" in page.content
    assert b"billing address, street: could be a card number" in page.content
    italian = clerk.browser.get(
        f"/admin/nexi_payments/paymentorder/{order.pk}/change/",
        headers={"accept-language": "it"},
    )
    assert "indirizzo di fatturazione" in italian.content.decode()


def test_nothing_given_is_nothing_stored(gateway: Simulator) -> None:
    new_order(customer={"name": "Giulia", "billing_address": None, "risk": Risk()})
    assert not CustomerDetails.objects.exists()


def test_the_gateways_warnings_are_kept_and_shown(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an older version, or a shop with a row of its own, may make Nexi warn."""
    order = new_order(reference="R-1")
    short = {"country": "IT", "province": "ROM"}
    CustomerDetails.objects.create(
        order=order, customer_info={"billingAddress": short, "shippingAddress": short}
    )
    assert Shopper(gateway).pay(order).state == OrderState.PAID
    rows = {row.kind: row.warnings for row in Operation.objects.all()}
    assert rows == {
        OperationKind.AUTHENTICATION: "",  # recorded: init has none
        OperationKind.VALIDATION: "003 007 010 014",
        OperationKind.PAYMENT: "003 007 010 014",
    }
    page = Clerk("view_paymentorder").browser.get(
        f"/admin/nexi_payments/paymentorder/{order.pk}/change/"
    )
    assert b"003: Nexi did not consider the billing address: country" in page.content
    assert b"014: Nexi did not consider the shipping address: province" in page.content


def test_they_go_with_the_other_personal_data(
    change_settings: Any, gateway: Simulator
) -> None:
    change_settings(RETENTION=86_400)
    Shopper(gateway).pay(new_order(customer={"billing_address": ROME}))
    assert CustomerDetails.objects.count() == 1
    with time_travel(4 * 86_400):
        flows.reconcile()
        assert erasure.erase() == 1
        assert erasure.erase() == 0
    assert not CustomerDetails.objects.exists()


def test_they_alone_are_reason_enough_to_erase(
    change_settings: Any, gateway: Simulator
) -> None:
    change_settings(RETENTION=86_400)
    order = new_order(customer={"billing_address": ROME}, expires_in=60)
    with time_travel(120):
        flows.reconcile()
    with time_travel(4 * 86_400):
        flows.reconcile()
        assert erasure.erase() == 1
    order.refresh_from_db()
    assert not CustomerDetails.objects.exists()


# -- from a user and a shop's order -------------------------------------------------


def shop_order(**more: Any) -> SimpleNamespace:
    country = SimpleNamespace(iso_3166_1_a3="ITA", code="IT")
    place = SimpleNamespace(
        **{"first_name": "Giulia", "last_name": "Bianchi", "line1": "Via Verdi 3"},
        **{"line4": "Roma", "state": "RM", "postcode": "00184", "country": country},
        phone_number=SimpleNamespace(as_e164="+393331234567"),
    )
    return SimpleNamespace(billing_address=place, shipping_address=place, **more)


def test_a_regular_customer(gateway: Simulator) -> None:
    user = get_user_model().objects.create_user(
        "giulia",
        "giulia@shop.example",
        first_name="Giulia",
        last_name="Bianchi",
        date_joined=timezone.now() - timedelta(days=40),
    )
    shopper = Shopper(gateway)
    shopper.browser.force_login(user)
    shopper.pay(new_order(user=user))
    shopper.pay(new_order(user=user), "declined")
    made = flows.describe_customer(user, shop_order())
    assert (made["name"], made["email"]) == ("Giulia Bianchi", "giulia@shop.example")
    assert made["account"] == Account(
        created=user.date_joined,
        purchases=1,
        attempts_today=2,
        attempts_this_year=2,
        shipping_name_differs=False,
    )
    assert made["risk"] == Risk(ship_to="billing")
    order = new_order(user=user, customer=made)
    assert told(order).omitted == []
    info = told(order).customer_info
    schema("CustomerInfo").validate(info)
    assert info["shippingAddress"] == {
        **{"name": "Giulia Bianchi", "street": "Via Verdi 3", "city": "Roma"},
        **{"postCode": "00184", "province": "RM", "country": "ITA"},
    }
    assert (info["mobilePhoneCountryCode"], info["mobilePhone"]) == (
        *("+39", "3331234567"),
    )
    assert info["cardHolderAcctInfo"]["chAccAgeIndicator"] == "04"


def test_a_guest() -> None:
    made = flows.describe_customer(
        AnonymousUser(),
        shop_order(guest_email="guest@shop.example"),
        risk=Risk(delivery="later"),
    )
    assert made["account"] == Account(guest=True)
    assert made["risk"] == Risk(delivery="later")
    assert (made["name"], made["email"]) == ("Giulia Bianchi", "guest@shop.example")


@pytest.mark.parametrize(
    "odd",
    [
        {"first_name": PAN, "email": "nobody"},
        {"first_name": "x" * 150, "last_name": "y" * 150, "email": f"{PAN}@b.example"},
        {"email": "a" * 250 + "@shop.example"},
    ],
)
def test_a_user_with_an_odd_name_can_pay(odd: dict[str, str]) -> None:
    user = get_user_model()(pk=1, username="giulia", **odd)
    made = flows.describe_customer(user)
    assert PAN not in str(made)
    assert "email" not in made
    assert len(made.get("name", "")) <= 255
    assert new_order(customer=made).customer_email == ""


def test_odd_objects_are_nobody() -> None:
    class Odd:
        @property
        def billing_address(self) -> Any:
            raise RuntimeError("no database")

    assert flows.describe_customer(None, Odd()) == {"account": Account(guest=True)}
    assert conf.current()  # nothing was asked of the database
