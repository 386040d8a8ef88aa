"""Control characters and line breaks are refused, wherever people and programs write
texts of one line; addresses that browsers read as another host are no paths."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    InvalidCustomer,
    InvalidReference,
    UnstorableText,
)
from nexi_payments.flows.orders.customer_data import usable_email, usable_name
from nexi_payments.models import PaymentOrder
from nexi_payments.text_input import has_control_characters, one_line
from nexi_payments.web.card_form import CardForm
from tests.support.api_clients import PURCHASE, ShopServer
from tests.support.clerk import Clerk
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db

CONTROLS = ["\n", "\r", "\t", "\x00", "\x1b", "\x7f", "\x85", "\u2028"]


@pytest.mark.parametrize("control", CONTROLS)
def test_each_is_seen(control: str) -> None:
    assert has_control_characters(f"a{control}b")
    assert one_line(f"a{control}b{control}") == "a b"
    assert not has_control_characters("Zoë Ünal – 日本 😀")


@pytest.mark.parametrize("control", CONTROLS)
def test_create_order_refuses_them(control: str) -> None:
    # no database stores a NUL: that is said first
    is_nul = control == "\x00"
    with pytest.raises(UnstorableText if is_nul else InvalidReference):
        new_order(reference=f"R{control}1")
    for member in ("name", "email"):
        with pytest.raises(UnstorableText if is_nul else InvalidCustomer):
            new_order(customer={member: f"a{control}b@example.com"})
    for name in ("success_url", "failure_url"):
        with pytest.raises(ValueError, match="paths or web addresses"):
            new_order(**{name: f"/thanks{control}/"})
    assert PaymentOrder.objects.count() == 0
    if is_nul:
        with pytest.raises(UnstorableText):
            new_order(description=f"three{control}cups")
        return
    order = new_order(description=f"three{control}cups")
    assert order.description == "three cups"
    contract = flows.ContractTerms(f"Coffee{control}club")
    saved = new_order(reference="C-1", contract=contract).contract
    assert saved is not None
    assert saved.description == "Coffee club"


def test_the_email_of_a_quoted_local_part() -> None:
    with pytest.raises(InvalidCustomer):
        new_order(customer={"email": '"\x01"@example.com'})


@pytest.mark.parametrize(
    "url",
    [
        "//evil.example",
        "/\\evil.example",
        "/a\\b",
        "\\\\evil.example",
        "https:///evil.example",
        "https://",
        "http:evil.example",
        "/a b",
        "javascript:alert(1)",
    ],
)
def test_no_paths_of_this_site(url: str) -> None:
    with pytest.raises(ValueError, match="paths or web addresses"):
        new_order(success_url=url)
    answer = ShopServer("add_paymentorder").post(
        "orders/", {**PURCHASE, "success_url": url}
    )
    assert answer.status_code == 400
    assert PaymentOrder.objects.count() == 0


@pytest.mark.parametrize(
    "url", ["/", "/thanks/?a=1#b", "https://shop.example/è", "http://127.0.0.1:8000/x"]
)
def test_paths_and_addresses(url: str) -> None:
    assert new_order(success_url=url).success_url == url


@pytest.mark.parametrize("name", ["reference", "description"])
def test_the_api_refuses_them(name: str) -> None:
    server = ShopServer("add_paymentorder")
    answer = server.post("orders/", {**PURCHASE, name: "R\n1"})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == (name, "control_characters")
    assert PaymentOrder.objects.count() == 0


def test_the_api_refuses_them_in_the_customer() -> None:
    body = {**PURCHASE, "customer": {"name": "Giulia\tBianchi"}}
    answer = ShopServer("add_paymentorder").post("orders/", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "customer.name"


@pytest.mark.parametrize(
    "name", ["reference", "description", "customer_name", "customer_email"]
)
def test_the_desk_refuses_them(gateway: Any, name: str) -> None:
    answer = Clerk("take_moto").create_order(**{name: "a\tb"})
    assert answer.status_code == 400
    assert name in answer.context["form"].errors
    assert PaymentOrder.objects.count() == 0


def test_the_card_page_refuses_them(shopper: Shopper) -> None:
    form = CardForm({"cardholder_name": "Giulia\nBianchi"})
    assert not form.is_valid()
    assert form.errors["cardholder_name"].as_data()[0].code == "control_characters"


def test_a_name_of_an_account_comes_in_one_line() -> None:
    assert usable_name(" Giulia\nBianchi\x00 ") == "Giulia Bianchi"


def test_what_an_account_has_and_cannot_be_stored_is_left_out() -> None:
    assert usable_name("Giulia \ud800") == ""
    assert usable_email("giulia\x00@example.com") == ""


def test_putting_a_text_into_one_line_makes_no_card_number() -> None:
    """Digits that are far apart are none, and are not moved together."""
    far = "4349      9401     9900     4549"
    assert new_order(description=far).description == far
    contract = flows.ContractTerms(far)
    saved = new_order(reference="C-1", contract=contract).contract
    assert saved is not None
    assert saved.description == far
    for text in ("4349\n9401\n9900\n4549", "4349\x00940\x0019900\x014549"):
        with pytest.raises(CardDataNotAllowed):
            new_order(reference="C-2", description=text)
