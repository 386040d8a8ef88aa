"""Cards on file: a payment makes a contract, later charges need no card."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from tests.simulator.merchant_client import (
    MerchantClient,
    card_body,
    idempotency_header,
    purchase,
)

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


def listed(terminal: MerchantClient) -> list[dict[str, Any]]:
    return terminal.get("/contracts/customers/CUST42")["contracts"]


def test_a_charged_payment_makes_a_contract(terminal: MerchantClient) -> None:
    assert terminal.call("GET", "/contracts/customers/CUST42").status == 404
    ready = terminal.authenticated_payment(founding())
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


def test_a_declined_payment_makes_none(terminal: MerchantClient) -> None:
    terminal.pay(founding("declined"))
    assert terminal.call("GET", "/contracts/customers/CUST42").status == 404
    assert terminal.rejected_code(MIT, charge(), idempotency_header()) == "PS0017"


def test_a_payment_repeats_what_init_promised(terminal: MerchantClient) -> None:
    ready = terminal.authenticated_payment(founding())
    del ready["recurrence"]
    assert terminal.rejected_code("/orders/3steps/payment", ready) == "GW0001"


def test_a_contract_id_is_used_once(terminal: MerchantClient) -> None:
    terminal.pay(founding())
    again = founding()
    again["order"]["orderId"] = "ORDER2"
    assert terminal.rejected_code("/orders/3steps/init", again) == "PS0017"


def test_a_contract_is_charged_without_a_card(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    terminal.pay(founding())
    operation = terminal.post(MIT, charge(), idempotency_header())["operation"]
    assert operation["operationResult"] == "EXECUTED"
    assert (operation["orderId"], operation["operationAmount"]) == ("SUB1", "900")
    assert terminal.totals("SUB1") == ("900", "900")
    assert simulator.charge_count("SUB1") == 1
    assert simulator.counts["POST /orders/mit"] == 1


def test_the_same_key_charges_once(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    terminal.pay(founding())
    first = terminal.post(MIT, charge(), idempotency_header("k"))
    assert terminal.post(MIT, charge(), idempotency_header("k")) == first
    assert (
        terminal.rejected_code(MIT, charge("SUB2"), idempotency_header("k")) == "PS0025"
    )
    assert terminal.rejected_code(MIT, charge()) == "PS0025"
    assert (
        terminal.rejected_code(MIT, charge(), idempotency_header("other")) == "PS0026"
    )
    assert simulator.record("SUB2") is None


def test_an_ended_contract_is_not_charged(terminal: MerchantClient) -> None:
    terminal.pay(founding())
    path = "/contracts/CTR0000000077/deactivation"
    for _ in range(2):
        reply = terminal.call("POST", path)
        assert (reply.status, reply.body) == (200, b"")
    assert listed(terminal) == []
    assert terminal.rejected_code(MIT, charge(), idempotency_header()) == "PS0017"
    assert terminal.rejected_code("/contracts/NOBODY/deactivation") == "PS0017"


def test_a_scheduled_contract_ends_on_its_day(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    facts = {"contractExpiryDate": "2027-01-16", "contractFrequency": "30"}
    terminal.pay(founding(contractType="MIT_SCHEDULED", **facts))
    [one] = listed(terminal)
    assert one["contractType"] == "MIT_SCHEDULED"
    assert one["contractFrequency"] == "30"
    simulator.advance(24 * 3600)
    terminal.post(MIT, charge("SUB1"), idempotency_header())
    simulator.advance(24 * 3600)
    assert terminal.rejected_code(MIT, charge("SUB2"), idempotency_header()) == "PS0017"


@pytest.mark.parametrize(
    ("ending", "result", "code"),
    [
        ("mit_declined", "DECLINED", "116"),
        ("mit_lost_card", "DECLINED", "208"),
        ("mit_pending", "PENDING", None),
        ("pending_then_paid", "EXECUTED", "000"),
    ],
)
def test_a_card_on_file_ends_by_its_number(
    terminal: MerchantClient, ending: str, result: str, code: str | None
) -> None:
    terminal.pay(founding(ending))
    operation = terminal.post(MIT, charge(), idempotency_header())["operation"]
    assert operation["operationResult"] == result
    assert operation["additionalData"].get("authorizationStatus") == code


def test_an_answer_on_file_gets_lost_after_the_charge(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    terminal.pay(founding("mit_answer_lost"))
    reply = terminal.call("POST", MIT, charge(), idempotency_header("k"))
    assert reply.fault == "cut"
    assert simulator.charge_count("SUB1") == 1
    again = terminal.post(MIT, charge(), idempotency_header("k"))
    assert again == json.loads(reply.body)


def test_a_charge_on_file_is_given_back(terminal: MerchantClient) -> None:
    terminal.pay(founding())
    operation = terminal.post(MIT, charge(), idempotency_header())["operation"]
    terminal.post_charge(operation["operationId"], "refunds", "400")
    with pytest.raises(AssertionError):
        terminal.post_charge(operation["operationId"], "refunds", "501")


def test_a_card_is_verified_for_nothing(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    body = purchase()
    body["order"]["amount"] = "0"
    operation = terminal.post("/orders/card_verification", body)["operation"]
    assert operation["operationType"] == "CARD_VERIFICATION"
    assert operation["operationResult"] == "EXECUTED"
    body["card"] = card_body("lost_card")
    operation = terminal.post("/orders/card_verification", body)["operation"]
    assert operation["operationResult"] == "DECLINED"
    assert operation["additionalData"] == {"authorizationStatus": "208"}
    assert simulator.record("ORDER1") is None
    assert simulator.counts["POST /orders/card_verification"] == 2


def test_what_was_asked_of_3ds_is_kept(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    terminal.init(purchase() | {"exemptions": "CHALLENGE_REQUESTED"})
    record = simulator.record("ORDER1")
    assert record is not None
    assert record["exemptions"] == "CHALLENGE_REQUESTED"
