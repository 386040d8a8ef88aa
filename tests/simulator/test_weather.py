"""Faults that a person switches on, and the bodies that a person may see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments.simulator import FAULTS, Simulator
from nexi_payments.simulator.scrubbing import scrubbed
from nexi_payments.simulator.weather import Weather
from tests.simulator.terminal import CARDS, Terminal, purchase

INIT = "/orders/3steps/init"


def test_down_until_it_is_switched_off(
    terminal: Terminal, simulator: Simulator
) -> None:
    simulator.weather.switch("down")
    for _ in range(2):
        reply = terminal.call("POST", INIT, purchase(), documented=False)
        assert (reply.status, reply.fault) == (503, "refused")
    simulator.weather.switch()
    assert terminal.call("GET", "/orders/ORDER1").status == 404  # nothing arrived
    terminal.init(purchase())


def test_down_for_one_call(terminal: Terminal, simulator: Simulator) -> None:
    simulator.weather.switch("down", once=True)
    assert terminal.call("GET", "/payment_methods", documented=False).status == 503
    assert simulator.weather.fault is None
    assert terminal.call("GET", "/payment_methods").status == 200


def test_one_lost_answer_is_that_of_the_charge(
    terminal: Terminal, simulator: Simulator
) -> None:
    simulator.weather.switch("lost", once=True)
    ready = terminal.ready(purchase())
    assert simulator.weather.fault is not None
    reply = terminal.call("POST", "/orders/3steps/payment", ready)
    assert (reply.status, reply.fault) == (200, "cut")
    assert simulator.charges("ORDER1") == 1
    assert terminal.call("GET", "/orders/ORDER1").fault == ""


def test_lost_for_good_loses_what_is_asked_afterwards(
    terminal: Terminal, simulator: Simulator
) -> None:
    ready = terminal.ready(purchase())
    simulator.weather.switch("lost")
    for method, path, body in (
        ("POST", "/orders/3steps/payment", ready),
        ("GET", "/orders/ORDER1", None),
    ):
        assert terminal.call(method, path, body).fault == "cut"
    simulator.reset()
    assert simulator.weather.fault is None


def test_slow_waits_and_then_answers() -> None:
    weather = Weather()
    weather.switch("slow", once=True)
    assert weather.strike("GET", "/orders/1", pause=0) == "slow"
    assert weather.strike("GET", "/orders/1", pause=0) == ""


def test_an_unknown_fault_is_named() -> None:
    with pytest.raises(ValueError, match="no fault 'rain'; there are: down, slow"):
        Weather().switch("rain")
    assert FAULTS == ("down", "slow", "lost")


def test_bodies_are_kept_when_asked_for_and_never_with_a_card(
    terminal: Terminal, simulator: Simulator
) -> None:
    terminal.init(purchase(order_id="ORDER0"))
    assert simulator.calls[0].asked == simulator.calls[0].answer == ""
    simulator.keep_bodies()
    body = purchase()
    terminal.init(body)
    call = simulator.calls[1]
    assert (call.number, call.path) == (2, INIT)
    assert call.asked["order"]["amount"] == body["order"]["amount"]
    assert call.asked["card"] == {
        "pan": f"•••• {body['card']['pan'][-4:]}",
        "expiryDate": "•••",
        "cvv": "•••",
    }
    assert call.answer["operation"]["orderId"] == "ORDER1"
    assert call.answer["operation"]["operationId"] == call.operation_id
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
    assert scrubbed(json.dumps(body).encode()) == shown


def test_what_is_no_json_is_counted_and_not_shown() -> None:
    assert scrubbed(b"") == ""
    assert scrubbed(PAN.encode() + b"!") == "(17 bytes, no JSON)"
    assert scrubbed(b"\xff\xfe") == "(2 bytes, no JSON)"
