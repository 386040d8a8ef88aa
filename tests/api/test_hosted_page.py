"""Other ways to pay, for the shopper's browser."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.http import HttpResponse

from nexi_payments.enums import OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Simulator
from nexi_payments.testing.card_data_scan import CardDataScan
from nexi_payments.testing.forms import CARDS, card_fields
from tests.support.api_clients import (
    ALL_PERMISSIONS,
    PayerClient,
    ShopServer,
    assert_problem,
)
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import time_travel
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)
#: What the simulator lists, and €12.50 may be paid with.
AUTO = ["PAYPAL", "GOOGLEPAY", "APPLEPAY", "BANCOMATPAY", "MYBANK"]


@pytest.fixture
def shopper(gateway: Simulator, settings: Any) -> HostedShopper:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    return HostedShopper(gateway)


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def open_page(payer: PayerClient, method: str = "PAYPAL", key: str = "") -> Any:
    return payer.post(f"checkout/{payer.id}/hosted/", {"method": method}, key)


def opened(answer: HttpResponse) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 200, body
    return body


def pages_opened(shopper: HostedShopper) -> int:
    return sum(one.path.endswith("/hpp") for one in shopper.gateway.calls)


def untouched(shopper: HostedShopper, order: PaymentOrder) -> None:
    assert (fresh(order).state, fresh(order).method) == (OrderState.INIT, "")
    assert not Operation.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert pages_opened(shopper) == 0


# -- what is offered -------------------------------------------------------------------


def test_the_methods(shopper: HostedShopper) -> None:
    payer = PayerClient(new_order(terminal="nexi_only"))
    answer = payer.get(f"checkout/{payer.id}/methods/")
    assert answer.json() == {
        "takes_cards": False,
        "methods": [
            {
                "code": "CARDS",
                "label": "Card",
                "minimum": None,
                "maximum": None,
                "currencies": [],
                "refunds": "partial",
            },
            {
                "code": "PAYPAL",
                "label": "PayPal",
                "minimum": None,
                "maximum": None,
                "currencies": ["EUR"],
                "refunds": "partial",
            },
            {
                "code": "MYBANK",
                "label": "MyBank",
                "minimum": "0.01",
                "maximum": "1000000000",
                "currencies": ["EUR"],
                "refunds": "none",
            },
        ],
    }


def test_beside_cards(shopper: HostedShopper) -> None:
    payer = PayerClient(new_order(terminal="methods"))
    body = payer.get(f"checkout/{payer.id}/methods/").json()
    assert body["takes_cards"] is True
    assert [one["code"] for one in body["methods"]] == AUTO


def test_of_a_payment_that_is_over(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")))
    payer = PayerClient(order)
    assert payer.get(f"checkout/{payer.id}/methods/").json()["methods"] == []
    assert payer.get_checkout()["methods"] == []


def test_in_the_checkout(shopper: HostedShopper) -> None:
    body = PayerClient(new_order(terminal="methods")).get_checkout()
    assert (body["method"], body["next_action"]) == ("", {"type": "enter_card"})
    assert body["methods"][0] == {"code": "PAYPAL", "label": "PayPal"}
    assert [one["code"] for one in body["methods"]] == AUTO
    body = PayerClient(new_order(terminal="nexi_only")).get_checkout()
    assert body["next_action"] == {"type": "choose_method"}
    assert body["message"]["text"] == "Nothing has been charged. Choose how to pay."


def test_without_the_secret(shopper: HostedShopper) -> None:
    order = new_order(terminal="methods")
    other = PayerClient(new_order(terminal="methods"))
    for answer in (
        other.get(f"checkout/{order.order_id}/methods/"),
        other.post(f"checkout/{order.order_id}/hosted/", {"method": "PAYPAL"}),
    ):
        assert answer.status_code in (401, 403, 404)
    untouched(shopper, order)


# -- the page --------------------------------------------------------------------------


def test_paid_by_paypal(shopper: HostedShopper) -> None:
    order = new_order(terminal="methods", success_url="/thanks/")
    payer = PayerClient(order)
    body = opened(open_page(payer))
    assert body["state"] == "awaiting_hosted_page"
    assert body["method"] == "PAYPAL"
    action = body["next_action"]
    assert sorted(action) == ["type", "url"]
    assert action["type"] == "redirect_to_url"
    assert action["url"].startswith("http://localhost:8000/")
    assert payer.get_checkout()["next_action"] == {"type": "pending", "retry_after": 2}

    shopper.act(fresh(order))

    with time_travel(5):  # reading it just now has asked Nexi
        body = payer.get_checkout()
    assert (body["state"], body["final"]) == ("paid", True)
    assert body["message"]["text"] == "Thank you. You have paid with PayPal."
    assert body["next_action"]["url"] == f"/thanks/?payment={order.order_id}"
    server = ShopServer(*ALL_PERMISSIONS)
    assert server.get(f"orders/{order.order_id}/").json()["method"] == "PAYPAL"


def test_reading_asks_nexi(shopper: HostedShopper) -> None:
    order = new_order(terminal="methods")
    payer = PayerClient(order)
    open_page(payer)
    shopper.act(fresh(order), comes_back=False)
    with time_travel(5):
        assert payer.get_checkout()["state"] == "paid"


def test_the_language_of_the_page(shopper: HostedShopper) -> None:
    payer = PayerClient(new_order(terminal="methods"))
    shopper.gateway.keep_bodies()
    body = {"method": "PAYPAL", "language": "it"}
    opened(payer.post(f"checkout/{payer.id}/hosted/", body))
    [call] = [one for one in shopper.gateway.calls if one.path.endswith("/hpp")]
    assert call.request_body["paymentSession"]["language"].lower() == "ita"


def test_after_a_failed_attempt_another_order(shopper: HostedShopper) -> None:
    order = new_order(terminal="methods")
    payer = PayerClient(order)
    open_page(payer)
    shopper.act(fresh(order), "decline")
    assert payer.get_checkout()["next_action"] == {"type": "failed", "can_retry": True}
    body = opened(open_page(payer, "GOOGLEPAY"))
    assert body["id"] != order.order_id
    second = PayerClient(body)
    shopper.act(PaymentOrder.objects.get(order_id=body["id"]))
    assert second.get_checkout()["state"] == "paid"


def test_a_repetition_opens_no_second_page(shopper: HostedShopper) -> None:
    payer = PayerClient(new_order(terminal="methods"))
    key = str(uuid.uuid4())
    first = opened(open_page(payer, key=key))
    again = opened(open_page(payer, key=key))
    assert pages_opened(shopper) == 1
    assert again["id"] == first["id"]
    assert again["next_action"] == {"type": "pending", "retry_after": 2}
    record = IdempotencyRecord.objects.get()
    assert "http" not in record.body
    assert_problem(
        open_page(payer, "GOOGLEPAY", key=key), 409, "idempotency_key_reused"
    )
    assert_problem(
        payer.post(f"checkout/{payer.id}/hosted/", {"method": "PAYPAL"}, None),
        400,
        "idempotency_key_missing",
    )
    assert pages_opened(shopper) == 1


# -- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["KLARNA", "CARDS", "paypal"])
def test_not_offered(shopper: HostedShopper, method: str) -> None:
    order = new_order(terminal="methods")
    body = assert_problem(
        open_page(PayerClient(order), method), 409, "method_not_offered"
    )
    assert body["order"] == order.order_id
    untouched(shopper, order)


@pytest.mark.parametrize("body", [{}, {"method": ""}, {"method": 1}, {"card": "x"}])
def test_an_invalid_body(shopper: HostedShopper, body: dict[str, Any]) -> None:
    order = new_order(terminal="methods")
    payer = PayerClient(order)
    answer = payer.post(f"checkout/{payer.id}/hosted/", body)
    assert_problem(answer, 400, "invalid")
    untouched(shopper, order)


def test_a_card_on_a_terminal_without_card_page(shopper: HostedShopper) -> None:
    order = new_order(terminal="nexi_only")
    payer = PayerClient(order)
    with CardDataScan(CARDS["challenge"].number) as scan:
        answer = payer.pay()
        other = payer.post(f"checkout/{payer.id}/hosted/", card_fields())
    assert_problem(answer, 409, "cards_not_accepted")
    assert_problem(other, 400, "invalid")
    assert scan.findings() == []
    untouched(shopper, order)


@pytest.mark.parametrize("way", ["method", "card"])
def test_while_another_way_is_being_confirmed(shopper: HostedShopper, way: str) -> None:
    order = new_order(terminal="methods")
    payer = PayerClient(order)
    open_page(payer)
    shopper.act(fresh(order), "pending")
    answer = open_page(payer, "GOOGLEPAY") if way == "method" else payer.pay()
    body = assert_problem(answer, 409, "payment_being_confirmed")
    assert body["order"] == order.order_id
    assert payer.get_checkout()["message"]["title"] == (
        "Your payment is being confirmed"
    )
    assert pages_opened(shopper) == 1
    assert PaymentOrder.objects.count() == 1


@pytest.mark.parametrize("way", ["method", "card"])
def test_nexi_does_not_answer_about_the_page(shopper: HostedShopper, way: str) -> None:
    order = new_order(terminal="methods")
    payer = PayerClient(order)
    open_page(payer)
    shopper.gateway.fail_next(f"/orders/{order.order_id}", status=500)
    answer = open_page(payer, "GOOGLEPAY") if way == "method" else payer.pay()
    assert_problem(answer, 503, "gateway_unavailable")
    assert pages_opened(shopper) == 1
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE


def test_a_refund_that_the_method_forbids(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods"), "MYBANK"))
    server = ShopServer(*ALL_PERMISSIONS)
    calls = len(shopper.gateway.calls)
    answer = server.post(f"orders/{order.order_id}/refund/", {"amount": "1.00"})
    body = assert_problem(answer, 409, "method_forbids")
    assert body["hint"] == (
        "Nexi cannot refund this payment method. Refund by bank transfer, outside Nexi."
    )
    assert body["order"] == order.order_id
    assert len(shopper.gateway.calls) == calls
    assert fresh(order).refunded_amount == 0
