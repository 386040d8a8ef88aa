"""The communication log is written by the statement that settles an operation."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.gateway import communication
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator, TestCard
from tests.support.canary import EVERY_CARD, everything_stored, fields_of, found_in
from tests.support.in_doubt import payment_in_doubt, reconcile_after
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def log_of(order: PaymentOrder, kind: str) -> list[tuple[str, str, str]]:
    operation = Operation.objects.get(order=order, kind=kind)
    return [
        (one["method"], one["path"], one["result"])
        for one in communication.entries_of(operation.calls)
    ]


def test_each_operation_has_its_calls(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    flows.refund(order, Decimal("1.00"))
    kinds = ("authentication", "validation", "payment")
    paths = ("init", "validation", "payment")
    for kind, path in zip(kinds, paths, strict=True):
        assert log_of(order, kind) == [("POST", f"/orders/3steps/{path}", "200")]
    payment = order.gateway_operation_id
    assert log_of(order, "refund") == [
        ("POST", f"/operations/{payment}/refunds", "200"),
        # the inquiry that has settled it
        ("GET", f"/orders/{order.order_id}", "200"),
    ]
    (entry,) = communication.entries_of(order.operations.get(kind="payment").calls)
    assert entry["request"]["card"] == communication.MASK
    assert entry["request"]["captureType"] == "IMPLICIT"
    assert entry["response"]["operation"]["operationResult"] == "EXECUTED"
    assert timezone.datetime.fromisoformat(entry["at"]) <= timezone.now()
    assert entry["ms"] >= 0


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (Reply(503), "503 UnknownOutcome"),
        (Reply(400, b'{"errors": [{"code": "PS0042"}]}'), "400 Rejected"),
        (Reply(200, b"<html>"), "200 UnknownOutcome"),
        (Reply(0, fault="refused"), "NotSent"),
        (Reply(0, fault="cut"), "UnknownOutcome"),
    ],
)
def test_what_failed_is_there_by_its_class(
    shopper: Shopper, gateway: Simulator, reply: Reply, result: str
) -> None:
    gateway.next_reply("/init", reply)
    order = new_order()
    shopper.submit_card(order)
    (entry,) = communication.entries_of(Operation.objects.get().calls)
    assert entry["result"] == result
    assert entry["request"]["order"]["amount"] == "1250"
    shown = {400: {"errors": [{"code": "PS0042"}]}, 200: communication.MASK}
    assert entry["response"] == shown.get(reply.status)


@EVERY_CARD
def test_no_log_has_a_card(shopper: Shopper, card: TestCard) -> None:
    """The canary finds what any column has: here the log is sure to be one of them."""
    order = new_order()
    shopper.submit_card(order, **fields_of(card))
    calls = Operation.objects.exclude(calls="").values_list("calls", flat=True)
    assert len(calls) >= 1
    assert found_in("\n".join(calls), card) == []
    assert calls[0] in everything_stored()


def test_an_inquiry_that_settles_is_logged_beside_the_charge(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result="EXECUTED", code="000")
    assert len(log_of(order, "payment")) == 1
    reconcile_after(3600)
    order.refresh_from_db()
    assert order.state == "paid"
    assert log_of(order, "payment") == [
        ("POST", "/orders/3steps/payment", "200 UnknownOutcome"),
        ("GET", f"/orders/{order.order_id}", "200"),
    ]


def test_zero_logs_nothing(shopper: Shopper, change_settings: Any) -> None:
    change_settings(COMMUNICATION_LOG=0)
    order = shopper.pay(new_order())
    flows.refund(order, Decimal("1.00"))
    assert set(Operation.objects.values_list("calls", flat=True)) == {""}


@pytest.mark.parametrize(
    ("keys", "days"),
    [
        ({}, 90),
        ({"COMMUNICATION_LOG": 86_400 * 7}, 7),
        ({"RETENTION": 86_400 * 30}, 30),
        ({"RETENTION": 86_400 * 300}, 90),
    ],
)
def test_purged_in_time(
    shopper: Shopper, change_settings: Any, keys: dict[str, float], days: int
) -> None:
    change_settings(**keys)
    shopper.pay(new_order())
    shopper.start(new_order())

    def purge(after: timedelta) -> str:
        out = io.StringIO()
        with time_machine.travel(timezone.now() + after, tick=True):
            call_command("nexi_purge", stdout=out)
        return out.getvalue()

    unsettled = Operation.objects.filter(order__state="awaiting_3ds")
    unsettled.update(outcome="in_doubt", unsettled_order_id=unsettled[0].order_id)
    assert "communication_logs=0" in purge(timedelta(days=days, seconds=-60))
    assert Operation.objects.filter(calls="").count() == 0
    assert "communication_logs=3" in purge(timedelta(days=days, seconds=60))
    assert Operation.objects.exclude(calls="").get() == unsettled.get()
    assert "communication_logs=0" in purge(timedelta(days=days, seconds=60))
