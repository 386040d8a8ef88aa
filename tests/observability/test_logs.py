"""Log lines: one for each transition and call."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from nexi_payments import flows, telemetry
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.flows.ledger import transitions
from nexi_payments.gateway import instrumentation
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
PAN = CARDS["challenge"].number


def test_a_line_for_each_transition(shopper: Shopper, lines: Any) -> None:
    order = shopper.pay(new_order(reference="A 17", description="two mugs"))
    found = lines()
    assert [(one.from_state, one.to_state) for one in found] == [
        ("init", "awaiting_3ds"),
        ("awaiting_3ds", "validated"),
        ("validated", "paying"),
        ("paying", "paid"),
    ]
    paid = found[-1]
    charge = Operation.objects.get(kind=OperationKind.PAYMENT)
    assert paid.getMessage() == f"order {order.order_id}: paying → paid paid"
    facts = {
        name: getattr(paid, name)
        for name in (
            *("order_id", "channel", "terminal", "kind", "reason"),
            *("operation_kind", "outcome", "correlation_id", "cid", "request_id"),
        )
    }
    assert facts == {
        "order_id": order.order_id,
        "channel": "shop",
        "terminal": "default",
        "kind": "paid",
        "reason": "",
        "operation_kind": "payment",
        "outcome": "done",
        "correlation_id": charge.correlation_id,
        "cid": charge.cid,
        "request_id": "",
    }
    # no member of an enumeration: not every formatter takes one
    assert {type(fact) for fact in facts.values()} == {str}
    told = " ".join(str(vars(one)) for one in found)
    for personal in ("A 17", "two mugs", "Giulia", "127.0.0.1"):
        assert personal not in told


def test_no_line_about_what_was_rolled_back(order: PaymentOrder, lines: Any) -> None:
    facts: list[telemetry.Fact] = []
    telemetry.subscribe(facts.append)
    try:
        with transaction.atomic():
            assert transitions.transition(order, OrderState.FAILED, reason="expired")
            transaction.set_rollback(True)
        assert (lines(), facts) == ([], [])
        order.refresh_from_db()
        with transaction.atomic():
            assert transitions.transition(order, OrderState.FAILED, reason="expired")
            assert (lines(), facts) == ([], [])
        assert [one.reason for one in lines()] == ["expired"]
        assert facts == [telemetry.Transition("init", "failed", "shop", "default")]
    finally:
        telemetry.unsubscribe(facts.append)


def test_a_gateway_call_names_its_endpoint_and_order(
    gateway: Simulator, shopper: Shopper, lines: Any
) -> None:
    order = shopper.pay(new_order())
    found = lines("nexi_payments.gateway")
    assert [(one.endpoint, one.outcome, one.http_status) for one in found] == [
        ("POST /orders/3steps/init", "Reply", 200),
        ("POST /orders/3steps/validation", "Reply", 200),
        ("POST /orders/3steps/payment", "Reply", 200),
    ]
    assert {one.order_id for one in found} == {order.order_id}
    flows.refund(order)
    after = lines("nexi_payments.gateway")[3:]
    assert [(one.endpoint, one.order_id) for one in after] == [
        ("GET /orders/{id}", order.order_id),
        ("POST /operations/{id}/refunds", ""),
        ("GET /orders/{id}", order.order_id),
    ]


def test_templates_hold_no_ids() -> None:
    assert instrumentation.path_template("/orders") == "/orders"
    assert instrumentation.path_template("/orders/init5") == "/orders/{id}"
    assert instrumentation.path_template(f"/x/{PAN}") == "/{id}/{id}"


def test_a_listener_that_raises_costs_nothing(shopper: Shopper, lines: Any) -> None:
    def broken(fact: telemetry.Fact) -> None:
        raise ValueError(PAN)

    telemetry.subscribe(broken)
    try:
        assert shopper.pay(new_order()).state == OrderState.PAID
    finally:
        telemetry.unsubscribe(broken)
        telemetry.unsubscribe(broken)
    told = {one.getMessage() for one in lines("nexi_payments.telemetry")}
    assert told == {"a listener raised ValueError"}
