"""What goes out, held against the published schema; no socket is opened."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import responses
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from nexi_payments.card import Card
from nexi_payments.exceptions import MismatchedResponse, UnknownOutcome
from nexi_payments.gateway.client import CallContext, Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import (
    Authentication,
    ContractCreation,
    OperationAmount,
    Purchase,
)
from nexi_payments.gateway.responses import ContractResult
from tests.simulator.merchant_client import openapi

API = openapi()
BASE = "https://gateway.example/api/phoenix-0.0/psp/api/v1"
OPERATION = {
    "orderId": "ORDER0000000000001",
    "operationId": "700000000000000001",
    "operationResult": "PENDING",
}
FULL = Purchase(
    "ORDER0000000000001",
    1250,
    "EUR",
    description="x" * 300,
    cardholder="y" * 300,
    email="giulia@shop.example",
)
BARE = Purchase("ORDER0000000000001", 1, "JPY")
CARD = Card("4349940199004549", "0530", "396")


def schema(name: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource(
        "urn:api", Resource(contents=API, specification=DRAFT202012)
    )
    return Draft202012Validator(
        {"$ref": f"urn:api#/components/schemas/{name}"}, registry=registry
    )


def trace() -> CallContext:
    return CallContext(str(uuid.uuid4()), Deadline(5))


@pytest.fixture
def client() -> Client:
    return Client(base_url=BASE + "/", api_key="KEY")


@pytest.fixture
def wire() -> Any:
    with responses.RequestsMock() as mock:
        yield mock


def sent(wire: Any) -> Any:
    request = wire.calls[-1].request
    return request, json.loads(request.body) if request.body else None


@pytest.mark.parametrize("purchase", [FULL, BARE], ids=["full", "bare"])
@pytest.mark.parametrize("flow", ["3steps", "2steps"])
def test_init(client: Client, wire: Any, flow: str, purchase: Purchase) -> None:
    wire.post(f"{BASE}/orders/{flow}/init", json={"operation": OPERATION})
    client.init(flow, purchase, CARD, trace())
    request, body = sent(wire)
    schema("InitRequest").validate(body)
    assert body["order"]["amount"] == str(purchase.amount)
    assert body["card"] == {
        "pan": "4349940199004549",
        "expiryDate": "0530",
        "cvv": "396",
    }
    assert request.headers["X-Api-Key"] == "KEY"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Accept-Encoding"] == "identity"
    assert uuid.UUID(request.headers["Correlation-Id"]).version == 4
    assert "Idempotency-Key" not in request.headers


def test_validation(client: Client, wire: Any) -> None:
    wire.post(
        f"{BASE}/orders/3steps/validation",
        json={"operation": {**OPERATION, "operationResult": "THREEDS_VALIDATED"}},
    )
    client.validate(FULL, "700000000000000001", "pa/res+==", trace())
    request, body = sent(wire)
    schema("ValidationRequest").validate(body)
    assert body == {
        "operationId": "700000000000000001",
        "threeDSAuthResponse": "pa/res+==",
    }
    assert "Idempotency-Key" not in request.headers


@pytest.mark.parametrize(
    ("flow", "name", "proof", "expected"),
    [
        (
            "3steps",
            "PaymentRequest3Steps",
            Authentication(value="AAA=", eci="05", xid="x="),
            {"authenticationValue": "AAA=", "eci": "05", "xid": "x="},
        ),
        (
            "3steps",
            "PaymentRequest3Steps",
            Authentication(value="AAA="),
            {"authenticationValue": "AAA="},
        ),
        (
            "2steps",
            "PaymentRequest2Steps",
            Authentication(pares="pares"),
            {"threeDSAuthResponse": "pares"},
        ),
    ],
)
@pytest.mark.parametrize("capture", ["IMPLICIT", "EXPLICIT"])
def test_payment(
    client: Client,
    wire: Any,
    flow: str,
    name: str,
    proof: Authentication,
    expected: dict[str, str],
    capture: str,
) -> None:
    wire.post(f"{BASE}/orders/{flow}/payment", json={"operation": OPERATION})
    no_code = Card("4349940199004549", "0530")
    client.pay(flow, FULL, no_code, "700000000000000001", proof, capture, trace())
    request, body = sent(wire)
    schema(name).validate(body)
    assert body["threeDSAuthData"] == expected
    assert body["captureType"] == capture
    assert "cvv" not in body["card"]
    assert "Idempotency-Key" not in request.headers


def test_ids_are_quoted_in_paths(client: Client, wire: Any) -> None:
    wire.get(f"{BASE}/orders/a%23b%2Fc%3F", json={"operations": []})
    client.order("a#b/c?", trace())
    request, body = sent(wire)
    assert request.url == f"{BASE}/orders/a%23b%2Fc%3F"
    assert body is None
    wire.get(f"{BASE}/operations/x%20y", json={"operationId": "x y"})
    assert client.operation("x y", trace()).operation_id == "x y"


def test_orders_in_a_window(client: Client, wire: Any) -> None:
    wire.get(
        f"{BASE}/orders",
        json={"orders": [{"order": {"orderId": "A", "amount": 7, "currency": "978"}}]},
    )
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    (found,) = client.orders(trace(), since=moment, until=moment, limit=10)
    assert (found.order_id, found.amount, found.currency) == ("A", 7, "EUR")
    query = "fromTime=2026-01-02T03%3A04%3A05.000Z&toTime=2026-01-02T03%3A04%3A05.000Z"
    assert sent(wire)[0].url == f"{BASE}/orders?{query}&maxRecords=10"


def test_operations_in_a_window(client: Client, wire: Any) -> None:
    listed = {"operationId": 7, "operationType": "refund", "operationAmount": "300"}
    wire.get(f"{BASE}/operations", json={"operations": [listed, {}]})
    rome = datetime(2026, 1, 2, 4, 4, 5, 999, tzinfo=ZoneInfo("Europe/Rome"))
    found, empty = client.operations(trace(), since=rome, until=rome, limit=10)
    assert (found.operation_id, found.type, found.amount) == ("7", "REFUND", 300)
    assert empty.operation_id == ""
    query = "fromTime=2026-01-02T03%3A04%3A05.000Z&toTime=2026-01-02T03%3A04%3A05.000Z"
    assert sent(wire)[0].url == f"{BASE}/operations?{query}&maxRecords=10"
    parameters = openapi()["paths"]["/operations"]["get"]["parameters"]
    named = {one.get("name") or one["$ref"].rpartition("/")[2] for one in parameters}
    assert {"FromTime", "ToTime", "MaxRecords"} <= named


@pytest.mark.parametrize("body", [{}, [], {"operations": None}, {"operations": [1]}])
def test_a_list_of_operations_that_is_none(
    client: Client, wire: Any, body: Any
) -> None:
    wire.get(f"{BASE}/operations", json=body)
    moment = datetime.now(UTC)
    with pytest.raises(UnknownOutcome) as caught:
        client.operations(trace(), since=moment, until=moment)
    assert caught.value.cause == "no operations"


@pytest.mark.parametrize("body", [{}, [], {"orders": None}, {"paymentMethods": "x"}])
def test_lists_that_are_none(client: Client, wire: Any, body: Any) -> None:
    wire.get(f"{BASE}/orders", json=body)
    wire.get(f"{BASE}/payment_methods", json=body)
    moment = datetime.now(UTC)
    with pytest.raises(UnknownOutcome):
        client.orders(trace(), since=moment, until=moment)
    with pytest.raises(UnknownOutcome):
        client.payment_methods(trace())


@pytest.mark.parametrize("capture", ["IMPLICIT", "EXPLICIT"])
def test_moto(client: Client, wire: Any, capture: str) -> None:
    wire.post(f"{BASE}/orders/moto", json={"operation": OPERATION})
    assert client.moto(FULL, CARD, capture, trace()).result == "PENDING"
    request, body = sent(wire)
    schema("MotoRequest").validate(body)
    assert set(body) == {"order", "card", "captureType"}
    assert body["order"]["customerInfo"]["cardHolderName"] == "y" * 255
    assert "Idempotency-Key" not in request.headers


@pytest.mark.parametrize("what", ["captures", "refunds"])
def test_after_a_payment(client: Client, wire: Any, what: str) -> None:
    wire.post(
        f"{BASE}/operations/a%2Fb/{what}",
        json={"operationId": "new", "operationTime": "2026-01-02 03:04:05.678"},
    )
    verb = client.capture if what == "captures" else client.refund
    key = str(uuid.uuid4())
    assert verb("a/b", OperationAmount(150, "EUR", key), trace()) == "new"
    request, body = sent(wire)
    schema("PostOperationRequest").validate(body)
    assert body == {"amount": "150", "currency": "EUR"}
    assert request.headers["Idempotency-Key"] == key
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("body", [{}, [], {"operationId": None}, {"operationId": "\n"}])
def test_an_acceptance_without_an_id(client: Client, wire: Any, body: Any) -> None:
    wire.post(f"{BASE}/operations/a/refunds", json=body)
    with pytest.raises(UnknownOutcome, match="no operationId"):
        client.refund("a", OperationAmount(150, "EUR", "k"), trace())


# -- cards on file -------------------------------------------------------------------

AGREED = Purchase(
    "ORDER0000000000001",
    1250,
    "EUR",
    customer_id="CUST42",
    contract=ContractCreation("CTR0000000077"),
    exemptions="CHALLENGE_REQUESTED",
)
CONTRACT = "CTR0000000077"


def test_init_asks_for_a_contract(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/3steps/init", json={"operation": OPERATION})
    client.init("3steps", AGREED, CARD, trace())
    _, body = sent(wire)
    schema("InitRequest").validate(body)
    assert body["order"]["customerId"] == "CUST42"
    assert body["exemptions"] == "CHALLENGE_REQUESTED"
    assert body["recurrence"] == {
        "action": "CONTRACT_CREATION",
        "contractId": CONTRACT,
        "contractType": "MIT_UNSCHEDULED",
    }


@pytest.mark.parametrize("flow", ["3steps", "2steps"])
def test_payment_repeats_the_contract(client: Client, wire: Any, flow: str) -> None:
    agreement = ContractCreation(CONTRACT, 30, date(2027, 12, 31))
    purchase = replace(AGREED, contract=agreement)
    operation = OPERATION["operationId"]
    proof = Authentication(pares="notneeded")
    if flow == "3steps":
        proof = Authentication(value="v", eci="05", xid="x")
    wire.post(f"{BASE}/orders/{flow}/payment", json={"operation": OPERATION})
    client.pay(flow, purchase, CARD, operation, proof, "IMPLICIT", trace())
    _, body = sent(wire)
    schema(f"PaymentRequest{flow[0]}Steps").validate(body)
    assert body["recurrence"] == {
        "action": "CONTRACT_CREATION",
        "contractId": CONTRACT,
        "contractType": "MIT_SCHEDULED",
        "contractExpiryDate": "2027-12-31",
        "contractFrequency": "30",
    }
    assert body["exemptions"] == "CHALLENGE_REQUESTED"


def test_a_contract_is_charged_with_its_key(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/mit", json={"operation": OPERATION})
    answer = client.charge_contract(BARE, CONTRACT, "IMPLICIT", "one-key", trace())
    request, body = sent(wire)
    schema("MitRequest").validate(body)
    assert request.headers["Idempotency-Key"] == "one-key"
    assert (body["contractId"], body["captureType"]) == (CONTRACT, "IMPLICIT")
    assert answer.result == "PENDING"


def test_an_answer_about_another_charge_is_bad(client: Client, wire: Any) -> None:
    other = OPERATION | {"operationAmount": "2"}
    wire.post(f"{BASE}/orders/mit", json={"operation": other})
    with pytest.raises(MismatchedResponse):
        client.charge_contract(BARE, CONTRACT, "IMPLICIT", "k", trace())


def test_a_card_is_verified_without_money(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/orders/card_verification", json={"operation": OPERATION})
    client.verify(Purchase("ORDER0000000000001", 0, "EUR"), CARD, trace())
    request, body = sent(wire)
    schema("CardVerificationRequest").validate(body)
    assert body["order"]["amount"] == "0"
    assert "Idempotency-Key" not in request.headers


def test_a_cancel_has_a_key_and_no_amount(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/operations/c-1/cancels", json={"operationId": "n-1"})
    assert client.cancel("c-1", "k-1", trace()) == "n-1"
    request, body = sent(wire)
    assert body == {}
    assert request.headers["Idempotency-Key"] == "k-1"


def test_contracts_are_read_tolerantly(client: Client, wire: Any) -> None:
    wire.get(
        f"{BASE}/contracts/customers/CUST42",
        json={
            "customerId": "CUST42",
            "contracts": [
                {
                    "contractId": CONTRACT,
                    "contractType": "mit_scheduled",
                    "contractExpiryDate": None,
                    "contractFrequency": 30,
                    "paymentCircuit": "visa",
                    "paymentInstrumentInfo": "***4549",
                },
                "nonsense",
            ],
        },
    )
    [one] = client.contracts("CUST42", trace())
    assert one == ContractResult(CONTRACT, "MIT_SCHEDULED", "", "30", "VISA", "***4549")


def test_an_answer_without_a_list_is_no_list(client: Client, wire: Any) -> None:
    wire.get(f"{BASE}/contracts/customers/CUST42", json={"contracts": None})
    with pytest.raises(UnknownOutcome):
        client.contracts("CUST42", trace())


def test_the_end_of_a_contract_has_no_body(client: Client, wire: Any) -> None:
    wire.post(f"{BASE}/contracts/{CONTRACT}/deactivation", body=b"")
    client.deactivate(CONTRACT, trace())
    wire.post(f"{BASE}/contracts/OTHER/deactivation", status=500)
    with pytest.raises(UnknownOutcome):
        client.deactivate("OTHER", trace())
