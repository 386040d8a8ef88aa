"""A gateway that lies: other ids and amounts, unknown words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments import states
from nexi_payments.models import Break, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.states import Reason
from tests.shopper import Shopper, form_on, new_order
from tests.tampering import ABSENT, PAYMENT, tampered

pytestmark = pytest.mark.django_db(transaction=True)


MISMATCHES = [
    {"operationAmount": "1251"},
    {"operationAmount": "12.50"},
    {"operationAmount": 1251},
    {"operationCurrency": "USD"},
    {"operationCurrency": "840"},
    {"orderId": "SOMEBODYELSES00001"},
]


@pytest.mark.parametrize("changes", MISMATCHES)
def test_a_mismatch_on_payment_is_reviewed(
    shopper: Shopper, gateway: Simulator, changes: dict[str, Any]
) -> None:
    order = new_order(reference="M")
    form = shopper.start(order)
    tampered(gateway, "/payment", **changes)
    response = shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, Reason.MISMATCH)
    assert order.live_reference == "M"
    assert Break.objects.get(order=order).kind == "mismatch"
    assert gateway.counts[PAYMENT] == 1
    page = shopper.browser.get(response["Location"]).content.decode()
    assert "Please contact the shop" in page


@pytest.mark.parametrize("part", ["/init", "/validation"])
@pytest.mark.parametrize("changes", MISMATCHES)
def test_a_mismatch_before_the_charge_fails_and_charges_nothing(
    shopper: Shopper, gateway: Simulator, part: str, changes: dict[str, Any]
) -> None:
    order = new_order()
    tampered(gateway, part, **changes)
    response = shopper.enter(order)
    if part == "/validation":
        form = form_on(response)
        shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.MISMATCH)
    assert gateway.counts[PAYMENT] == 0


@pytest.mark.parametrize("operation_id", ["999999999999999999", "x"])
def test_another_operation_id_on_payment_is_reviewed(
    shopper: Shopper, gateway: Simulator, operation_id: str
) -> None:
    form = shopper.start(new_order())
    tampered(gateway, "/payment", operationId=operation_id)
    shopper.come_back(form, shopper.answer(form))
    assert PaymentOrder.objects.get().state == states.REVIEW


@pytest.mark.parametrize(
    "changes",
    [
        {"operationCurrency": "EUR"},
        {"operationCurrency": "978"},
        {"operationAmount": 1250},
        {"operationAmount": "01250"},
        {"operationResult": " executed "},
        {"warnings": ["odd", {"code": "003"}], "surprise": {"x": [1]}},
        {"operationTime": "yesterday"},
    ],
)
def test_habits_of_the_gateway_are_no_mismatch(
    shopper: Shopper, gateway: Simulator, changes: dict[str, Any]
) -> None:
    form = shopper.start(new_order())
    tampered(gateway, "/payment", **changes)
    shopper.come_back(form, shopper.answer(form))
    assert PaymentOrder.objects.get().state == states.PAID


@pytest.mark.parametrize(
    "member", ["orderId", "operationId", "operationAmount", "operationCurrency"]
)
@pytest.mark.parametrize("value", [None, "", ABSENT])
def test_a_success_without_details_is_looked_up(
    shopper: Shopper, gateway: Simulator, member: str, value: Any
) -> None:
    form = shopper.start(new_order())
    tampered(gateway, "/payment", **{member: value})
    shopper.come_back(form, shopper.answer(form))
    order = PaymentOrder.objects.get()
    assert order.state == states.PAID
    assert gateway.counts["GET /orders/{id}"] == 1
    assert gateway.counts[PAYMENT] == 1


@pytest.mark.parametrize("word", ["FOO", "", None, "PENDING", "THREEDS_VALIDATED"])
def test_a_result_that_is_no_success_is_never_paid(
    shopper: Shopper, gateway: Simulator, word: Any
) -> None:
    form = shopper.start(new_order(), "garbage")  # so that a look-up shows no charge
    order = PaymentOrder.objects.get()
    operation = {
        "orderId": order.order_id,
        "operationId": order.gateway_operation_id,
        "operationResult": word,
        "operationAmount": "1250",
        "operationCurrency": "978",
    }
    gateway.next_reply(
        "/payment", Reply(200, json.dumps({"operation": operation}).encode())
    )
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert order.state == states.PAYING
    assert order.pending_at_nexi is (word == "PENDING")
    strange = word not in ("PENDING", "THREEDS_VALIDATED")
    assert order.breaks.filter(kind="unknown_result").exists() is strange


@pytest.mark.parametrize(
    "word",
    ["PENDING", "THREEDS_FAILED", "DECLINED", "FAILED", "FOO", "", None, "CANCELED"],
)
def test_no_payment_call_without_validation(
    shopper: Shopper, gateway: Simulator, word: Any
) -> None:
    form = shopper.start(new_order())
    order = PaymentOrder.objects.get()
    for _ in range(2):
        operation = {
            "orderId": order.order_id,
            "operationId": order.gateway_operation_id,
            "operationResult": word,
        }
        body = json.dumps({"operation": operation}).encode()
        gateway.next_reply("/validation", Reply(200, body))
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert order.state == states.FAILED
    assert gateway.counts[PAYMENT] == 0
    assert gateway.counts["POST /orders/3steps/validation"] <= 2


def test_a_validation_without_cryptogram_is_not_enough(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    tampered(gateway, "/validation", threeDSAuthResult=None)
    shopper.come_back(form, shopper.answer(form))
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (states.FAILED, Reason.NOT_AUTHENTICATED)
    assert gateway.counts[PAYMENT] == 0


@pytest.mark.parametrize("word", ["EXECUTED", "AUTHORIZED"])
@pytest.mark.parametrize("part", ["/init", "/validation"])
def test_a_charge_nobody_asked_for_is_reviewed(
    shopper: Shopper, gateway: Simulator, word: str, part: str
) -> None:
    tampered(gateway, part, operationResult=word)
    response = shopper.enter(new_order())
    if part == "/validation":
        form = form_on(response)
        shopper.come_back(form, shopper.answer(form))
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (states.REVIEW, Reason.UNEXPECTED_CHARGE)
    assert order.breaks.get().kind == "unexpected_charge"
    assert gateway.counts[PAYMENT] == 0


def test_no_liability_shift_stops_before_the_charge_when_it_is_required(
    shopper: Shopper, gateway: Simulator, nexi: Any
) -> None:
    nexi(REQUIRE_LIABILITY_SHIFT=True)
    form = shopper.start(new_order())
    order = PaymentOrder.objects.get()
    body = {
        "operation": {
            "orderId": order.order_id,
            "operationId": order.gateway_operation_id,
            "operationResult": "THREEDS_VALIDATED",
        },
        "threeDSAuthResult": {"authenticationValue": "AAA", "eci": "07"},
    }
    gateway.next_reply("/validation", Reply(200, json.dumps(body).encode()))
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.NO_LIABILITY_SHIFT)
    assert order.eci == "07"
    assert gateway.counts[PAYMENT] == 0
