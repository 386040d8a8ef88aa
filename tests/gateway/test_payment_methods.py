"""Which methods a terminal has, and how their codes are compared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nexi_payments.gateway import responses
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.payment_methods import (
    PaymentMethod,
    normalized_circuit,
    payment_service,
    same_circuit,
)
from tests.gateway.test_hosted_page import SAMPLES
from tests.gateway.test_payloads import BASE, client, trace, wire

__all__ = ["client", "wire"]  # fixtures


def test_the_published_list(client: Client, wire: Any) -> None:
    wire.get(
        f"{BASE}/payment_methods",
        json=SAMPLES["Methods"]["value"],
        headers={"Date": "Mon, 23 Nov 2026 09:15:01 GMT"},
    )
    expected = (
        PaymentMethod("CARD", "VISA", recurring=True, one_click=True),
        PaymentMethod("APM", "PAYPAL"),
        PaymentMethod("APM", "GOOGLEPAY", recurring=True, one_click=True),
    )
    assert client.payment_methods(trace()) == expected
    ping = client.ping(trace())
    assert ping.payment_methods == expected
    assert ping.methods == ("VISA",)
    assert ping.server_time == datetime(2026, 11, 23, 9, 15, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"methodType": "apm", "circuit": "paypal"}, PaymentMethod("APM", "PAYPAL")),
        ({"methodType": "CARD", "circuit": "MC"}, PaymentMethod("CARD", "MC")),
        (
            {"paymentMethodType": "CARD", "methodType": "APM", "circuit": "MC"},
            PaymentMethod("CARD", "MC"),
        ),
        (
            {"paymentMethodType": None, "methodType": "APM", "circuit": "GOOGLE_PAY"},
            PaymentMethod("APM", "GOOGLE_PAY"),
        ),
        ({"circuit": "VISA"}, PaymentMethod("", "VISA")),
        ({"methodType": "LOAN", "circuit": "NEW"}, PaymentMethod("LOAN", "NEW")),
        (
            {"circuit": "X", "recurringSupported": "yes", "oneClickSupported": 1},
            PaymentMethod("", "X"),
        ),
    ],
)
def test_entries(item: dict[str, Any], expected: PaymentMethod) -> None:
    found = responses.parse_ping({"paymentMethods": [item]}, "")
    assert found is not None
    assert found.payment_methods == (expected,)


def test_entries_without_a_circuit_are_left_out() -> None:
    listed = ["VISA", None, {}, {"circuit": None}, {"circuit": "\n"}]
    assert responses.parse_ping({"paymentMethods": listed}, "") == responses.Ping(())


def test_circuits_are_compared_without_underscores() -> None:
    assert normalized_circuit("Bancomat_Pay") == "BANCOMATPAY"
    assert same_circuit("GOOGLE_PAY", "GOOGLEPAY")
    assert same_circuit("PAYPAL_BNPL", "PAYPALBNPL")
    assert not same_circuit("PAYPAL", "PAYPAL_BNPL")
    assert payment_service("apple_pay") == "APPLEPAY"
    assert payment_service("PIS") == "PIS"


@pytest.mark.parametrize(
    ("members", "method", "circuit", "instrument"),
    [
        (
            {"paymentMethod": "APM", "paymentCircuit": "PAYPAL"},
            *("APM", "PAYPAL", ""),
        ),
        (
            {
                "paymentMethod": "CARD",
                "paymentCircuit": "VISA",
                "paymentInstrumentInfo": "***4549",
            },
            *("CARD", "VISA", "***4549"),
        ),
        ({"paymentInstrumentInfo": "ada@example.com"}, "", "", "ada@example.com"),
        ({"paymentInstrumentInfo": "4349940199004549"}, "", "", ""),
        ({"paymentInstrumentInfo": "x" * 80}, "", "", "x" * 64),
        ({"paymentMethod": None, "paymentCircuit": 7}, "", "7", ""),
    ],
)
def test_how_an_operation_was_paid(
    members: dict[str, Any], method: str, circuit: str, instrument: str
) -> None:
    found = responses.parse_operation(members)
    assert (found.payment_method, found.circuit) == (method, circuit)
    assert found.instrument == instrument
    assert not instrument or instrument not in repr(found)


def test_the_published_orders_of_a_hosted_page() -> None:
    fresh = responses.parse_order(SAMPLES["OrderNotStarted"]["value"])
    assert fresh == responses.OrderResult("SHOP2026000123", 3545, "EUR", 0, 0)
    paid = responses.parse_order(SAMPLES["OrderPaidPayPal"]["value"])
    (operation,) = paid.operations
    assert (paid.authorized, paid.captured) == (3545, 3545)
    assert (operation.type, operation.result) == ("AUTHORIZATION", "EXECUTED")
    assert (operation.payment_method, operation.circuit) == ("APM", "PAYPAL")
    given_up = responses.parse_order(SAMPLES["OrderAbandoned"]["value"])
    assert [one.result for one in given_up.operations] == ["CANCELED"]
