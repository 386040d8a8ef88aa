"""The simulator takes and refuses what the published schema takes and refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from nexi_payments.simulator import request_schemas, schema_validator
from tests.simulator.merchant_client import openapi, purchase, request_schema

SHAPES = {
    "InitRequest": request_schemas.INIT,
    "ValidationRequest": request_schemas.VALIDATION,
    "PaymentRequest3Steps": request_schemas.PAYMENT_3STEPS,
    "PaymentRequest2Steps": request_schemas.PAYMENT_2STEPS,
    "MotoRequest": request_schemas.MOTO,
    "PostOperationRequest": request_schemas.POST_CHARGE_OPERATION,
    "CancelRequest": request_schemas.CANCEL,
}
EXAMPLES = openapi()["components"]["examples"]
FULL = copy.deepcopy(EXAMPLES["InitRequestFull"]["value"])
FULL["order"]["customerInfo"] |= {
    "homePhone": "+390110000000",
    "workPhone": "+390110000001",
}
FULL["order"]["customerInfo"]["merchantRiskIndicator"] |= {
    "deliveryEmail": "a@example.org",
    "giftCardAmount": {"value": 1, "currency": "EUR"},
    "giftCardCount": 1,
    "preOrderDate": "2027-02-03",
}
del FULL["order"]["customerInfo"]["shippingAddress"]  # as the billing address
FULL["order"] |= {
    "transactionSummary": [
        {"language": "ita", "summaryList": [{"label": "Libri", "value": "2"}]}
    ],
    "termsAndConditionsIds": ["T1"],
    "installments": [{"amount": 1}],
    "installmentQty": 2,
}
FULL["actionType"] = "PAY"
#: Order and card are the same shapes everywhere: in full once, short elsewhere.
SHORT = EXAMPLES["InitRequestMinimal"]["value"]
PAYMENT = SHORT | {
    "recurrence": FULL["recurrence"],
    "exemptions": "NO_PREFERENCE",
    "operationId": "700000000000000001",
    "captureType": "EXPLICIT",
    "threeDSAuthData": {
        "threeDSAuthResponse": "a+/=",
        "authenticationValue": "AAAB",
        "eci": "05",
        "xid": "WFhY",
    },
}
BODIES = {
    "InitRequest": FULL,
    "ValidationRequest": {"operationId": "7", "threeDSAuthResponse": "notneeded"},
    "PaymentRequest3Steps": PAYMENT,
    "PaymentRequest2Steps": PAYMENT,
    "MotoRequest": {
        "order": SHORT["order"]
        | {"customerInfo": {"cardHolderName": "G", "cardHolderEmail": "g@g"}},
        "card": SHORT["card"],
        "captureType": "IMPLICIT",
    },
    "PostOperationRequest": {"amount": "1", "currency": "EUR", "description": "x"},
    "CancelRequest": {"description": "x"},
}
#: Put in the place of every member in turn.
ODD: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 1.5, [], {}, [1], [{}], [None], {"odd": 1}),
    *("", " ", "1", "01", "06", "8", "EUR", "eur", "ITA", "IT", "12.50", "-1", "PAY"),
    *("1350", "0530", "2027-02-03", "NO_RECURRING", "CONTRACT_CREATION", "CIT"),
    *("\n", "٣", "<script>", "+39", "a" * 18, "a" * 19, "9" * 18, "9" * 19),
    *("é" * 27, "a" * 28, "a" * 40, "a" * 50, "a" * 51, "a" * 255, "a" * 256),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*path, name))


def changed(body: Any) -> Iterator[Any]:
    """The body with one member left out, added, or replaced."""
    for path in places(body):
        if not path:
            yield from ODD
            continue
        for value in (*ODD, "left out", "added"):
            copied = copy.deepcopy(body)
            holder = copied
            for name in path[:-1]:
                holder = holder[name]
            if value == "left out":
                del holder[path[-1]]
            elif value == "added" and isinstance(holder[path[-1]], dict):
                holder[path[-1]]["unknown"] = "x"
            else:
                holder[path[-1]] = value
            yield copied


def accepts(shape: schema_validator.Schema, body: Any) -> bool:
    try:
        schema_validator.validate(body, shape)
    except schema_validator.InvalidRequest:
        return False
    return True


@pytest.mark.parametrize("name", SHAPES)
def test_takes_and_refuses_what_the_published_schema_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        schema_validator, "luhn_valid", lambda digits: True
    )  # not in the schema
    published, shape = request_schema(name), SHAPES[name]
    assert published.is_valid(BODIES[name])
    assert accepts(shape, BODIES[name])
    disagreed = [
        body
        for body in changed(BODIES[name])
        if published.is_valid(body) != accepts(shape, body)
    ]
    # two letters are not refused by Nexi either: it warns (``simulator.addresses``)
    assert [one for one in disagreed if not _names_italy_by_two(one)] == []


def _names_italy_by_two(body: Any) -> bool:
    customer = body["order"].get("customerInfo", {})
    address = customer.get("billingAddress", {})
    return bool(address.get("country") == "IT")


def test_the_published_examples_are_accepted() -> None:
    for path, methods in openapi()["paths"].items():
        media = methods.get("post", {}).get("requestBody", {}).get("content", {})
        for body in media.get("application/json", {}).get("examples", {}).values():
            if "$ref" in body:
                body = EXAMPLES[body["$ref"].rpartition("/")[2]]
            schemas = media["application/json"]["schema"].get("$ref", "")
            if shape := SHAPES.get(schemas.rpartition("/")[2]):
                assert accepts(shape, body["value"]), path


@pytest.mark.parametrize("text", ["EUR\n", "\nEUR", "EUR "])
def test_a_line_break_at_the_end_is_not_overlooked(text: str) -> None:
    body = purchase()
    body["order"]["currency"] = text
    assert not accepts(request_schemas.INIT, body)


@pytest.mark.parametrize(
    ("number", "good"),
    [("4349940199004549", True), ("4349940199004548", False), ("0" * 13, True)],
)
def test_a_card_number_needs_its_check_digit(number: str, good: bool) -> None:
    body = purchase()
    body["card"]["pan"] = number
    assert accepts(request_schemas.INIT, body) is good


def test_a_refusal_quotes_no_value() -> None:
    for body in changed(PAYMENT | {"card": {"pan": "43x", "cvv": "9q"}}):
        with pytest.raises(schema_validator.InvalidRequest) as refusal:
            schema_validator.validate(body, request_schemas.PAYMENT_3STEPS)
        text = json.dumps([refusal.value.code, str(refusal.value)])
        for secret in ("43x", "9q", "<script>", "unknown\\", "12.50"):
            assert secret not in text
