"""Responses with wrong ids, wrong amounts or unknown values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments.enums import OrderState, Reason
from nexi_payments.models import Discrepancy, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.shopper import Shopper, new_order, parse_form
from tests.support.tampered_responses import (
    ABSENT,
    PAYMENT_ENDPOINT,
    tamper_next_response,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]


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
    tamper_next_response(gateway, "/payment", **changes)
    response = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.MISMATCH)
    assert order.live_reference == "M"
    assert Discrepancy.objects.get(order=order).kind == "mismatch"
    assert gateway.counts[PAYMENT_ENDPOINT] == 1
    page = shopper.browser.get(response["Location"]).content.decode()
    assert "Please contact the shop" in page


@pytest.mark.parametrize("part", ["/init", "/validation"])
@pytest.mark.parametrize("changes", MISMATCHES)
def test_a_mismatch_before_the_charge_fails_and_charges_nothing(
    shopper: Shopper, gateway: Simulator, part: str, changes: dict[str, Any]
) -> None:
    order = new_order()
    tamper_next_response(gateway, part, **changes)
    response = shopper.submit_card(order)
    if part == "/validation":
        form = parse_form(response)
        shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.MISMATCH)
    assert gateway.counts[PAYMENT_ENDPOINT] == 0


@pytest.mark.parametrize("operation_id", ["999999999999999999", "x"])
def test_another_operation_id_on_payment_is_reviewed(
    shopper: Shopper, gateway: Simulator, operation_id: str
) -> None:
    form = shopper.start(new_order())
    tamper_next_response(gateway, "/payment", operationId=operation_id)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert PaymentOrder.objects.get().state == OrderState.REVIEW


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
    tamper_next_response(gateway, "/payment", **changes)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert PaymentOrder.objects.get().state == OrderState.PAID


@pytest.mark.parametrize(
    "member", ["orderId", "operationId", "operationAmount", "operationCurrency"]
)
@pytest.mark.parametrize("value", [None, "", ABSENT])
def test_a_success_without_details_is_looked_up(
    shopper: Shopper, gateway: Simulator, member: str, value: Any
) -> None:
    form = shopper.start(new_order())
    tamper_next_response(gateway, "/payment", **{member: value})
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    assert order.state == OrderState.PAID
    assert gateway.counts["GET /orders/{id}"] == 1
    assert gateway.counts[PAYMENT_ENDPOINT] == 1


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
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    assert order.gateway_pending is (word == "PENDING")
    strange = word not in ("PENDING", "THREEDS_VALIDATED")
    assert order.discrepancies.filter(kind="unknown_result").exists() is strange


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
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.FAILED
    assert gateway.counts[PAYMENT_ENDPOINT] == 0
    assert gateway.counts["POST /orders/3steps/validation"] <= 2


def test_a_validation_without_cryptogram_is_not_enough(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    tamper_next_response(gateway, "/validation", threeDSAuthResult=None)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.NOT_AUTHENTICATED)
    assert gateway.counts[PAYMENT_ENDPOINT] == 0


@pytest.mark.parametrize("word", ["EXECUTED", "AUTHORIZED"])
@pytest.mark.parametrize("part", ["/init", "/validation"])
def test_a_charge_nobody_asked_for_is_reviewed(
    shopper: Shopper, gateway: Simulator, word: str, part: str
) -> None:
    tamper_next_response(gateway, part, operationResult=word)
    response = shopper.submit_card(new_order())
    if part == "/validation":
        form = parse_form(response)
        shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.UNEXPECTED_CHARGE)
    assert order.discrepancies.get().kind == "unexpected_charge"
    assert gateway.counts[PAYMENT_ENDPOINT] == 0


def test_no_liability_shift_stops_before_the_charge_when_it_is_required(
    shopper: Shopper, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(REQUIRE_LIABILITY_SHIFT=True)
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
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.NO_LIABILITY_SHIFT)
    assert order.eci == "07"
    assert gateway.counts[PAYMENT_ENDPOINT] == 0
