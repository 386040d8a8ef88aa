"""The shop's reference: sent as ``customField``, read from what Nexi lists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nexi_payments.gateway import payloads, responses
from nexi_payments.gateway.payloads import Purchase
from tests.simulator.merchant_client import openapi
from tests.support.shopper import CARDS


@pytest.mark.parametrize("reference", ["R-1", "2026/77 Ω", "a & b", "x" * 100])
def test_each_order_sends_its_reference(reference: str) -> None:
    body = payloads.order_member(Purchase("A1", 1250, "EUR", reference=reference))
    assert body == {
        "orderId": "A1",
        "amount": "1250",
        "currency": "EUR",
        "customField": reference,
    }
    schema = openapi()["components"]["schemas"]["Order"]["properties"]["customField"]
    Draft202012Validator(schema).validate(reference)


@pytest.mark.parametrize(
    "reference", ["", "<b>", "a>b", "JavaScript:x", "two\nlines", "\x00"]
)
def test_a_reference_that_nexi_may_reject_is_left_out(reference: str) -> None:
    body = payloads.order_member(Purchase("A1", 1250, "EUR", reference=reference))
    assert body == {"orderId": "A1", "amount": "1250", "currency": "EUR"}


def test_what_a_listed_order_says_of_itself() -> None:
    order: dict[str, Any] = {
        "orderId": "A1",
        "amount": "1250",
        "currency": "978",
        "customField": " R-1 ",
        "description": "Two books",
        "customerId": "U7",
        "customerInfo": {"cardHolderName": "Ada", "cardHolderEmail": "ada@shop.test"},
    }
    status = {"order": order, "lastOperationType": "refund"}
    status["lastOperationTime"] = "2025-02-03 10:15:30.120"
    found = responses.parse_order({"orderStatus": status})
    assert (found.reference, found.description, found.customer_id) == (
        *("R-1", "Two books", "U7"),
    )
    assert (found.customer_name, found.customer_email) == ("Ada", "ada@shop.test")
    assert "Ada" not in repr(found)
    assert (found.last_type, found.last_time) == (
        "REFUND",
        datetime(2025, 2, 3, 9, 15, 30, 120000, tzinfo=UTC),
    )


@pytest.mark.parametrize("value", [CARDS["challenge"].number, 7.5, [], {}, None])
def test_what_cannot_be_stored_is_absent(value: Any) -> None:
    names = ("customField", "description", "customerInfo")
    echo = dict.fromkeys(names, value)
    found = responses.parse_order({"orderStatus": {"order": echo}})
    assert (found.reference, found.description, found.customer_name) == ("", "", "")
