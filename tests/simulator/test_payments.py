"""3 steps and 2 steps: the habits of the answers, and what the gateway refuses."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from nexi_payments.simulator.test_cards import luhn_valid
from tests.simulator.merchant_client import SITE, MerchantClient, card_body, purchase

VALIDATION = "/orders/3steps/validation"


PAYMENT = "/orders/3steps/payment"


def test_init_asks_for_the_browser(terminal: MerchantClient) -> None:
    answer = terminal.post("/orders/3steps/init", purchase())
    operation = answer["operation"]
    assert re.fullmatch(r"[0-9]{18}", operation.pop("operationId"))
    assert operation == {
        "orderId": "ORDER1",
        "channel": None,
        "channelDetail": None,
        "operationType": "AUTHORIZATION",
        "operationResult": "PENDING",
        "operationTime": "2027-01-15 12:00:00.005",
        "paymentMethod": "CARD",
        "paymentCircuit": "VISA",
        "paymentInstrumentInfo": "***4549",
        "paymentEndToEndId": None,
        "cancelledOperationId": None,
        "operationAmount": "1250",
        "operationCurrency": "EUR",
        "customerInfo": None,
        "warnings": [],
        "additionalData": {
            "maskedPan": "434994******4549",
            "cardExpiryDate": "203012",
        },
    }
    assert answer["threeDSEnrollmentStatus"] == "ENROLLED"
    assert answer["threeDSAuthRequest"] == "notneeded"
    assert answer["threeDSAuthUrl"] == SITE + "/monetaweb/phoenixstos"


def test_times_are_local_and_know_summer(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.advance(180 * 24 * 3600)
    answer = terminal.post("/orders/3steps/init", purchase())
    assert answer["operation"]["operationTime"] == "2027-07-14 13:00:00.005"


def test_the_three_steps_end_in_a_booked_payment(terminal: MerchantClient) -> None:
    operation_id = terminal.init(purchase())
    back = terminal.simulator.answer_challenge(operation_id, "approve")
    assert set(back) == {"PaRes", "paymentId"}
    assert back["paymentId"] == operation_id
    validated = terminal.post(
        VALIDATION,
        {"operationId": operation_id, "threeDSAuthResponse": back["PaRes"]},
    )
    assert validated["operation"]["operationResult"] == "THREEDS_VALIDATED"
    assert validated["operation"]["operationCurrency"] == "978"
    proof = validated["threeDSAuthResult"]
    assert (proof["status"], proof["eci"]) == ("VALIDATED", "05")
    assert len(base64.b64decode(proof["authenticationValue"])) == 20
    paid = terminal.post(
        PAYMENT,
        purchase()
        | {
            "operationId": operation_id,
            "captureType": "IMPLICIT",
            "threeDSAuthData": {"authenticationValue": proof["authenticationValue"]},
        },
    )["operation"]
    assert paid["operationResult"] == "EXECUTED"
    assert paid["operationId"] == paid["paymentEndToEndId"] == operation_id
    assert paid["channelDetail"] == "SERVER_TO_SERVER"
    assert paid["additionalData"]["authorizationStatus"] == "000"
    assert paid["additionalData"]["authorizationCode"]
    seen = terminal.get("/orders/ORDER1")
    assert seen["orderStatus"]["capturedAmount"] == "1250"
    assert [one["operationResult"] for one in seen["operations"]] == ["EXECUTED"]
    assert seen["operations"][0]["operationCurrency"] == "EUR"


def test_the_two_steps_end_in_a_booked_payment(terminal: MerchantClient) -> None:
    operation_id = terminal.init(purchase(), "2steps")
    back = terminal.simulator.answer_challenge(operation_id, "approve")
    body = purchase() | {
        "operationId": operation_id,
        "threeDSAuthData": {"threeDSAuthResponse": back["PaRes"]},
    }
    paid = terminal.post("/orders/2steps/payment", body)["operation"]
    assert paid["operationResult"] == "EXECUTED"
    assert terminal.rejected_code("/orders/2steps/payment", body) == "GW0001"


@pytest.mark.parametrize(
    ("default", "asked", "result"),
    [
        ("IMPLICIT", {}, "EXECUTED"),
        ("EXPLICIT", {}, "AUTHORIZED"),
        ("IMPLICIT", {"captureType": "EXPLICIT"}, "AUTHORIZED"),
        ("EXPLICIT", {"captureType": "IMPLICIT"}, "EXECUTED"),
    ],
)
def test_who_says_when_to_book(
    default: str, asked: dict[str, str], result: str
) -> None:
    terminal = MerchantClient(Simulator(default_capture=default))
    ready = terminal.authenticated_payment(purchase())
    paid = terminal.post(PAYMENT, ready | asked)["operation"]
    assert paid["operationResult"] == result
    booked = "1250" if result == "EXECUTED" else "0"
    assert terminal.totals() == ("1250", booked)
    terminal.simulator.reset()


def test_another_currency_has_its_number_or_its_letters(
    terminal: MerchantClient,
) -> None:
    for currency, shown in (("USD", "840"), ("XTS", "XTS")):
        body = purchase(order_id=currency)
        body["order"]["currency"] = currency
        paid = terminal.post(PAYMENT, terminal.authenticated_payment(body))["operation"]
        assert paid["operationCurrency"] == shown


def test_an_order_id_is_used_once(terminal: MerchantClient) -> None:
    terminal.init(purchase())
    assert terminal.rejected_code("/orders/3steps/init", purchase()) == "PS0026"


def test_a_mastercard_has_its_own_eci(terminal: MerchantClient) -> None:
    body = purchase()
    body["card"] = {"pan": "5186151650005008", "expiryDate": "1230"}
    ready = terminal.authenticated_payment(body)
    assert ready["threeDSAuthData"]["eci"] == "02"


@pytest.mark.parametrize("answer", ["refuse", "walk_away"])
@pytest.mark.parametrize("flow", ["3steps", "2steps"])
def test_without_approval_there_is_no_payment(
    terminal: MerchantClient, answer: str, flow: str
) -> None:
    operation_id = terminal.init(purchase(), flow)
    back = terminal.simulator.answer_challenge(operation_id, answer)
    assert bool(back) is (answer == "refuse")
    pares = back.get("PaRes", "made up")
    if flow == "3steps":
        body = {"operationId": operation_id, "threeDSAuthResponse": pares}
        reply = terminal.post(VALIDATION, body)
        assert reply["threeDSAuthResult"] is None
    else:
        body = purchase() | {
            "operationId": operation_id,
            "threeDSAuthData": {"threeDSAuthResponse": pares},
        }
        reply = terminal.post("/orders/2steps/payment", body)
    assert reply["operation"]["operationResult"] == "THREEDS_FAILED"
    # final: a later approval changes nothing
    late = terminal.simulator.answer_challenge(operation_id, "approve")["PaRes"]
    if flow == "3steps":
        again = terminal.post(VALIDATION, body | {"threeDSAuthResponse": late})
        assert again["operation"]["operationResult"] == "THREEDS_FAILED"
    else:
        body["threeDSAuthData"]["threeDSAuthResponse"] = late
        assert terminal.rejected_code("/orders/2steps/payment", body) == "GW0001"
    assert terminal.simulator.charge_count("ORDER1") == 0


def test_the_pares_of_another_operation_is_worthless(terminal: MerchantClient) -> None:
    mine, other = terminal.init(purchase()), terminal.init(purchase(order_id="O2"))
    terminal.simulator.answer_challenge(mine, "approve")
    pares = terminal.simulator.answer_challenge(other, "approve")["PaRes"]
    answer = terminal.post(
        VALIDATION, {"operationId": mine, "threeDSAuthResponse": pares}
    )
    assert answer["operation"]["operationResult"] == "THREEDS_FAILED"


def test_validation_may_be_asked_again_after_a_lost_answer(
    terminal: MerchantClient,
) -> None:
    operation_id = terminal.init(purchase())
    pares = terminal.simulator.answer_challenge(operation_id, "approve")["PaRes"]
    body = {"operationId": operation_id, "threeDSAuthResponse": pares}
    for _ in range(2):
        answer = terminal.post(VALIDATION, body)
        assert answer["operation"]["operationResult"] == "THREEDS_VALIDATED"


def test_payment_needs_validation_first(terminal: MerchantClient) -> None:
    operation_id = terminal.init(purchase())
    terminal.simulator.answer_challenge(operation_id, "approve")
    body = purchase() | {
        "operationId": operation_id,
        "threeDSAuthData": {"authenticationValue": "AAAB"},
    }
    assert terminal.rejected_code(PAYMENT, body) == "GW0001"


def test_an_operation_is_paid_once(terminal: MerchantClient) -> None:
    ready = terminal.authenticated_payment(purchase())
    terminal.post(PAYMENT, ready)
    assert terminal.rejected_code(PAYMENT, ready) == "GW0001"
    pares = terminal.simulator.answer_challenge(ready["operationId"], "approve")[
        "PaRes"
    ]
    body = {"operationId": ready["operationId"], "threeDSAuthResponse": pares}
    assert terminal.rejected_code(VALIDATION, body) == "GW0001"


OTHER: list[dict[str, Any]] = [
    {"operationId": "700000000000000001"},
    {"order": purchase(order_id="OTHER")["order"]},
    {"order": purchase()["order"] | {"amount": "1251"}},
    {"order": purchase()["order"] | {"amount": "01250"}},
    {"order": purchase()["order"] | {"currency": "USD"}},
    {"card": card_body("declined")},
    {"card": card_body() | {"pan": "5186151650005008"}},
    {"card": card_body() | {"expiryDate": "1130"}},
    {"threeDSAuthData": {"authenticationValue": "AAAB"}},
]


@pytest.mark.parametrize("change", OTHER, ids=str)
def test_payment_repeats_what_init_said(
    terminal: MerchantClient, change: dict[str, Any]
) -> None:
    ready = terminal.authenticated_payment(purchase())
    assert terminal.rejected_code(PAYMENT, ready | change) == "GW0001"
    assert terminal.simulator.charge_count("ORDER1") == 0
    paid = terminal.post(PAYMENT, ready)["operation"]
    assert paid["operationResult"] == "EXECUTED"


def test_the_flows_do_not_mix(terminal: MerchantClient) -> None:
    operation_id = terminal.init(purchase(), "2steps")
    pares = terminal.simulator.answer_challenge(operation_id, "approve")["PaRes"]
    body = {"operationId": operation_id, "threeDSAuthResponse": pares}
    assert terminal.rejected_code(VALIDATION, body) == "GW0001"
    ready = purchase() | {
        "operationId": operation_id,
        "threeDSAuthData": {"authenticationValue": "x"},
    }
    assert terminal.rejected_code(PAYMENT, ready) == "GW0001"
    operation_id = terminal.init(purchase(order_id="O2"), "3steps")
    pares = terminal.simulator.answer_challenge(operation_id, "approve")["PaRes"]
    body = purchase(order_id="O2") | {
        "operationId": operation_id,
        "threeDSAuthData": {"threeDSAuthResponse": pares},
    }
    assert terminal.rejected_code("/orders/2steps/payment", body) == "GW0001"


def test_a_pending_payment_is_not_made_again(terminal: MerchantClient) -> None:
    body = purchase("pending_then_paid")
    operation_id = terminal.init(body, "2steps")
    pares = terminal.simulator.answer_challenge(operation_id, "approve")["PaRes"]
    body |= {
        "operationId": operation_id,
        "threeDSAuthData": {"threeDSAuthResponse": pares},
    }
    terminal.post("/orders/2steps/payment", body)
    assert terminal.rejected_code("/orders/2steps/payment", body) == "GW0001"


def test_the_last_digits_alone_do_not_make_the_same_card(
    terminal: MerchantClient,
) -> None:
    ready = terminal.authenticated_payment(purchase())
    twin = next(
        number for check in range(10) if luhn_valid(number := f"99999900000{check}4549")
    )
    assert terminal.rejected_code(
        PAYMENT, ready | {"card": card_body() | {"pan": twin}}
    ) == ("GW0001")


def test_it_warns_of_addresses_it_does_not_consider(terminal: MerchantClient) -> None:
    """As recorded: from validation on, and the payment goes through."""
    good = {"street": "Via Verdi 3", "province": "RM", "country": "ITA"}
    asked = purchase()
    asked["order"]["customerInfo"] = {
        "billingAddress": {**good, "country": "IT"},
        "shippingAddress": {**good, "province": "ROM"},
    }
    answer = terminal.post("/orders/3steps/init", asked)
    assert answer["operation"]["warnings"] == []
    operation_id = answer["operation"]["operationId"]
    back = terminal.simulator.answer_challenge(operation_id, "approve")
    validated = terminal.post(
        VALIDATION,
        {"operationId": operation_id, "threeDSAuthResponse": back["PaRes"]},
    )
    codes = [one["code"] for one in validated["operation"]["warnings"]]
    assert codes == ["003", "014"]
