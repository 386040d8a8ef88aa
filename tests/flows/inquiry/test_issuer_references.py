"""Authorization code and retrieval reference number, which a chargeback names."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import conf, flows
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Reply, Simulator
from tests.support.clerk import PERMISSIONS, Clerk, order_url
from tests.support.in_doubt import (
    MINUTE,
    charge_at_gateway,
    payment_in_doubt,
    reconcile_after,
)
from tests.support.shopper import Shopper, new_order
from tests.support.tampered_responses import tamper_next_response

pytestmark = pytest.mark.django_db(transaction=True)


def references(order: PaymentOrder) -> list[tuple[str, str, str]]:
    return [
        (row.kind, row.authorization_code, row.rrn) for row in order.operations.all()
    ]


def show_in_list(gateway: Simulator, more: dict[str, dict[str, str]]) -> None:
    """Each status inquiry lists operations of a type with this ``additionalData``."""
    handle = gateway.handle

    def telling(method: str, url: str, headers: Any, body: bytes) -> Reply:
        reply = handle(method, url, headers, body)
        if method != "GET" or reply.status != 200:
            return reply
        answer = json.loads(reply.body)
        for one in answer.get("operations", []):
            one["additionalData"] = more.get(one["operationType"], {})
        return Reply(200, json.dumps(answer).encode(), reply.headers)

    gateway.handle = telling  # type: ignore[method-assign]


def test_the_answer_to_a_charge(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    known = order.gateway_operation_id
    assert references(order) == [
        ("authentication", "", ""),
        ("validation", "", ""),
        ("payment", known[-6:], known[-12:]),
    ]


def test_an_inquiry_that_finds_the_charge(shopper: Shopper, gateway: Simulator) -> None:
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    show_in_list(
        gateway,
        {"AUTHORIZATION": {"authorizationCode": "A1B2C3", "rrn": "633412345678"}},
    )
    reconcile_after(2 * MINUTE)
    assert references(order)[1:] == [
        ("validation", "", ""),
        ("payment", "A1B2C3", "633412345678"),
    ]


def test_an_inquiry_fills_what_is_lacking_and_changes_nothing_else(
    shopper: Shopper, gateway: Simulator
) -> None:
    tamper_next_response(
        gateway, "/payment", additionalData={"authorizationCode": "A1B2C3"}
    )
    order = shopper.pay(new_order())
    assert references(order)[2] == ("payment", "A1B2C3", "")
    show_in_list(
        gateway,
        {
            "AUTHORIZATION": {"authorizationCode": "OTHER", "rrn": "633412345678"},
            "REFUND": {"rrn": "633487654321"},
        },
    )
    flows.refund(order, Decimal("2.00"))  # inquires, too
    flows.reconcile(order)
    assert references(order)[2:] == [
        ("payment", "A1B2C3", "633412345678"),
        ("refund", "", "633487654321"),
    ]


def test_a_capture_that_was_made_at_nexi(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    client = conf.client(conf.current().terminal(order.terminal))
    part = OperationAmount(300, "EUR", "elsewhere")
    client.capture(order.gateway_operation_id, part, conf.call_context())
    show_in_list(gateway, {"CAPTURE": {"rrn": "633400000001"}})
    flows.reconcile(order)
    assert references(order)[-1] == ("capture", "", "633400000001")


def test_a_card_number_in_their_place_is_not_stored(
    shopper: Shopper, gateway: Simulator
) -> None:
    number = TEST_CARDS[0].number
    more = {"authorizationCode": number, "rrn": f"x {number}"}
    tamper_next_response(gateway, "/payment", additionalData=more)
    order = shopper.pay(new_order())
    show_in_list(gateway, {"AUTHORIZATION": more})
    flows.reconcile(order)
    assert references(order)[2] == ("payment", "", "")


def test_staff_see_them(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    known = order.gateway_operation_id
    page = Clerk(*PERMISSIONS).get_text(order_url(order))
    assert f"authorization code <code>{known[-6:]}</code>" in page
    assert f"RRN <code>{known[-12:]}</code>" in page
