"""A shop's server: makes orders, looks, captures, gives back."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments.models import CustomerDetails, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from tests.support.api_clients import PURCHASE, PayerClient, ShopServer, assert_problem
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_found_is_not_created_whatever_the_clock_says(server: ShopServer) -> None:
    """Another server's clock is ahead of ours."""
    made = server.post("orders/", PURCHASE)
    PaymentOrder.objects.update(created_at=timezone.now() + timedelta(hours=1))
    found = server.post("orders/", PURCHASE)
    assert (made.status_code, found.status_code) == (201, 200)
    assert found.json()["id"] == made.json()["id"]


def test_what_is_created_is_what_was_asked_for(server: ShopServer) -> None:
    made = server.create(
        description="Three cups",
        customer={"name": "Giulia Bianchi", "email": "giulia@example.com"},
        terminal="manual",
        success_url="/thanks/",
        failure_url="https://shop.example/basket/",
        expires_in=600,
    )
    order = PaymentOrder.objects.get(order_id=made["id"])
    assert made["client_secret"].startswith("cs_")
    assert {**made, "client_secret": "", "created_at": "", "expires_at": ""} == {
        "id": order.order_id,
        "order_id": order.order_id,
        "state": "init",
        "display_status": "init",
        "final": False,
        "successful": False,
        "reason": "",
        "channel": "shop",
        "terminal": "manual",
        "method": "",
        "amount": "12.50",
        "currency": "EUR",
        "captured": "0.00",
        "refunded": "0.00",
        "remaining_to_capture": "0.00",
        "remaining_to_refund": "0.00",
        "reference": "R-1",
        "description": "Three cups",
        "card": None,
        "contract": None,
        "exemption": "",
        "response_code": "",
        "eci": "",
        "pay_url": f"/payments/pay/{order.public_id}/",
        "client_secret": "",
        "created_at": "",
        "expires_at": "",
        "cancelled_at": None,
    }
    assert (order.amount, order.customer_name, order.customer_email) == (
        1250,
        "Giulia Bianchi",
        "giulia@example.com",
    )
    assert (order.success_url, order.failure_url) == (
        "/thanks/",
        "https://shop.example/basket/",
    )
    assert round((order.expires_at - order.created_at).total_seconds()) == 600
    assert order.user is None


def test_what_3d_secure_may_be_told(server: ShopServer) -> None:
    """Odd values are left out; an odd member is a typing mistake."""
    made = server.create(
        customer={
            "name": "Giulia Bianchi",
            "billing_address": {"city": "Roma", "country": "IT", "province": "Roma"},
            "mobile_phone": "+39 333 1234567",
            "account": {"created": "2024-05-01", "purchases": -1, "guest": False},
            "risk": {"ship_to": "store", "pre_order_date": "soon"},
        },
    )
    row = CustomerDetails.objects.get(order__order_id=made["id"])
    assert row.customer_info == {
        "billingAddress": {"city": "Roma", "country": "ITA"},
        "mobilePhoneCountryCode": "+39",
        "mobilePhone": "3331234567",
        "cardHolderAcctInfo": {
            "chAccDate": "2024-05-01",
            "chAccAgeIndicator": "05",
        },
        "merchantRiskIndicator": {"shipIndicator": "04"},
    }
    assert row.omitted == [
        ["billing_address.province", "no_province"],
        ["account.purchases", "no_number"],
        ["risk.pre_order_date", "no_date"],
    ]


def test_the_same_purchase_with_another_key_is_the_live_payment(
    server: ShopServer,
) -> None:
    made = server.create()
    again = server.post("orders/", PURCHASE)
    assert again.status_code == 200
    assert again.json()["id"] == made["id"]
    assert again.json()["client_secret"] == made["client_secret"]


