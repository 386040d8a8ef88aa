"""Faults that a person switches on, and the bodies that a person may see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments.simulator import FAULTS, Simulator
from nexi_payments.simulator.faults import FaultInjector
from nexi_payments.simulator.redaction import redacted_body
from tests.simulator.merchant_client import CARDS, MerchantClient, purchase

INIT = "/orders/3steps/init"


def test_down_until_it_is_switched_off(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.faults.set_fault("down")
    for _ in range(2):
        reply = terminal.call("POST", INIT, purchase(), documented=False)
        assert (reply.status, reply.fault) == (503, "refused")
    simulator.faults.set_fault()
    assert terminal.call("GET", "/orders/ORDER1").status == 404  # nothing arrived
    terminal.init(purchase())


def test_down_for_one_call(terminal: MerchantClient, simulator: Simulator) -> None:
    simulator.faults.set_fault("down", once=True)
    assert terminal.call("GET", "/payment_methods", documented=False).status == 503
    assert simulator.faults.fault is None
    assert terminal.call("GET", "/payment_methods").status == 200


def test_one_lost_answer_is_that_of_the_charge(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.faults.set_fault("lost", once=True)
    ready = terminal.authenticated_payment(purchase())
    assert simulator.faults.fault is not None
    reply = terminal.call("POST", "/orders/3steps/payment", ready)
    assert (reply.status, reply.fault) == (200, "cut")
    assert simulator.charge_count("ORDER1") == 1
    assert terminal.call("GET", "/orders/ORDER1").fault == ""


def test_lost_for_good_loses_what_is_asked_afterwards(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    ready = terminal.authenticated_payment(purchase())
    simulator.faults.set_fault("lost")
    for method, path, body in (
        ("POST", "/orders/3steps/payment", ready),
        ("GET", "/orders/ORDER1", None),
    ):
        assert terminal.call(method, path, body).fault == "cut"
    simulator.reset()
    assert simulator.faults.fault is None


def test_slow_waits_and_then_answers() -> None:
    weather = FaultInjector()
    weather.set_fault("slow", once=True)
    assert weather.inject("GET", "/orders/1", pause=0) == "slow"
    assert weather.inject("GET", "/orders/1", pause=0) == ""


def test_an_unknown_fault_is_named() -> None:
    with pytest.raises(ValueError, match="no fault 'rain'; there are: down, slow"):
        FaultInjector().set_fault("rain")
    assert FAULTS == ("down", "slow", "lost")


def test_bodies_are_kept_when_asked_for_and_never_with_a_card(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    terminal.init(purchase(order_id="ORDER0"))
    assert simulator.calls[0].request_body == simulator.calls[0].response_body == ""
    simulator.keep_bodies()
    body = purchase()
    terminal.init(body)
    call = simulator.calls[1]
    assert (call.number, call.path) == (2, INIT)
    assert call.request_body["order"]["amount"] == body["order"]["amount"]
    assert call.request_body["card"] == {
        "pan": f"•••• {body['card']['pan'][-4:]}",
        "expiryDate": "•••",
        "cvv": "•••",
    }
    assert call.response_body["operation"]["orderId"] == "ORDER1"
    assert call.response_body["operation"]["operationId"] == call.operation_id
    assert body["card"]["pan"] not in repr(simulator.calls)


PAN = CARDS["challenge"].number
TIME = "2026-11-26 07:16:10.123"
UUID = "12345678-1234-4123-8123-123456789012"
SPACED = " ".join(PAN[place : place + 4] for place in (0, 4, 8, 12))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"card": PAN}, {"card": "•••"}),
        ({"card": {"pan": PAN, "odd": PAN}}, {"card": {"pan": f"•••• {PAN[-4:]}"}}),
        ({"card": {"pan": int(PAN)}}, {"card": {"pan": "•••"}}),
        ({"a": [{"card": {"cvv": "396"}}]}, {"a": [{"card": {"cvv": "•••"}}]}),
        ({"note": f"it is {SPACED}."}, {"note": "it is •••."}),
        ({PAN: 1, "n": int(PAN)}, {"•••": 1, "n": "•••"}),
        (
            {"card": {"pan": PAN}, "operationId": PAN},
            {"card": {"pan": f"•••• {PAN[-4:]}"}, "operationId": "•••"},
        ),
        (
            {"orderId": PAN, "paymentId": f"x{SPACED}"},
            {"orderId": "•••", "paymentId": "x•••"},
        ),
        ({"a": [PAN + PAN, "/".join((PAN[:8], PAN[8:]))]}, {"a": ["•••", "•••"]}),
        ({"operationId": UUID}, {"operationId": UUID}),
        ({"operationTime": TIME}, {"operationTime": TIME}),
        ({"operationId": "123456789012345678"}, {"operationId": "123456789012345678"}),
        (
            {"threeDSAuthResponse": "eJx+/abcdefgh", "xid": "short"},
            {"threeDSAuthResponse": "eJx+/a…", "xid": "•••"},
        ),
        ({"long": "x" * 130, "yes": True}, {"long": "x" * 120 + "…", "yes": True}),
    ],
)
def test_what_is_left_of_a_body(body: Any, shown: Any) -> None:
    assert redacted_body(json.dumps(body).encode()) == shown


def test_what_is_no_json_is_counted_and_not_shown() -> None:
    assert redacted_body(b"") == ""
    assert redacted_body(PAN.encode() + b"!") == "(17 bytes, no JSON)"
    assert redacted_body(b"\xff\xfe") == "(2 bytes, no JSON)"
