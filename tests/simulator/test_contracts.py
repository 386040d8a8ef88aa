"""Cards on file: a payment makes a contract, later charges need no card."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from tests.simulator.terminal import Terminal, card, key, purchase

MIT = "/orders/mit"


def founding(ending: str = "challenge", **changes: str) -> dict[str, Any]:
    body = purchase(ending)
    body["order"]["customerId"] = "CUST42"
    body["recurrence"] = {
        "action": "CONTRACT_CREATION",
        "contractId": "CTR0000000077",
        "contractType": "MIT_UNSCHEDULED",
        **changes,
    }
    return body


def charge(order_id: str = "SUB1", **changes: Any) -> dict[str, Any]:
    return {
        "order": {"orderId": order_id, "amount": "900", "currency": "EUR"},
        "contractId": "CTR0000000077",
        "captureType": "IMPLICIT",
        **changes,
    }


def listed(terminal: Terminal) -> list[dict[str, Any]]:
    return terminal.get("/contracts/customers/CUST42")["contracts"]


def test_a_charged_payment_makes_a_contract(terminal: Terminal) -> None:
    assert terminal.call("GET", "/contracts/customers/CUST42").status == 404
    ready = terminal.ready(founding())
    assert terminal.call("GET", "/contracts/customers/CUST42").status == 404
    terminal.post("/orders/3steps/payment", ready)
    assert listed(terminal) == [
        {
            "contractId": "CTR0000000077",
            "contractType": "MIT_UNSCHEDULED",
            "contractExpiryDate": None,
            "contractFrequency": None,
            "paymentMethod": "CARD",
            "paymentCircuit": "VISA",
            "paymentInstrumentInfo": "***4549",
        }
    ]


def test_a_declined_payment_makes_none(terminal: Terminal) -> None:
    terminal.paid(founding("declined"))
    assert terminal.call("GET", "/contracts/customers/CUST42").status == 404
    assert terminal.refused(MIT, charge(), key()) == "PS0017"


def test_a_payment_repeats_what_init_promised(terminal: Terminal) -> None:
    ready = terminal.ready(founding())
    del ready["recurrence"]
    assert terminal.refused("/orders/3steps/payment", ready) == "GW0001"


def test_a_contract_id_is_used_once(terminal: Terminal) -> None:
    terminal.paid(founding())
    again = founding()
    again["order"]["orderId"] = "ORDER2"
    assert terminal.refused("/orders/3steps/init", again) == "PS0017"


def test_a_contract_is_charged_without_a_card(
    terminal: Terminal, simulator: Simulator
) -> None:
    terminal.paid(founding())
    operation = terminal.post(MIT, charge(), key())["operation"]
    assert operation["operationResult"] == "EXECUTED"
    assert (operation["orderId"], operation["operationAmount"]) == ("SUB1", "900")
    assert terminal.totals("SUB1") == ("900", "900")
    assert simulator.charges("SUB1") == 1
    assert simulator.counts["POST /orders/mit"] == 1


def test_the_same_key_charges_once(terminal: Terminal, simulator: Simulator) -> None:
    terminal.paid(founding())
    first = terminal.post(MIT, charge(), key("k"))
    assert terminal.post(MIT, charge(), key("k")) == first
    assert terminal.refused(MIT, charge("SUB2"), key("k")) == "PS0025"
    assert terminal.refused(MIT, charge()) == "PS0025"
    assert terminal.refused(MIT, charge(), key("other")) == "PS0026"
    assert simulator.record("SUB2") is None


def test_an_ended_contract_is_not_charged(terminal: Terminal) -> None:
    terminal.paid(founding())
    path = "/contracts/CTR0000000077/deactivation"
    for _ in range(2):
        reply = terminal.call("POST", path)
        assert (reply.status, reply.body) == (200, b"")
    assert listed(terminal) == []
    assert terminal.refused(MIT, charge(), key()) == "PS0017"
    assert terminal.refused("/contracts/NOBODY/deactivation") == "PS0017"


def test_a_scheduled_contract_ends_on_its_day(
    terminal: Terminal, simulator: Simulator
) -> None:
    facts = {"contractExpiryDate": "2027-01-16", "contractFrequency": "30"}
    terminal.paid(founding(contractType="MIT_SCHEDULED", **facts))
    [one] = listed(terminal)
    assert one["contractType"] == "MIT_SCHEDULED"
    assert one["contractFrequency"] == "30"
    simulator.advance(24 * 3600)
    terminal.post(MIT, charge("SUB1"), key())
    simulator.advance(24 * 3600)
    assert terminal.refused(MIT, charge("SUB2"), key()) == "PS0017"


@pytest.mark.parametrize(
    ("ending", "result", "code"),
    [
        ("later_no_money", "DECLINED", "116"),
        ("later_lost_card", "DECLINED", "208"),
        ("later_pending", "PENDING", None),
        ("pending_then_paid", "EXECUTED", "000"),
    ],
)
def test_a_card_on_file_ends_by_its_number(
    terminal: Terminal, ending: str, result: str, code: str | None
) -> None:
    terminal.paid(founding(ending))
    operation = terminal.post(MIT, charge(), key())["operation"]
    assert operation["operationResult"] == result
    assert operation["additionalData"].get("authorizationStatus") == code


def test_an_answer_on_file_gets_lost_after_the_charge(
    terminal: Terminal, simulator: Simulator
) -> None:
    terminal.paid(founding("later_answer_lost"))
    reply = terminal.call("POST", MIT, charge(), key("k"))
    assert reply.fault == "cut"
    assert simulator.charges("SUB1") == 1
    again = terminal.post(MIT, charge(), key("k"))
    assert again == json.loads(reply.body)


def test_a_charge_on_file_is_given_back(terminal: Terminal) -> None:
    terminal.paid(founding())
    operation = terminal.post(MIT, charge(), key())["operation"]
    terminal.later(operation["operationId"], "refunds", "400")
    with pytest.raises(AssertionError):
        terminal.later(operation["operationId"], "refunds", "501")


def test_a_card_is_verified_for_nothing(
    terminal: Terminal, simulator: Simulator
) -> None:
    body = purchase()
    body["order"]["amount"] = "0"
    operation = terminal.post("/orders/card_verification", body)["operation"]
    assert operation["operationType"] == "CARD_VERIFICATION"
    assert operation["operationResult"] == "EXECUTED"
    body["card"] = card("lost_card")
    operation = terminal.post("/orders/card_verification", body)["operation"]
    assert operation["operationResult"] == "DECLINED"
    assert operation["additionalData"] == {"authorizationStatus": "208"}
    assert simulator.record("ORDER1") is None
    assert simulator.counts["POST /orders/card_verification"] == 2


def test_what_was_asked_of_3ds_is_kept(
    terminal: Terminal, simulator: Simulator
) -> None:
    terminal.init(purchase() | {"exemptions": "CHALLENGE_REQUESTED"})
    record = simulator.record("ORDER1")
    assert record is not None
    assert record["exemptions"] == "CHALLENGE_REQUESTED"
