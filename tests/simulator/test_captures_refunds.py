"""Captures, refunds, cancels: accepted at once, the verdict seen afterwards."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from tests.simulator.merchant_client import MerchantClient, idempotency_header, purchase

DAY = 24 * 3600
AMOUNT = {"amount": "500", "currency": "EUR"}


def test_the_answer_says_only_accepted(terminal: MerchantClient) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    answer = terminal.post(f"/operations/{held}/captures", AMOUNT, idempotency_header())
    assert set(answer) == {"operationId", "operationTime"}
    assert re.fullmatch(r"[0-9a-f-]{36}", answer["operationId"])
    found = terminal.get(f"/operations/{answer['operationId']}")
    assert found["operationType"] == "CAPTURE"
    assert found["operationResult"] == "EXECUTED"
    assert found["operationAmount"] == "500"
    assert found["orderId"] == "ORDER1"
    assert found["channel"] == "BACKOFFICE"


def test_capture_in_parts_up_to_what_is_held(terminal: MerchantClient) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    path = f"/operations/{held}/captures"
    terminal.post_charge(held, "captures", "500")
    assert terminal.totals() == ("1250", "500")
    assert (
        terminal.rejected_code(path, AMOUNT | {"amount": "751"}, idempotency_header())
        == "PS0026"
    )
    terminal.post_charge(held, "captures", "750")
    assert terminal.totals() == ("1250", "1250")
    assert terminal.rejected_code(path, AMOUNT, idempotency_header()) == "PS0023"
    status = terminal.get("/orders/ORDER1")["orderStatus"]
    assert status["lastOperationType"] == "CAPTURE"


def test_a_booked_payment_is_not_captured_again(terminal: MerchantClient) -> None:
    paid = terminal.pay(purchase())
    assert (
        terminal.rejected_code(
            f"/operations/{paid}/captures", AMOUNT, idempotency_header()
        )
        == "PS0023"
    )


def test_a_released_payment_is_not_captured(terminal: MerchantClient) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    release = terminal.post_charge(held, "refunds", "1250")
    found = terminal.get(f"/operations/{release}")
    assert (found["operationType"], found["operationResult"]) == ("REFUND", "VOIDED")
    assert found["cancelledOperationId"] == ""
    assert terminal.totals() == ("0", "0")
    # the authorization itself reads as before
    assert terminal.result(held) == "AUTHORIZED"
    body = AMOUNT | {"amount": "1250"}
    assert (
        terminal.rejected_code(
            f"/operations/{held}/captures", body, idempotency_header()
        )
        == "PS0022"
    )
    assert (
        terminal.rejected_code(
            f"/operations/{held}/refunds", body, idempotency_header()
        )
        == "PS0028"
    )


@pytest.mark.parametrize("amount", ["1249", "1251"])
def test_a_hold_is_released_whole(terminal: MerchantClient, amount: str) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    body = AMOUNT | {"amount": amount}
    assert (
        terminal.rejected_code(
            f"/operations/{held}/refunds", body, idempotency_header()
        )
        == "PS0029"
    )


def test_refund_in_parts_up_to_what_was_paid(terminal: MerchantClient) -> None:
    paid = terminal.pay(purchase())
    path = f"/operations/{paid}/refunds"
    part = terminal.post_charge(paid, "refunds", "500")
    assert terminal.result(part) == "EXECUTED"
    assert (
        terminal.rejected_code(path, AMOUNT | {"amount": "751"}, idempotency_header())
        == "PS0029"
    )
    terminal.post_charge(paid, "refunds", "750")
    assert terminal.rejected_code(path, AMOUNT, idempotency_header()) == "PS0027"
    charge = terminal.simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.captured, charge.refunded, charge.net) == (1250, 1250, 0)


def test_all_of_todays_payment_is_released_instead(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    today = terminal.pay(purchase())
    tomorrow = terminal.pay(purchase(order_id="ORDER2"))
    assert terminal.result(terminal.post_charge(today, "refunds", "1250")) == "VOIDED"
    assert terminal.totals() == ("0", "0")
    simulator.advance(DAY)
    assert (
        terminal.result(terminal.post_charge(tomorrow, "refunds", "1250")) == "EXECUTED"
    )
    assert terminal.totals("ORDER2") == ("1250", "1250")
    for order_id in ("ORDER1", "ORDER2"):
        charge = simulator.charge_of(order_id)
        assert charge is not None
        assert charge.net == 0


def test_a_capture_is_refunded_on_the_capture(terminal: MerchantClient) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    capture = terminal.post_charge(held, "captures", "1000")
    path = f"/operations/{capture}/refunds"
    assert (
        terminal.rejected_code(
            f"/operations/{held}/refunds", AMOUNT, idempotency_header()
        )
        == "PS0026"
    )
    assert (
        terminal.rejected_code(path, AMOUNT | {"amount": "1001"}, idempotency_header())
        == "PS0029"
    )
    refund = terminal.post_charge(capture, "refunds", "1000")
    assert terminal.result(refund) == "EXECUTED"
    assert terminal.rejected_code(path, AMOUNT, idempotency_header()) == "PS0027"
    assert (
        terminal.rejected_code(
            f"/operations/{refund}/refunds", AMOUNT, idempotency_header()
        )
        == "PS0026"
    )
    assert terminal.rejected_code(
        f"/operations/{capture}/captures", AMOUNT, idempotency_header()
    ) == ("PS0026")


def test_a_refund_that_takes_a_while(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    paid = terminal.pay(purchase("refund_pending"))
    refund = terminal.post_charge(paid, "refunds", "1000")
    assert terminal.result(refund) == "PENDING"
    charge = simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.refunded, charge.net) == (0, 1250)
    # what is on its way is not there to be refunded again
    assert (
        terminal.rejected_code(
            f"/operations/{paid}/refunds", AMOUNT, idempotency_header()
        )
        == "PS0029"
    )
    simulator.advance(20)
    assert terminal.result(refund) == "EXECUTED"
    charge = simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.refunded, charge.net) == (1000, 250)


@pytest.mark.parametrize("what", ["captures", "refunds"])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"currency": "USD"}, "PS0009"),
        ({"currency": "978"}, "PS0009"),
        ({"amount": "0"}, "PS0026"),
        ({"amount": 500}, "PS0036"),
        ({"description": None}, "PS0026"),
    ],
)
def test_what_is_refused(
    terminal: MerchantClient, what: str, change: dict[str, Any], code: str
) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    path = f"/operations/{held}/{what}"
    assert terminal.rejected_code(path, AMOUNT | change, idempotency_header()) == code
    assert len(terminal.get("/orders/ORDER1")["operations"]) == 1


@pytest.mark.parametrize("what", ["captures", "refunds", "cancels"])
def test_before_the_payment_there_is_nothing_to_change(
    terminal: MerchantClient, what: str
) -> None:
    pending = terminal.init(purchase())
    body = {} if what == "cancels" else AMOUNT
    assert (
        terminal.rejected_code(
            f"/operations/{pending}/{what}", body, idempotency_header()
        )
        == "PS0026"
    )


@pytest.mark.parametrize("what", ["captures", "refunds", "cancels"])
def test_an_unknown_operation_is_not_found(terminal: MerchantClient, what: str) -> None:
    body = {} if what == "cancels" else AMOUNT
    for _ in range(2):
        reply = terminal.call(
            "POST", f"/operations/1/{what}", body, idempotency_header("k")
        )
        assert (reply.status, reply.body) == (404, b"")


# -- Idempotency-Key -------------------------------------------------------------------


@pytest.mark.parametrize("what", ["captures", "refunds", "cancels"])
@pytest.mark.parametrize(
    ("value", "code"), [(None, "PS0074"), ("", "PS0074"), ("k" * 64, "PS0025")]
)
def test_the_key_is_needed(
    terminal: MerchantClient, what: str, value: str | None, code: str
) -> None:
    target = terminal.pay(purchase(), "EXPLICIT")
    if what == "cancels":
        capture = terminal.post(
            f"/operations/{target}/captures", AMOUNT, idempotency_header("c")
        )
        target = capture["operationId"]
    before = terminal.get("/orders/ORDER1")
    headers = {} if value is None else {"Idempotency-Key": value}
    path = f"/operations/{target}/{what}"
    body = {} if what == "cancels" else AMOUNT
    assert terminal.rejected_code(path, body, headers) == code
    assert terminal.get("/orders/ORDER1") == before


def test_the_same_key_and_request_act_once(terminal: MerchantClient) -> None:
    paid = terminal.pay(purchase())
    path = f"/operations/{paid}/refunds"
    first = terminal.post(path, AMOUNT, idempotency_header("k"))
    terminal.simulator.advance(5)
    assert terminal.post(path, AMOUNT, idempotency_header("k")) == first
    assert len(terminal.get("/orders/ORDER1")["operations"]) == 2
    terminal.post(path, AMOUNT, idempotency_header("another"))
    assert len(terminal.get("/orders/ORDER1")["operations"]) == 3


def test_the_key_of_another_request_is_refused(terminal: MerchantClient) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    terminal.post(f"/operations/{held}/captures", AMOUNT, idempotency_header("k"))
    for what, body in (
        ("captures", AMOUNT | {"amount": "501"}),
        ("captures", AMOUNT | {"description": "x"}),
        ("refunds", AMOUNT),
    ):
        path = f"/operations/{held}/{what}"
        assert terminal.rejected_code(path, body, idempotency_header("k")) == "PS0025"


def test_a_refused_request_may_be_tried_again(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    ready = terminal.authenticated_payment(purchase("pending_then_paid"))
    paid = terminal.post("/orders/3steps/payment", ready)["operation"]["operationId"]
    path = f"/operations/{paid}/refunds"
    assert terminal.rejected_code(path, AMOUNT, idempotency_header("k")) == "PS0026"
    simulator.advance(20)
    terminal.post(path, AMOUNT, idempotency_header("k"))


def test_a_lost_answer_is_given_again(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    paid = terminal.pay(purchase())
    path = f"/operations/{paid}/refunds"
    simulator.lose_next_answer("/refunds")
    assert terminal.call("POST", path, AMOUNT, idempotency_header("k")).fault == "cut"
    again = terminal.call("POST", path, AMOUNT, idempotency_header("k"))
    assert again.fault == ""
    refund = json.loads(again.body)["operationId"]
    listed = terminal.get("/orders/ORDER1")["operations"]
    assert [one["operationId"] for one in listed] == [paid, refund]


# -- cancels ---------------------------------------------------------------------------


def cancel(operation_id: str) -> str:
    return f"/operations/{operation_id}/cancels"


def test_a_capture_is_rolled_back_the_same_day(terminal: MerchantClient) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    capture = terminal.post_charge(held, "captures", "1250")
    undone = terminal.post(
        cancel(capture), {"description": "by mistake"}, idempotency_header()
    )
    found = terminal.get(f"/operations/{undone['operationId']}")
    assert found["operationType"] == "CANCEL"
    assert found["operationResult"] == "EXECUTED"
    assert found["cancelledOperationId"] == capture
    assert terminal.totals() == ("1250", "0")
    assert (
        terminal.rejected_code(cancel(capture), None, idempotency_header()) == "PS0028"
    )
    path = f"/operations/{capture}/refunds"
    assert terminal.rejected_code(path, AMOUNT, idempotency_header()) == "PS0028"
    # the authorization is still there
    terminal.post_charge(held, "captures", "1250")
    assert terminal.totals() == ("1250", "1250")


def test_a_refund_is_rolled_back_the_same_day(terminal: MerchantClient) -> None:
    paid = terminal.pay(purchase())
    refund = terminal.post_charge(paid, "refunds", "500")
    terminal.post(cancel(refund), None, idempotency_header())
    charge = terminal.simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.refunded, charge.net) == (0, 1250)


def test_the_next_day_is_too_late(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    capture = terminal.post_charge(held, "captures", "500")
    simulator.advance(DAY)
    assert (
        terminal.rejected_code(cancel(capture), None, idempotency_header()) == "PS0002"
    )


def test_what_cannot_be_rolled_back(terminal: MerchantClient) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    capture = terminal.post_charge(held, "captures", "500")
    terminal.post_charge(capture, "refunds", "100")
    assert (
        terminal.rejected_code(cancel(capture), None, idempotency_header()) == "PS0027"
    )
    assert terminal.rejected_code(cancel(held), None, idempotency_header()) == "PS0026"
    assert (
        terminal.rejected_code(cancel(capture), {"amount": "1"}, idempotency_header())
        == "PS0026"
    )
    other = terminal.pay(purchase(order_id="O2"), "EXPLICIT")
    released = terminal.post_charge(other, "refunds", "1250")
    assert (
        terminal.rejected_code(cancel(released), None, idempotency_header()) == "PS0026"
    )
