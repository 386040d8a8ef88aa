"""What inquiries find late: charges, mismatches, operations made at Nexi."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments.enums import OrderState, Reason
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    HOUR,
    MINUTE,
    charge_at_gateway,
    operation_body,
    order_reply,
    payment_in_doubt,
    prove_absent,
    reconcile_after,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_charge_after_a_decline_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(), "declined")
    charge_at_gateway(gateway, order)
    reconcile_after(16 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (
        OrderState.REVIEW,
        Reason.CHARGED_AFTER_DECLINE,
    )
    found = order.discrepancies.get()
    assert (found.ours, found.theirs) == (
        "DECLINED",
        f"AUTHORIZATION EXECUTED 1250 {order.gateway_operation_id}",
    )


def test_the_watch_ends(shopper: Shopper, gateway: Simulator) -> None:
    order = payment_in_doubt(shopper)
    prove_absent(order)
    reconcile_after(73 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.next_poll_at) == (OrderState.FAILED, None)


def test_the_watch_does_not_end_without_an_answer(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(), "declined")
    reconcile_after(16 * MINUTE)
    charge_at_gateway(gateway, order)  # Nexi had said declined
    for hours in (73, 74):
        gateway.fail_next(f"/orders/{order.order_id}", status=503)
        reconcile_after(hours * HOUR)
        order.refresh_from_db()
        assert order.state == OrderState.FAILED
        assert order.next_poll_at is not None
    reconcile_after(80 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.reason) == (
        OrderState.REVIEW,
        Reason.CHARGED_AFTER_DECLINE,
    )


def test_what_a_review_holds_is_found_out(shopper: Shopper, gateway: Simulator) -> None:
    """A charge with another amount: review, with the amounts recorded."""
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    sent = operation_body(order, "EXECUTED", operationAmount="1251")
    sent["operationId"] = form.fields["transactionId"]
    handle = gateway.handle

    def lying(method: str, url: str, headers: Any, body: bytes) -> Reply:
        reply = handle(method, url, headers, body)
        if not url.endswith("/payment"):
            return reply
        return Reply(200, json.dumps({"operation": sent}).encode())

    gateway.handle = lying  # type: ignore[method-assign]
    shopper.return_from_issuer(form, fields)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.MISMATCH)
    assert order.captured_amount == 0
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.REVIEW, 1250)
    assert (
        order.next_poll_at is not None
    )  # until staff have decided, or the watch is over
    PaymentOrder.objects.update(poll_count=28, next_poll_at=timezone.now())
    reconcile_after(73 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.next_poll_at) == (OrderState.REVIEW, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": "1251"}, Reason.MISMATCH),
        ({"currency": "USD"}, Reason.MISMATCH),
        ({"amount": "12.5"}, Reason.MISMATCH),
    ],
)
def test_a_mismatch_in_a_look_is_reviewed(
    shopper: Shopper, gateway: Simulator, changes: dict[str, str], reason: str
) -> None:
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(changes)
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, reason)
    assert order.discrepancies.exists()


def test_a_charge_without_amount_anywhere_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    bare = operation_body(
        order, "EXECUTED", operationAmount=None, operationCurrency=None
    )
    gateway.next_reply("/orders/", order_reply(order, bare))
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.NO_DETAILS)


def test_an_unknown_result_in_a_look_is_a_break_and_changes_nothing(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    for _ in range(2):
        PaymentOrder.objects.update(next_poll_at=timezone.now())
        gateway.next_reply("/orders/", order_reply(order, operation_body(order, "FOO")))
        reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    assert order.discrepancies.filter(kind="unknown_result", theirs="FOO").count() == 1


def test_back_office_operations_do_not_hide_the_charge(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    refund = operation_body(
        order,
        "VOIDED",
        operationType="REFUND",
        operationId="0f5a1c1e-5b0d-4f0e-9a51-3f6f4b7f2f10",
    )
    gateway.next_reply(
        "/orders/",
        order_reply(
            order, operation_body(order, "EXECUTED"), refund, capturedAmount="1250"
        ),
    )
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    # nothing that is gone already is announced as paid
    assert [event.to_state for event in order.events.all()][-2:] == [
        "paying",
        "refunded",
    ]
    assert (order.captured_amount, order.refunded_amount) == (1250, 1250)


@pytest.mark.parametrize(
    ("order_id", "state", "kinds"),
    [
        ("SOMEBODYELSE", OrderState.PAYING, ["mismatch"]),
        # of this order, with an id that we do not know: this order's money
        (None, OrderState.PAID, []),
    ],
)
def test_a_charge_with_another_id(
    shopper: Shopper,
    gateway: Simulator,
    order_id: str | None,
    state: str,
    kinds: list[str],
) -> None:
    order = payment_in_doubt(shopper)
    foreign = operation_body(
        order,
        "EXECUTED",
        operationId="123456789012345678",
        orderId=order_id or order.order_id,
    )
    gateway.next_reply("/orders/", order_reply(order, foreign))
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert order.state == state
    assert [one.kind for one in order.discrepancies.all()] == kinds


def test_executed_though_capture_is_manual_is_paid_with_a_break(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order(terminal="manual"))
    order = PaymentOrder.objects.get()
    booked = {"operation": operation_body(order, "EXECUTED")}
    gateway.next_reply("/payment", Reply(200, json.dumps(booked).encode()))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert order.discrepancies.get().kind == "captured_unasked"


def test_an_authorization_that_lapsed_is_voided(
    shopper: Shopper, gateway: Simulator, caplog: Any
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    reconcile_after(4 * 24 * HOUR)
    assert "the authorization lapses soon" in caplog.text
    order.refresh_from_db()
    assert order.state == OrderState.AUTHORIZED
    PaymentOrder.objects.update(next_poll_at=timezone.now())
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record["result"] = "VOIDED"
    reconcile_after(6 * 24 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.VOIDED, Reason.LAPSED)