def test_the_client_secret_is_on_no_disk(server: ShopServer) -> None:
    made = server.create()
    (kept,) = IdempotencyRecord.objects.all()
    assert made["client_secret"] not in kept.body
    assert "client_secret" not in kept.body


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"amount": 12.5}, 400, "invalid", "amount"),
        ({"amount": 12}, 400, "invalid", "amount"),
        ({"amount": "1e3"}, 400, "invalid", "amount"),
        ({"amount": "-1"}, 400, "invalid", "amount"),
        ({"amount": "١٢"}, 400, "invalid", "amount"),
        ({"amount": "NaN"}, 400, "invalid", "amount"),
        ({"amount": "0"}, 400, "invalid_amount", None),
        ({"amount": "12.505"}, 400, "invalid_amount", None),
        ({"amount": None}, 400, "invalid", "amount"),
        ({"currency": "XXX"}, 400, "invalid_amount", None),
        ({"currency": "EURO"}, 400, "invalid", "currency"),
        ({"currency": 978}, 400, "invalid", "currency"),
        ({"reference": "x" * 101}, 400, "invalid", "reference"),
        ({"reference": "a\0b"}, 400, "invalid", "reference"),
        ({"reference": "\ud800"}, 400, "invalid", "reference"),
        ({"reference": "4349940199004549"}, 400, "card_data_not_allowed", None),
        ({"description": "4349 9401 9900 4549"}, 400, "card_data_not_allowed", None),
        ({"success_url": "/t/?n=4349940199004549"}, 400, "card_data_not_allowed", None),
        (
            {"failure_url": "/4349%2F9401%2F9900+4549"},
            400,
            "card_data_not_allowed",
            None,
        ),
        (
            {"contract": {"customer_id": "4349/9401/9900/4549"}},
            400,
            "card_data_not_allowed",
            None,
        ),
        ({"exemption": "4349940199004549"}, 400, "invalid", "exemption"),
        ({"customer": {"email": "no"}}, 400, "invalid_customer", None),
        ({"customer": {"phone": "1"}}, 400, "invalid", "customer.phone"),
        (
            {"customer": {"billing_address": {"zip": "1"}}},
            *(400, "invalid", "customer.billing_address.zip"),
        ),
        ({"customer": "Giulia"}, 400, "invalid", "customer"),
        ({"terminal": "defualt"}, 400, "invalid", "terminal"),
        ({"success_url": "javascript:alert(1)"}, 400, "invalid", "success_url"),
        ({"failure_url": "basket"}, 400, "invalid", "failure_url"),
        ({"expires_in": 0}, 400, "invalid", "expires_in"),
        ({"expires_in": "600"}, 400, "invalid", "expires_in"),
        ({"expires_in": True}, 400, "invalid", "expires_in"),
        ({"user": 1}, 400, "invalid", "user"),
        ({"state": "paid"}, 400, "invalid", "state"),
        ({"captured_amount": "12.50"}, 400, "invalid", "captured_amount"),
        ({"live_reference": None}, 400, "invalid", "live_reference"),
    ],
)
def test_what_does_not_fit_is_refused_whole(
    server: ShopServer,
    changes: dict[str, Any],
    status: int,
    code: str,
    field: str | None,
) -> None:
    answer = server.post("orders/", {**PURCHASE, **changes})
    body = assert_problem(answer, status, code)
    fields = [row["field"] for row in body.get("errors", [])]
    assert fields == ([field] if field else [])
    assert "4349" not in answer.content.decode()
    assert not PaymentOrder.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_an_unknown_member_gets_a_suggestion(server: ShopServer) -> None:
    body = assert_problem(
        server.post("orders/", {**PURCHASE, "refrence": "x"}), 400, "invalid"
    )
    assert body["errors"] == [
        {
            "field": "refrence",
            "code": "unknown",
            "detail": "Unknown member. Did you mean 'reference'?",
        }
    ]


def test_another_amount_while_it_is_paid_is_a_conflict(
    server: ShopServer, shopper: Shopper
) -> None:
    order = shopper.pay(new_order(reference="R-1"))
    body = assert_problem(
        server.post("orders/", {**PURCHASE, "amount": "9.00"}), 409, "reference_in_use"
    )
    assert body["order"] == order.order_id


def test_orders_are_listed_newest_first_page_by_page(server: ShopServer) -> None:
    made = [new_order(reference=f"R-{number}") for number in range(52)]
    newest = [order.order_id for order in made[::-1]]
    first = server.get("orders/").json()
    assert [row["id"] for row in first["results"]] == newest[:50]
    rest = server.browser.get(first["next"]).json()
    assert [row["id"] for row in rest["results"]] == newest[50:]
    assert rest["next"] is None
    assert all("client_secret" not in row for row in first["results"])


def test_orders_are_found_by_reference_and_state(
    server: ShopServer, shopper: Shopper
) -> None:
    paid = shopper.pay(new_order(reference="R-1"))
    new_order(reference="R-2")
    by_reference = server.get("orders/", reference="R-1").json()["results"]
    assert [row["id"] for row in by_reference] == [paid.order_id]
    by_state = server.get("orders/", state="init").json()["results"]
    assert [row["reference"] for row in by_state] == ["R-2"]
    assert_problem(server.get("orders/", state="payed"), 400, "invalid")
    assert_problem(server.get("orders/", state=""), 400, "invalid")
    assert server.get("orders/", reference="a\0").json()["results"] == []
    assert_problem(server.get("orders/", cursor="garbage"), 404, "not_found")


def test_the_pay_url_takes_a_shopper_to_the_card_page(server: ShopServer) -> None:
    made = server.create()
    page = server.browser.get(made["pay_url"])
    assert page.status_code == 200
    assert PayerClient(made).get_checkout()["state"] == "init"


@pytest.mark.parametrize("position", ["abc", "", "2024-13-45", "\0", "2024-01-01x"])
def test_a_cursor_that_is_none(server: ShopServer, position: str) -> None:
    cursor = base64.b64encode(f"p={position}".encode()).decode()
    assert_problem(server.get("orders/", cursor=cursor), 404, "not_found")


@pytest.mark.parametrize("field", ["success_url", "failure_url"])
def test_an_address_that_cannot_be_taken_apart(server: ShopServer, field: str) -> None:
    answer = server.post("orders/", {**PURCHASE, field: "https://[::1"})
    assert assert_problem(answer, 400, "invalid")["errors"][0]["field"] == field
    with pytest.raises(ValueError, match="IPv6"):
        new_order(**{field: "https://[::1"})
    assert not PaymentOrder.objects.exists()
