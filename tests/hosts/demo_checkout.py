"""The demo shop's own tests, with what shops get for theirs; run under its settings."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from demo_shop.forms import SAMPLE_ADDRESS
from demo_shop.models import Fulfilment, Product, ShopOrder
from demo_shop.seed import seed
from nexi_payments import flows, outbox
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.testing import NexiSimulator

pytest_plugins = ["nexi_payments.testing.pytest_plugin"]
pytestmark = pytest.mark.django_db

CUSTOMER = {"name": "Giulia", "email": "g@shop.example", "terminal": "default"}


@pytest.fixture(autouse=True)
def no_collected_files(settings: Any) -> None:
    settings.WHITENOISE_AUTOREFRESH = True
    # six users are seeded for each test: the slow hash was most of its time
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def shopper() -> Client:
    """Two cups in the basket."""
    seed()
    client = Client()
    assert client.login(username="shopper", password="shopper")
    assert client.get("/checkout/").status_code == 302  # an empty basket
    cup = Product.objects.get(name="Espresso cup")
    for change in ({}, {}, {}, {"less": ""}):
        client.post(f"/basket/{cup.pk}/", change)
    assert "25.00" in client.get("/basket/").content.decode()
    return client


def check_out(client: Client, **changes: str) -> PaymentOrder:
    """Posts the checkout; the payment it leads to."""
    there = client.post("/checkout/", {**CUSTOMER, **changes})["Location"]
    payment = PaymentOrder.objects.latest("pk")
    assert there == payment.page_url()
    return payment


@pytest.mark.parametrize("terminal", ["default", "two_steps"])
def test_a_shopper_pays_and_gets_a_parcel(
    nexi_simulator: NexiSimulator, shopper: Client, terminal: str
) -> None:
    payment = nexi_simulator.pay(check_out(shopper, terminal=terminal), client=shopper)
    assert (payment.state, payment.amount) == ("paid", 2500)
    assert [charge.captured for charge in nexi_simulator.charges] == [2500]
    parcel = Fulfilment.objects.get()
    assert (parcel.order.number, parcel.signals) == (payment.reference, 1)
    thanks = nexi_simulator.page["Location"]
    assert thanks == f"/orders/{payment.reference}/?payment={payment.order_id}"
    assert "data-paid" in shopper.get(thanks).content.decode()
    assert shopper.session["basket"] == {}
    assert payment.reference in shopper.get("/account/").content.decode()
    assert Client().get(thanks).status_code == 404  # a stranger
    nexi_simulator.assert_no_card_data()


def test_the_signal_once_more_sends_no_second_parcel(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    nexi_simulator.pay(check_out(shopper))
    outbox.deliver(Event.objects.get(kind="paid"))
    assert [parcel.signals for parcel in Fulfilment.objects.all()] == [2]


def test_an_order_is_cancelled_and_paid_after_all(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    payment = check_out(shopper)
    page = f"/orders/{payment.reference}/"
    assert "Cancel this order" in shopper.get(page).content.decode()
    assert Client().post(page + "cancel/").status_code == 404  # a stranger
    assert shopper.post(page + "cancel/")["Location"] == page
    shown = shopper.get(page).content.decode()
    assert "Cancelled. Nothing was charged." in shown
    assert "Cancel this order" not in shown
    payment.refresh_from_db()
    assert (payment.state, payment.reason) == ("failed", "cancelled")
    answer = shopper.get(payment.page_url())
    notice = shopper.get(answer["Location"]).content.decode()
    assert "was cancelled by the shop" in notice
    again = nexi_simulator.pay(check_out(shopper), client=shopper)
    assert (again.state, again.reference) == ("paid", payment.reference)
    assert shopper.post(page + "cancel/")["Location"] == page
    assert "Too late" in shopper.get(page).content.decode()
    assert len(nexi_simulator.charges) == 1


def test_checking_out_twice_is_one_payment(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    first = check_out(shopper)
    assert check_out(shopper) == first
    other = check_out(shopper, terminal="two_steps")
    assert other != first
    nexi_simulator.start(other, client=shopper)
    # the basket changes in another tab while the shopper is in 3-D Secure
    shopper.post(f"/basket/{Product.objects.earliest('pk').pk}/")
    assert nexi_simulator.complete_3ds().amount == 2500
    # a tab that was left open checks the same basket out once more
    there = shopper.post("/checkout/", CUSTOMER)["Location"]
    assert there == f"/orders/{other.reference}/"
    assert ShopOrder.objects.count() == 1


@pytest.mark.parametrize("card", ["declined", "risk", "gateway_down"])
def test_a_refused_card_leaves_the_basket(
    nexi_simulator: NexiSimulator, shopper: Client, card: str
) -> None:
    payment = nexi_simulator.pay(check_out(shopper), card, client=shopper)
    assert (payment.state, Fulfilment.objects.count()) == ("failed", 0)
    assert "25.00" in shopper.get("/basket/").content.decode()
    again = nexi_simulator.pay(check_out(shopper), client=shopper)
    assert (again.state, again.reference) == ("paid", payment.reference)
    assert Fulfilment.objects.count() == 1


def test_what_was_paid_and_given_back_was_bought(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    payment = nexi_simulator.pay(check_out(shopper))
    assert flows.refund(payment).outcome == "done"
    there = shopper.post("/checkout/", CUSTOMER)["Location"]
    assert there == f"/orders/{payment.reference}/"
    assert shopper.session["basket"] == {}


@pytest.mark.parametrize(("amount", "currency"), [("25.00", "HUF"), ("2.50", "EUR")])
def test_another_sum_by_telephone_sends_no_parcel(
    nexi_simulator: NexiSimulator,
    shopper: Client,
    settings: Any,
    amount: str,
    currency: str,
) -> None:
    found = copy.deepcopy(settings.NEXI_PAYMENTS)
    found["TERMINALS"]["moto"]["CURRENCIES"] = ["EUR", "HUF"]
    settings.NEXI_PAYMENTS = found
    reference = check_out(shopper).reference
    assert reference is not None
    order = flows.create_moto_order(
        amount=Decimal(amount),
        currency=currency,
        reference=reference,
        terminal="moto",
        actor=flows.Actor(),
    )
    assert nexi_simulator.pay_moto(order).state == "paid"
    nexi_simulator.reconcile()
    assert Fulfilment.objects.count() == 0


def test_a_lost_answer_is_found_by_the_reconciler(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    nexi_simulator.start(check_out(shopper), client=shopper)
    nexi_simulator.lose_next_answer()
    for _ in range(2):
        nexi_simulator.fail_next_call("inquiry")
    payment = nexi_simulator.complete_3ds()
    assert (payment.state, Fulfilment.objects.count()) == ("paying", 0)
    assert nexi_simulator.advance(minutes=5).paid == 1
    assert Fulfilment.objects.get().payment == payment.order_id


def test_a_guest_pays(nexi_simulator: NexiSimulator) -> None:
    seed()
    guest = Client()
    assert guest.get("/account/")["Location"].startswith("/login/")
    guest.post(f"/basket/{Product.objects.earliest('pk').pk}/")
    assert nexi_simulator.pay(check_out(guest), "frictionless").state == "paid"


# -- what the bank is told for 3-D Secure ----------------------------------------------


def test_of_a_shopper_with_an_account(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    nexi_simulator.gateway.keep_bodies()
    first = nexi_simulator.pay(check_out(shopper, **SAMPLE_ADDRESS), client=shopper)
    shopper.post(f"/basket/{Product.objects.earliest('pk').pk}/")
    form = shopper.get("/checkout/").context["form"]
    assert {
        name: form[name].value() for name in SAMPLE_ADDRESS
    } == SAMPLE_ADDRESS  # as last time
    payment = nexi_simulator.pay(check_out(shopper, **SAMPLE_ADDRESS), client=shopper)
    there = {
        "name": "Giulia",
        "street": "Via Verdi 3",
        "city": "Roma",
        "postCode": "00184",
        "province": "RM",
        "country": "ITA",
    }
    told = {
        "billingAddress": there,
        "shippingAddress": there,
        "cardHolderAcctInfo": {
            "chAccDate": timezone.now().date().isoformat(),
            "chAccAgeIndicator": "02",
            "nbPurchaseAccount": 1,
            "txnActivityDay": 1,
            "txnActivityYear": 1,
            "destinationNameIndicator": "02",
        },
        "merchantRiskIndicator": {"shipIndicator": "01"},
    }
    assert payment.details.customer_info == told
    assert payment.details.omitted == []
    assert first.details.customer_info["cardHolderAcctInfo"]["nbPurchaseAccount"] == 0
    sent = nexi_simulator.gateway.calls[-3]
    assert sent.path == "/orders/3steps/init"
    who = {"cardHolderName": "Giulia", "cardHolderEmail": "g@shop.example"}
    assert sent.request_body["order"]["customerInfo"] == told | who
    assert (
        "Via Verdi 3" in shopper.get(f"/orders/{payment.reference}/").content.decode()
    )


def test_of_a_guest_who_collects_it(nexi_simulator: NexiSimulator) -> None:
    seed()
    guest = Client()
    guest.post(f"/basket/{Product.objects.earliest('pk').pk}/")
    payment = check_out(guest)
    assert payment.details.customer_info == {
        "cardHolderAcctInfo": {"chAccAgeIndicator": "01"},
        "merchantRiskIndicator": {"shipIndicator": "04"},
    }
    assert (payment.customer_name, payment.customer_email) == (
        "Giulia",
        "g@shop.example",
    )


def test_half_an_address_is_no_order(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    page = shopper.post("/checkout/", {**CUSTOMER, "city": "Roma"})
    assert set(page.context["form"].errors) == {"street", "post_code"}
    assert ShopOrder.objects.count() == PaymentOrder.objects.count() == 0


@pytest.mark.parametrize("field", ["name", "street", "city", "post_code"])
def test_a_card_number_on_the_wrong_page_is_not_kept(
    shopper: Client, field: str
) -> None:
    number = "4349940199004549"
    page = shopper.post("/checkout/", {**CUSTOMER, **SAMPLE_ADDRESS, field: number})
    assert page.status_code in (200, 400)
    assert "card number" in str(page.context["form"].errors[field])
    assert number not in page.content.decode()
    assert not ShopOrder.objects.exists()
    assert not PaymentOrder.objects.exists()
