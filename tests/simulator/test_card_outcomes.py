"""Every test card ends as its label says."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from nexi_payments.simulator import TEST_CARDS, Simulator
from nexi_payments.simulator.test_cards import brand_of, ending_of, luhn_valid
from tests.simulator.merchant_client import MerchantClient, phone_order, purchase

PAYMENT = "/orders/3steps/payment"
MOTO = "/orders/moto"
ENDINGS = (
    *("challenge", "frictionless", "declined", "lost_card", "excess_reattempts"),
    *("validation_failed", "answer_lost", "gateway_down", "garbage"),
    *("pending_then_paid", "refund_pending", "not_enrolled", "risk"),
    *("mit_declined", "mit_lost_card", "mit_answer_lost", "mit_pending"),
)


def test_there_is_a_card_for_every_ending() -> None:
    assert {card.ending for card in TEST_CARDS} == set(ENDINGS)


@pytest.mark.parametrize("card", TEST_CARDS, ids=lambda card: card.number)
def test_a_test_card_is_well_formed(card: Any) -> None:
    assert luhn_valid(card.number)
    assert brand_of(card.number) == card.brand
    assert re.fullmatch(r"12/[23]\d", card.expiry)
    assert re.fullmatch(r"\d{3}", card.cvv)
    assert card.label
    assert card.label_it
    with pytest.raises(FrozenInstanceError):
        card.number = "0"


def test_numbers_and_labels_are_told_apart() -> None:
    for name in ("number", "label", "label_it"):
        assert len({getattr(card, name) for card in TEST_CARDS}) == len(TEST_CARDS)


@pytest.mark.parametrize(
    ("number", "brand"),
    [
        ("4111111111111111", "VISA"),
        ("5555555555554444", "MC"),
        ("2221000000000009", "MC"),
        ("378282246310005", "AMEX"),
        ("6011111111111117", "MAESTRO"),
    ],
)
def test_any_other_number_is_challenged(number: str, brand: str) -> None:
    assert (ending_of(number), brand_of(number)) == ("challenge", brand)


@pytest.mark.parametrize("ending", ["challenge", "frictionless", "refund_pending"])
def test_paid(terminal: MerchantClient, ending: str) -> None:
    assert terminal.result(terminal.pay(purchase(ending))) == "EXECUTED"


def test_frictionless_brings_the_word_of_the_sandbox(terminal: MerchantClient) -> None:
    operation_id = terminal.init(purchase("frictionless"))
    back = terminal.simulator.answer_challenge(operation_id, "approve")
    assert back["PaRes"] == "notneeded"


@pytest.mark.parametrize(
    ("ending", "code"),
    [("declined", "116"), ("lost_card", "208"), ("excess_reattempts", "413")],
)
@pytest.mark.parametrize("road", ["3steps", "moto"])
def test_declined(terminal: MerchantClient, ending: str, code: str, road: str) -> None:
    if road == "moto":
        answer = terminal.post(MOTO, phone_order(ending))["operation"]
    else:
        answer = terminal.post(
            PAYMENT, terminal.authenticated_payment(purchase(ending))
        )["operation"]
    assert answer["operationResult"] == "DECLINED"
    assert answer["additionalData"]["authorizationStatus"] == code
    assert "authorizationCode" not in answer["additionalData"]
    assert terminal.result(answer["operationId"]) == "DECLINED"
    assert terminal.totals() == ("0", "0")


@pytest.mark.parametrize("flow", ["3steps", "2steps"])
def test_validation_failed(terminal: MerchantClient, flow: str) -> None:
    operation_id = terminal.init(purchase("validation_failed"), flow)
    pares = terminal.simulator.answer_challenge(operation_id, "approve")["PaRes"]
    if flow == "3steps":
        body = {"operationId": operation_id, "threeDSAuthResponse": pares}
        answer = terminal.post("/orders/3steps/validation", body)
        assert answer["threeDSAuthResult"] is None
    else:
        body = purchase("validation_failed") | {
            "operationId": operation_id,
            "threeDSAuthData": {"threeDSAuthResponse": pares},
        }
        answer = terminal.post("/orders/2steps/payment", body)
    assert answer["operation"]["operationResult"] == "THREEDS_FAILED"


@pytest.mark.parametrize("road", ["3steps", "moto"])
def test_answer_lost_is_charged_all_the_same(
    terminal: MerchantClient, road: str
) -> None:
    if road == "moto":
        reply = terminal.call("POST", MOTO, phone_order("answer_lost"))
    else:
        ready = terminal.authenticated_payment(purchase("answer_lost"))
        reply = terminal.call("POST", PAYMENT, ready)
    assert reply.fault == "cut"
    assert terminal.totals() == ("1250", "1250")


def test_gateway_down_leaves_nothing(terminal: MerchantClient) -> None:
    for path, body in (
        ("/orders/3steps/init", purchase("gateway_down")),
        ("/orders/2steps/init", purchase("gateway_down")),
        (MOTO, phone_order("gateway_down")),
    ):
        reply = terminal.call("POST", path, body, documented=False)
        assert (reply.fault, reply.status) == ("refused", 503)
        assert terminal.call("GET", "/orders/ORDER1").status == 404


def test_garbage_charges_nothing(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    ready = terminal.authenticated_payment(purchase("garbage"))
    before = simulator.record("ORDER1")
    reply = terminal.call("POST", PAYMENT, ready, documented=False)
    assert (reply.status, reply.body[:1], reply.fault) == (200, b"<", "")
    assert simulator.record("ORDER1") == before
    body = phone_order("garbage")
    body["order"]["orderId"] = "PHONE"
    reply = terminal.call("POST", MOTO, body, documented=False)
    assert (reply.status, reply.body[:1]) == (200, b"<")
    assert terminal.call("GET", "/orders/PHONE").status == 404


@pytest.mark.parametrize(
    ("capture", "end"), [("IMPLICIT", "EXECUTED"), ("EXPLICIT", "AUTHORIZED")]
)
@pytest.mark.parametrize("road", ["3steps", "moto"])
def test_pending_ends_by_itself(
    terminal: MerchantClient, simulator: Simulator, capture: str, end: str, road: str
) -> None:
    if road == "moto":
        body = phone_order("pending_then_paid") | {"captureType": capture}
        answer = terminal.post(MOTO, body)["operation"]
    else:
        ready = terminal.authenticated_payment(purchase("pending_then_paid"))
        answer = terminal.post(PAYMENT, ready | {"captureType": capture})["operation"]
    assert answer["operationResult"] == "PENDING"
    simulator.advance(19.9)
    assert terminal.result(answer["operationId"]) == "PENDING"
    assert terminal.totals() == ("0", "0")
    simulator.advance(0.2)
    assert terminal.result(answer["operationId"]) == end
    assert terminal.totals()[0] == "1250"
    assert simulator.charge_count("ORDER1") == 1


def test_not_enrolled_has_no_bank_page(terminal: MerchantClient) -> None:
    answer = terminal.post("/orders/3steps/init", purchase("not_enrolled"))
    assert answer["operation"]["operationResult"] == "PENDING"
    assert answer["threeDSAuthUrl"] is None
    assert answer["threeDSEnrollmentStatus"] is None


def test_risk_ends_at_once(terminal: MerchantClient) -> None:
    answer = terminal.post("/orders/3steps/init", purchase("risk"))
    operation = answer["operation"]
    assert operation["operationResult"] == "DENIED_BY_RISK"
    assert answer["threeDSAuthUrl"] is None
    body = {"operationId": operation["operationId"], "threeDSAuthResponse": "x"}
    assert terminal.rejected_code("/orders/3steps/validation", body) == "GW0001"
    assert terminal.result(operation["operationId"]) == "DENIED_BY_RISK"


# -- MOTO ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ending", ["challenge", "frictionless", "validation_failed", "not_enrolled"]
)
def test_moto_is_one_call(terminal: MerchantClient, ending: str) -> None:
    answer = terminal.post(MOTO, phone_order(ending))["operation"]
    assert answer["operationResult"] == "EXECUTED"
    assert answer["operationCurrency"] == "978"
    assert answer["channelDetail"] == "SERVER_TO_SERVER"
    assert terminal.totals() == ("1250", "1250")


def test_moto_at_risk(terminal: MerchantClient) -> None:
    answer = terminal.post(MOTO, phone_order("risk"))["operation"]
    assert answer["operationResult"] == "DENIED_BY_RISK"
    assert terminal.simulator.charge_count("ORDER1") == 0


def test_moto_can_wait_for_the_capture(terminal: MerchantClient) -> None:
    body = phone_order() | {"captureType": "EXPLICIT"}
    assert terminal.post(MOTO, body)["operation"]["operationResult"] == "AUTHORIZED"


def test_moto_refuses_a_used_order_id(terminal: MerchantClient) -> None:
    terminal.post(MOTO, phone_order())
    assert terminal.rejected_code(MOTO, phone_order()) == "PS0026"
    assert terminal.rejected_code(MOTO, phone_order("answer_lost")) == "PS0026"


def test_moto_needs_the_name_of_the_cardholder(terminal: MerchantClient) -> None:
    assert terminal.rejected_code(MOTO, purchase()) == "PS0026"
    assert terminal.call("GET", "/orders/ORDER1").status == 404
