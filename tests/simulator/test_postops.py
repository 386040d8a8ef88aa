"""Captures, refunds, cancels: accepted at once, the verdict seen afterwards."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from tests.simulator.terminal import Terminal, key, purchase

DAY = 24 * 3600
AMOUNT = {"amount": "500", "currency": "EUR"}


def test_the_answer_says_only_accepted(terminal: Terminal) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    answer = terminal.post(f"/operations/{held}/captures", AMOUNT, key())
    assert set(answer) == {"operationId", "operationTime"}
    assert re.fullmatch(r"[0-9a-f-]{36}", answer["operationId"])
    found = terminal.get(f"/operations/{answer['operationId']}")
    assert found["operationType"] == "CAPTURE"
    assert found["operationResult"] == "EXECUTED"
    assert found["operationAmount"] == "500"
    assert found["orderId"] == "ORDER1"
    assert found["channel"] == "BACKOFFICE"


def test_capture_in_parts_up_to_what_is_held(terminal: Terminal) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    path = f"/operations/{held}/captures"
    terminal.later(held, "captures", "500")
    assert terminal.totals() == ("1250", "500")
    assert terminal.refused(path, AMOUNT | {"amount": "751"}, key()) == "PS0026"
    terminal.later(held, "captures", "750")
    assert terminal.totals() == ("1250", "1250")
    assert terminal.refused(path, AMOUNT, key()) == "PS0023"
    status = terminal.get("/orders/ORDER1")["orderStatus"]
    assert status["lastOperationType"] == "CAPTURE"


def test_a_booked_payment_is_not_captured_again(terminal: Terminal) -> None:
    paid = terminal.paid(purchase())
    assert terminal.refused(f"/operations/{paid}/captures", AMOUNT, key()) == "PS0023"


def test_a_released_payment_is_not_captured(terminal: Terminal) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    release = terminal.later(held, "refunds", "1250")
    found = terminal.get(f"/operations/{release}")
    assert (found["operationType"], found["operationResult"]) == ("REFUND", "VOIDED")
    assert found["cancelledOperationId"] == ""
    assert terminal.totals() == ("0", "0")
    # the authorization itself reads as before
    assert terminal.result(held) == "AUTHORIZED"
    body = AMOUNT | {"amount": "1250"}
    assert terminal.refused(f"/operations/{held}/captures", body, key()) == "PS0022"
    assert terminal.refused(f"/operations/{held}/refunds", body, key()) == "PS0028"


@pytest.mark.parametrize("amount", ["1249", "1251"])
def test_a_hold_is_released_whole(terminal: Terminal, amount: str) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    body = AMOUNT | {"amount": amount}
    assert terminal.refused(f"/operations/{held}/refunds", body, key()) == "PS0029"


def test_refund_in_parts_up_to_what_was_paid(terminal: Terminal) -> None:
    paid = terminal.paid(purchase())
    path = f"/operations/{paid}/refunds"
    part = terminal.later(paid, "refunds", "500")
    assert terminal.result(part) == "EXECUTED"
    assert terminal.refused(path, AMOUNT | {"amount": "751"}, key()) == "PS0029"
    terminal.later(paid, "refunds", "750")
    assert terminal.refused(path, AMOUNT, key()) == "PS0027"
    charge = terminal.simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.captured, charge.refunded, charge.net) == (1250, 1250, 0)


def test_all_of_todays_payment_is_released_instead(
    terminal: Terminal, simulator: Simulator
) -> None:
    today = terminal.paid(purchase())
    tomorrow = terminal.paid(purchase(order_id="ORDER2"))
    assert terminal.result(terminal.later(today, "refunds", "1250")) == "VOIDED"
    assert terminal.totals() == ("0", "0")
    simulator.advance(DAY)
    assert terminal.result(terminal.later(tomorrow, "refunds", "1250")) == "EXECUTED"
    assert terminal.totals("ORDER2") == ("1250", "1250")
    for order_id in ("ORDER1", "ORDER2"):
        charge = simulator.charge_of(order_id)
        assert charge is not None
        assert charge.net == 0


def test_a_capture_is_refunded_on_the_capture(terminal: Terminal) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    capture = terminal.later(held, "captures", "1000")
    path = f"/operations/{capture}/refunds"
    assert terminal.refused(f"/operations/{held}/refunds", AMOUNT, key()) == "PS0026"
    assert terminal.refused(path, AMOUNT | {"amount": "1001"}, key()) == "PS0029"
    refund = terminal.later(capture, "refunds", "1000")
    assert terminal.result(refund) == "EXECUTED"
    assert terminal.refused(path, AMOUNT, key()) == "PS0027"
    assert terminal.refused(f"/operations/{refund}/refunds", AMOUNT, key()) == "PS0026"
    assert terminal.refused(f"/operations/{capture}/captures", AMOUNT, key()) == (
        "PS0026"
    )


def test_a_refund_that_takes_a_while(terminal: Terminal, simulator: Simulator) -> None:
    paid = terminal.paid(purchase("refund_pending"))
    refund = terminal.later(paid, "refunds", "1000")
    assert terminal.result(refund) == "PENDING"
    charge = simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.refunded, charge.net) == (0, 1250)
    # what is on its way is not there to be refunded again
    assert terminal.refused(f"/operations/{paid}/refunds", AMOUNT, key()) == "PS0029"
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
    terminal: Terminal, what: str, change: dict[str, Any], code: str
) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    path = f"/operations/{held}/{what}"
    assert terminal.refused(path, AMOUNT | change, key()) == code
    assert len(terminal.get("/orders/ORDER1")["operations"]) == 1


@pytest.mark.parametrize("what", ["captures", "refunds", "cancels"])
def test_before_the_payment_there_is_nothing_to_change(
    terminal: Terminal, what: str
) -> None:
    pending = terminal.init(purchase())
    body = {} if what == "cancels" else AMOUNT
    assert terminal.refused(f"/operations/{pending}/{what}", body, key()) == "PS0026"


@pytest.mark.parametrize("what", ["captures", "refunds", "cancels"])
def test_an_unknown_operation_is_not_found(terminal: Terminal, what: str) -> None:
    body = {} if what == "cancels" else AMOUNT
    for _ in range(2):
        reply = terminal.call("POST", f"/operations/1/{what}", body, key("k"))
        assert (reply.status, reply.body) == (404, b"")


# -- Idempotency-Key -------------------------------------------------------------------


@pytest.mark.parametrize("what", ["captures", "refunds"])
@pytest.mark.parametrize("value", [None, "", "k" * 64])
def test_the_key_is_needed(terminal: Terminal, what: str, value: str | None) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    headers = {} if value is None else {"Idempotency-Key": value}
    path = f"/operations/{held}/{what}"
    assert terminal.refused(path, AMOUNT, headers) == "PS0025"


def test_the_same_key_and_request_act_once(terminal: Terminal) -> None:
    paid = terminal.paid(purchase())
    path = f"/operations/{paid}/refunds"
    first = terminal.post(path, AMOUNT, key("k"))
    terminal.simulator.advance(5)
    assert terminal.post(path, AMOUNT, key("k")) == first
    assert len(terminal.get("/orders/ORDER1")["operations"]) == 2
    terminal.post(path, AMOUNT, key("another"))
    assert len(terminal.get("/orders/ORDER1")["operations"]) == 3


def test_the_key_of_another_request_is_refused(terminal: Terminal) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    terminal.post(f"/operations/{held}/captures", AMOUNT, key("k"))
    for what, body in (
        ("captures", AMOUNT | {"amount": "501"}),
        ("captures", AMOUNT | {"description": "x"}),
        ("refunds", AMOUNT),
    ):
        path = f"/operations/{held}/{what}"
        assert terminal.refused(path, body, key("k")) == "PS0025"


def test_a_refused_request_may_be_tried_again(
    terminal: Terminal, simulator: Simulator
) -> None:
    ready = terminal.ready(purchase("pending_then_paid"))
    paid = terminal.post("/orders/3steps/payment", ready)["operation"]["operationId"]
    path = f"/operations/{paid}/refunds"
    assert terminal.refused(path, AMOUNT, key("k")) == "PS0026"
    simulator.advance(20)
    terminal.post(path, AMOUNT, key("k"))


def test_a_lost_answer_is_given_again(terminal: Terminal, simulator: Simulator) -> None:
    paid = terminal.paid(purchase())
    path = f"/operations/{paid}/refunds"
    simulator.lose_next_answer("/refunds")
    assert terminal.call("POST", path, AMOUNT, key("k")).fault == "cut"
    again = terminal.call("POST", path, AMOUNT, key("k"))
    assert again.fault == ""
    refund = json.loads(again.body)["operationId"]
    listed = terminal.get("/orders/ORDER1")["operations"]
    assert [one["operationId"] for one in listed] == [paid, refund]


# -- cancels ---------------------------------------------------------------------------


def cancel(operation_id: str) -> str:
    return f"/operations/{operation_id}/cancels"


def test_a_capture_is_rolled_back_the_same_day(terminal: Terminal) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    capture = terminal.later(held, "captures", "1250")
    undone = terminal.post(cancel(capture), {"description": "by mistake"})
    found = terminal.get(f"/operations/{undone['operationId']}")
    assert found["operationType"] == "CANCEL"
    assert found["operationResult"] == "EXECUTED"
    assert found["cancelledOperationId"] == capture
    assert terminal.totals() == ("1250", "0")
    assert terminal.refused(cancel(capture)) == "PS0028"
    path = f"/operations/{capture}/refunds"
    assert terminal.refused(path, AMOUNT, key()) == "PS0028"
    # the hold is still there
    terminal.later(held, "captures", "1250")
    assert terminal.totals() == ("1250", "1250")


def test_a_refund_is_rolled_back_the_same_day(terminal: Terminal) -> None:
    paid = terminal.paid(purchase())
    refund = terminal.later(paid, "refunds", "500")
    terminal.post(cancel(refund))
    charge = terminal.simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.refunded, charge.net) == (0, 1250)


def test_the_next_day_is_too_late(terminal: Terminal, simulator: Simulator) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    capture = terminal.later(held, "captures", "500")
    simulator.advance(DAY)
    assert terminal.refused(cancel(capture)) == "PS0002"


def test_what_cannot_be_rolled_back(terminal: Terminal) -> None:
    held = terminal.paid(purchase(), "EXPLICIT")
    capture = terminal.later(held, "captures", "500")
    terminal.later(capture, "refunds", "100")
    assert terminal.refused(cancel(capture)) == "PS0027"
    assert terminal.refused(cancel(held)) == "PS0026"
    assert terminal.refused(cancel(capture), {"amount": "1"}) == "PS0026"
    other = terminal.paid(purchase(order_id="O2"), "EXPLICIT")
    assert terminal.refused(cancel(terminal.later(other, "refunds", "1250"))) == (
        "PS0026"
    )
