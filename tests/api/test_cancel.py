"""A payment that is not paid is cancelled over the API."""

from __future__ import annotations

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.api_clients import PayerClient, ShopServer, assert_problem
from tests.support.in_doubt import payment_in_doubt
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_is_cancelled_once(server: ShopServer, gateway: Simulator) -> None:
    made = server.create()
    assert made["cancelled_at"] is None
    path, body = f"orders/{made['id']}/cancel/", {"reason": "out of stock"}
    first = server.post(path, body, "key-1234")
    found = first.json()
    assert (found["state"], found["reason"]) == ("failed", "cancelled")
    assert found["cancelled_at"] is not None
    again = server.post(path, body, "key-1234")
    assert (again.json(), again["Idempotency-Replayed"]) == (found, "true")
    assert server.post(path).json() == found  # another key: idempotent without the key
    order = PaymentOrder.objects.get()
    event = order.events.get()
    assert (event.note, event.actor, event.address) == (
        "out of stock",
        server.user,
        "10.1.2.3",
    )
    assert gateway.calls == ()
    assert server.create()["id"] != made["id"]  # the reference is free


def test_the_shopper_is_told(server: ShopServer, gateway: Simulator) -> None:
    made = server.create()
    payer = PayerClient(made)
    server.post(f"orders/{made['id']}/cancel/")
    for found in (payer.get_checkout(), payer.pay().json()):
        assert found["message"]["title"] == "Payment cancelled"
        assert found["next_action"] == {"type": "failed", "can_retry": False}
    assert gateway.calls == ()


def test_a_charge_under_way(server: ShopServer, shopper: Shopper) -> None:
    order = payment_in_doubt(shopper)
    body = assert_problem(
        server.post(f"orders/{order.order_id}/cancel/", key="key-1234"),
        409,
        "order_busy",
    )
    assert (body["order"], body["retry_after"]) == (order.order_id, 1)
    order.refresh_from_db()
    assert (order.state, order.cancelled_at) == (OrderState.PAYING, None)


def test_money_is_refunded_instead(server: ShopServer, shopper: Shopper) -> None:
    first = shopper.pay(new_order(reference="R-1"), "declined")
    paid = shopper.pay(first)
    body = assert_problem(
        server.post(f"orders/{first.order_id}/cancel/"), 409, "already_charged"
    )
    assert body["order"] == paid.order_id
    answer = server.post(f"orders/{body['order']}/refund/")
    assert answer.json()["order"]["state"] == "refunded"
    refused = server.post(f"orders/{paid.order_id}/cancel/")
    assert_problem(refused, 409, "invalid_state")


@pytest.mark.parametrize(
    ("reason", "code"),
    [(CARDS["challenge"].number, "card_data_not_allowed"), ("x" * 301, "invalid")],
)
def test_what_is_no_reason(server: ShopServer, reason: str, code: str) -> None:
    order = new_order()
    answer = server.post(f"orders/{order.order_id}/cancel/", {"reason": reason})
    assert_problem(answer, 400, code)
    assert CARDS["challenge"].number not in answer.content.decode()
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    unknown = server.post(f"orders/{order.order_id}/cancel/", {"note": "x"})
    assert_problem(unknown, 400, "invalid")
    assert flows.available(order).cancel is True
