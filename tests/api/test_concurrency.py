"""Many at the same moment with one key: one order, one charge, one refund."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.test import Client

from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Simulator
from tests.support import openapi_validation
from tests.support.api_clients import (
    PURCHASE,
    ApiClient,
    PayerClient,
    ShopServer,
    card_fields,
)
from tests.support.concurrency import run_concurrently
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def posted(caller: ApiClient, count: int, path: str, body: Any) -> list[Any]:
    """The same request from so many threads; their answers."""
    openapi_validation.openapi_schema()  # by one thread: it is not made for several

    def post(place: int) -> Any:
        twin = ApiClient(**caller.headers)
        twin.browser = Client(HTTP_HOST="127.0.0.1:8000", REMOTE_ADDR="10.1.2.3")
        twin.browser.cookies = caller.browser.cookies
        return twin.post(path, dict(body), "the-same-key")

    answers = run_concurrently(count, post)
    assert len(answers) == count
    return answers


@pytest.mark.parametrize("reference", [{}, {"reference": "R-1"}])
def test_twenty_creations_are_one_order(
    gateway: Simulator, reference: dict[str, str]
) -> None:
    server = ShopServer("add_paymentorder")
    body = {"amount": "12.50", "currency": "EUR", **reference}
    answers = posted(server, 20, "orders/", body)
    assert Counter(answer.status_code for answer in answers) == {201: 20}
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer.get("Idempotency-Replayed") for answer in answers]
    assert Counter(replayed) == {None: 1, "true": 19}
    assert PaymentOrder.objects.count() == 1
    assert IdempotencyRecord.objects.count() == 1


def test_twenty_refunds_with_one_key_are_one_refund(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    server = ShopServer("refund_payment")
    path = f"orders/{order.order_id}/refund/"
    answers = posted(server, 20, path, {"amount": "2.00"})
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["operation"]["id"] for answer in answers}) == 1
    assert gateway.count("refunds") == 1
    assert Operation.objects.filter(kind="refund").count() == 1
    order.refresh_from_db()
    assert order.refunded_amount == 200
    # the first answer that says more than "on its way" is the one that stays
    last = [server.post(path, {"amount": "2.00"}, "the-same-key") for _ in range(2)]
    assert last[0].json() == last[1].json()
    assert last[0].json()["operation"]["outcome"] in ("accepted", "done")


def test_ten_phone_charges_with_one_key_are_one_charge(gateway: Simulator) -> None:
    clerk = ShopServer("take_moto")
    answers = posted(clerk, 10, "moto/", {**PURCHASE, **card_fields()})
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[201] == 1
    assert set(statuses) <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert gateway.count("moto") == 1


def test_ten_cards_with_one_key_are_one_authentication(gateway: Simulator) -> None:
    payer = PayerClient(new_order())
    answers = posted(payer, 10, f"checkout/{payer.id}/pay/", card_fields())
    assert {answer.status_code for answer in answers} == {200}
    types = Counter(answer.json()["next_action"]["type"] for answer in answers)
    assert types["redirect"] == 1
    assert gateway.count("init") == 1
    assert PaymentOrder.objects.count() == 1


def test_ten_returns_handed_over_are_one_charge(
    shopper: Shopper, gateway: Simulator
) -> None:
    payer = PayerClient(new_order())
    action = payer.pay().json()["next_action"]
    operation = action["fields"]["transactionId"]
    body = {"token": action["token"], **gateway.answer_challenge(operation, "approve")}
    answers = posted(payer, 10, f"checkout/{payer.id}/continue/", body)
    assert {answer.status_code for answer in answers} == {200}
    assert gateway.count("payment") == 1
    assert payer.get_checkout()["state"] == "paid"
