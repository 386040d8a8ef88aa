"""Orders for the hosted page: created, found once opened, paid by each method."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nexi_payments.simulator import Simulator
from tests.simulator.merchant_client import (
    RESULT_URL,
    SITE,
    MerchantClient,
    hosted_order,
    idempotency_header,
    phone_order,
    purchase,
)
from tests.support.hosted_page_schema import hosted_page_api, hosted_page_schema


def operations(terminal: MerchantClient, order_id: str = "ORDER1") -> list[Any]:
    return terminal.get(f"/orders/{order_id}")["operations"]


def results(terminal: MerchantClient, order_id: str = "ORDER1") -> list[str]:
    return [one["operationResult"] for one in operations(terminal, order_id)]


def create(terminal: MerchantClient, *args: str, **changes: str) -> Any:
    return terminal.post("/orders/hpp", hosted_order(*args, **changes))


def test_a_page_is_created(terminal: MerchantClient) -> None:
    body = hosted_order()
    hosted_page_schema("HostedPageRequest").validate(body)
    answer = terminal.post("/orders/hpp", body)
    assert re.fullmatch(
        re.escape(SITE + "/monetaweb/page/hosted/2/html?paymentid=") + r"\d{18}",
        answer["hostedPage"],
    )
    assert re.fullmatch(r"[0-9a-f]{32}", answer["securityToken"])
    assert answer["warnings"] == []


def test_an_order_is_found_once_its_page_was_opened(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal)
    assert terminal.call("GET", "/orders/ORDER1").status == 404
    assert simulator.hosted.open("ORDER1") == [
        *("CARDS", "PAYPAL", "PAYPAL_BNPL", "GOOGLEPAY", "APPLEPAY"),
        *("BANCOMATPAY", "MYBANK"),
    ]
    found = terminal.get("/orders/ORDER1")
    assert found["operations"] == []
    assert found["paymentLinks"] == []
    assert found["orderStatus"] == {
        "order": {
            "orderId": "ORDER1",
            "amount": "1250",
            "currency": "EUR",
            "transactionSummary": [],
            "termsAndConditionsIds": [],
        },
        "authorizedAmount": "0",
        "capturedAmount": "0",
        "lastOperationType": None,
        "lastOperationTime": None,
    }
    assert terminal.get("/orders")["orders"] == []
    assert simulator.record("ORDER1") is None


def test_paid_by_paypal_as_reconstructed(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal, service="PAYPAL")
    visit = simulator.hosted.pay("ORDER1")
    assert visit.return_url == RESULT_URL
    found = terminal.get("/orders/ORDER1")
    (operation,) = found["operations"]
    (sample,) = hosted_page_api()["components"]["examples"]["OrderPaidPayPal"]["value"][
        "operations"
    ]
    ours = {
        "orderId": "ORDER1",
        "operationId": visit.operation_ids[0],
        "operationTime": "2027-01-15 12:00:00.005",
        "operationAmount": "1250",
    }
    assert {name: operation[name] for name in sample} == sample | ours
    assert operation["paymentInstrumentInfo"] is None
    assert terminal.totals() == ("1250", "1250")
    assert found["orderStatus"]["lastOperationType"] == "AUTHORIZATION"
    listed = terminal.get("/orders")["orders"]
    assert listed == [found["orderStatus"]]
    assert terminal.get(f"/operations/{visit.operation_ids[0]}") == operation
    assert simulator.charge_count("ORDER1") == 1


@pytest.mark.parametrize(
    ("method", "circuit"),
    [
        ("GOOGLEPAY", "GOOGLE_PAY"),
        ("BANCOMATPAY", "BANCOMAT_PAY"),
        ("MYBANK", "MYBANK"),
        ("PAYPAL_BNPL", "PAYPAL_BNPL"),
    ],
)
def test_operations_spell_circuits_with_underscores(
    terminal: MerchantClient, simulator: Simulator, method: str, circuit: str
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method=method)
    (operation,) = operations(terminal)
    assert (operation["paymentMethod"], operation["paymentCircuit"]) == ("APM", circuit)
    assert operation["operationResult"] == "EXECUTED"


def test_paid_by_card(terminal: MerchantClient, simulator: Simulator) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="CARDS")
    (operation,) = operations(terminal)
    assert (operation["paymentMethod"], operation["paymentCircuit"]) == ("CARD", "VISA")
    assert operation["paymentInstrumentInfo"] == "***4549"
    assert operation["channel"] == "ECOMMERCE"
    assert operation["additionalData"]["maskedPan"] == "434994******4549"
    assert operation["additionalData"]["authorizationStatus"] == "000"


@pytest.mark.parametrize(
    ("card", "result", "code"),
    [
        ("declined", "DECLINED", "116"),
        ("risk", "DENIED_BY_RISK", None),
        ("validation_failed", "THREEDS_FAILED", None),
        ("pending_then_paid", "PENDING", None),
        ("answer_lost", "EXECUTED", "000"),
    ],
)
def test_the_card_decides(
    terminal: MerchantClient,
    simulator: Simulator,
    card: str,
    result: str,
    code: str | None,
) -> None:
    create(terminal, service="CARDS")
    simulator.hosted.pay("ORDER1", card=card)
    (operation,) = operations(terminal)
    assert operation["operationResult"] == result
    assert operation["additionalData"].get("authorizationStatus") == code


def test_an_explicit_terminal_holds_cards_only(simulator: Simulator) -> None:
    terminal = MerchantClient(Simulator(default_capture="EXPLICIT"))
    for number, method in enumerate(("CARDS", "GOOGLEPAY", "PAYPAL"), 1):
        create(terminal, f"ORDER{number}")
        terminal.simulator.hosted.pay(f"ORDER{number}", method=method)
    assert results(terminal, "ORDER1") == ["AUTHORIZED"]
    assert results(terminal, "ORDER2") == ["AUTHORIZED"]
    assert results(terminal, "ORDER3") == ["EXECUTED"]


# -- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"service": "NOPE"}, "PS0026"),
        ({"service": "PAGOINCONTO"}, "PS0026"),
        ({"currency": "USD", "service": "PAYPAL"}, "PS0026"),
        ({"amount": "1251"}, "PS0007"),
        ({"amount": "12.50"}, "PS0036"),
        ({"language": "it"}, "PS0026"),
        ({"captureType": "LATER"}, "PS0026"),
        ({"resultUrl": "ftp://shop.test/"}, "PS0026"),
        ({"resultUrl": "https://shop.test:8443/"}, "PS0026"),
        ({"notificationUrl": "https://shop.test/" + "x" * 2048}, "PS0026"),
        ({"selectedcard": "PAYPAL"}, "PS0026"),
    ],
)
def test_bodies_that_are_rejected(
    terminal: MerchantClient, simulator: Simulator, changes: dict[str, str], code: str
) -> None:
    assert terminal.rejected_code("/orders/hpp", hosted_order(**changes)) == code
    with pytest.raises(ValueError, match="no hosted page of 'ORDER1'"):
        simulator.hosted.open("ORDER1")
    create(terminal)  # the id was not used


@pytest.mark.parametrize("missing", ["resultUrl", "cancelUrl", "amount", "language"])
def test_members_that_are_required(terminal: MerchantClient, missing: str) -> None:
    body = hosted_order()
    del body["paymentSession"][missing]
    assert terminal.rejected_code("/orders/hpp", body) == "PS0026"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/x/",
        "http://localhost:8000",
        "http://[::1]:81/",
        "https://shop.test:443/a?b=c",
        "http://shop.test",
    ],
)
def test_addresses_that_are_taken(terminal: MerchantClient, url: str) -> None:
    create(terminal, resultUrl=url)


def test_an_order_id_is_used_once(terminal: MerchantClient) -> None:
    create(terminal)
    terminal.init(purchase(order_id="ORDER2"))
    assert terminal.rejected_code("/orders/hpp", hosted_order()) == "PS0026"
    assert terminal.rejected_code("/orders/hpp", hosted_order("ORDER2")) == "PS0026"
    assert terminal.rejected_code("/orders/3steps/init", purchase()) == "PS0026"
    assert terminal.rejected_code("/orders/moto", phone_order()) == "PS0026"


def test_other_currencies_have_cards_and_wallets(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal, currency="USD")
    assert simulator.hosted.open("ORDER1") == ["CARDS", "GOOGLEPAY", "APPLEPAY"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "MYBANK"}, "no 'MYBANK'; there are: PAYPAL"),
        ({"ending": "explode"}, "no 'explode'; there are: pay, decline, cancel"),
        ({"notify": "loud"}, "no 'loud'; there are: before, after, twice, late"),
        ({"card": "gold"}, "no 'gold'; there are: "),
    ],
)
def test_what_a_customer_cannot_do(
    terminal: MerchantClient,
    simulator: Simulator,
    wrong: dict[str, str],
    message: str,
) -> None:
    create(terminal, service="PAYPAL")
    with pytest.raises(ValueError, match=message):
        simulator.hosted.pay("ORDER1", **wrong)
    assert results(terminal) == []
    assert simulator.hosted.deliveries == ()


# -- afterwards ------------------------------------------------------------------------


def paid_with(terminal: MerchantClient, method: str) -> str:
    create(terminal)
    (operation_id,) = terminal.simulator.hosted.pay(
        "ORDER1", method=method
    ).operation_ids
    return operation_id


@pytest.mark.parametrize("method", ["MYBANK", "PAGOINCONTO"])
@pytest.mark.parametrize(
    ("what", "code"),
    [("refunds", "PS0033"), ("captures", "PS0034"), ("cancels", "PS0001")],
)
def test_methods_that_give_nothing_back(
    terminal: MerchantClient, simulator: Simulator, method: str, what: str, code: str
) -> None:
    simulator.payment_methods = [method]
    paid = paid_with(terminal, method)
    body = {} if what == "cancels" else {"amount": "1250", "currency": "EUR"}
    path = f"/operations/{paid}/{what}"
    assert terminal.rejected_code(path, body, idempotency_header()) == code
    assert terminal.totals() == ("1250", "1250")
    assert len(operations(terminal)) == 1


def test_paypal_refunds_and_cancels_nothing(terminal: MerchantClient) -> None:
    paid = paid_with(terminal, "PAYPAL")
    refund = terminal.post_charge(paid, "refunds", "1250")
    shown = terminal.get(f"/operations/{refund}")
    assert (shown["operationResult"], shown["paymentCircuit"]) == ("EXECUTED", "PAYPAL")
    assert shown["paymentMethod"] == "APM"
    code = terminal.rejected_code(
        f"/operations/{refund}/cancels", {}, idempotency_header()
    )
    assert code == "PS0001"


def test_a_wallet_is_refunded_as_its_card(terminal: MerchantClient) -> None:
    paid = paid_with(terminal, "APPLEPAY")
    refund = terminal.post_charge(paid, "refunds", "1250")
    assert terminal.result(refund) == "VOIDED"
    assert terminal.totals() == ("0", "0")


def test_parts_are_refunded_of_the_payment_they_are_asked_of(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal)
    first, second = simulator.hosted.pay(
        "ORDER1", method="BANCOMATPAY", ending="pay_twice"
    ).operation_ids
    terminal.post_charge(first, "refunds", "500")
    terminal.post_charge(second, "refunds", "1250")
    body = {"amount": "751", "currency": "EUR"}
    path = f"/operations/{first}/refunds"
    assert terminal.rejected_code(path, body, idempotency_header()) == "PS0029"
    assert [one.net for one in simulator.charges_of("ORDER1")] == [750, 0]


def test_the_back_office_refunds_the_payment_that_charged(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="CARDS", card="declined")
    simulator.hosted.pay("ORDER1", method="PAYPAL")
    simulator.make_at_nexi("ORDER1", "refund", 300)
    assert [one.net for one in simulator.charges_of("ORDER1")] == [950]


def test_pages_outlive_a_restart(tmp_path: Path) -> None:
    noon = datetime(2027, 1, 15, 11, tzinfo=UTC)
    first = MerchantClient(Simulator(tmp_path / "state", clock=lambda: noon))
    create(first)
    first.simulator.hosted.pay("ORDER1", method="CARDS", card="declined")
    first.simulator.close()
    second = MerchantClient(Simulator(tmp_path / "state", clock=lambda: noon))
    second.simulator.hosted.pay("ORDER1", method="PAYPAL")
    assert results(second) == ["DECLINED", "EXECUTED"]
    second.simulator.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"4349940199997007" not in kept


def test_the_log_of_calls_shows_no_secret(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.keep_bodies()
    answer = create(terminal)
    (call,) = simulator.calls
    assert call.response_body == {
        "hostedPage": "•••",
        "securityToken": "•••",
        "warnings": [],
    }
    session = call.request_body["paymentSession"]
    assert {session[f"{name}Url"] for name in ("result", "cancel", "notification")} == {
        "•••"
    }
    assert session["language"] == "ENG"
    shown = repr(simulator.calls) + json.dumps(simulator.counts)
    assert answer["securityToken"] not in shown
    assert answer["hostedPage"] not in shown
    assert simulator.counts == {"POST /orders/hpp": 1}
