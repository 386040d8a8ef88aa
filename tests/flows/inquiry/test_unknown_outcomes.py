"""Timeouts and unknown outcomes: when inquiries settle a charge in doubt."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState, Reason
from nexi_payments.flows.inquiry import query
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    HOUR,
    MINUTE,
    PAYMENT_ENDPOINT,
    charge_at_gateway,
    payment_in_doubt,
    prove_absent,
    prove_rejected,
    reconcile_after,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def charge_row(order: PaymentOrder) -> Operation:
    return order.operations.get(kind=OperationKind.PAYMENT)


def test_two_inquiries_inside_the_request_find_and_prove_nothing(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    assert gateway.counts["GET /orders/{id}"] == 2
    charge = charge_row(order)
    assert (charge.outcome, charge.misses) == (OperationOutcome.IN_DOUBT, 0)


def test_a_charge_found_later_is_paid(shopper: Shopper, gateway: Simulator) -> None:
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    counts = reconcile_after(2 * MINUTE)
    assert (counts.inquired, counts.paid) == (1, 1)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)
    assert order.next_poll_at is None
    assert charge_row(order).outcome == OperationOutcome.DONE
    assert gateway.counts[PAYMENT_ENDPOINT] == 1


def test_an_authorization_found_later_is_authorized(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper, terminal="manual")
    charge_at_gateway(gateway, order, "AUTHORIZED")
    assert reconcile_after(2 * MINUTE).authorized == 1


def test_a_decline_found_later_is_failed(shopper: Shopper, gateway: Simulator) -> None:
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order, "DECLINED")
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.DECLINED)


def test_silence_is_no_result_before_the_time_is_over(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    for moment in (1.1, 3.2, 8.3):
        reconcile_after(moment * MINUTE)
    order.refresh_from_db()
    assert (order.state, charge_row(order).misses) == (OrderState.PAYING, 3)


def test_inquiries_less_than_a_lag_apart_count_once(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    for seconds in (30, 61, 90, 110):
        with time_travel(seconds):
            flows.reconcile(order)
    assert charge_row(order).misses == 1


def test_silence_past_the_time_and_three_inquiries_is_failed_and_watched(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper, reference="S")
    prove_absent(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.UNCONFIRMED)
    assert order.live_reference is None
    assert charge_row(order).outcome == OperationOutcome.DECLINED
    assert order.watch_until == order.charging_since + timedelta(hours=72)
    assert order.next_poll_at is not None
    # the reference is free again
    assert new_order(reference="S").pk != order.pk


def test_the_inquiries_that_are_lacking_follow_soon(
    shopper: Shopper, gateway: Simulator
) -> None:
    """Nobody reconciled meanwhile: time is over, and one inquiry is not enough."""
    order = payment_in_doubt(shopper)
    for minutes, misses in ((16, 1), (17.1, 2)):
        assert reconcile_after(minutes * MINUTE).inquired == 1
        order.refresh_from_db()
        assert (order.state, charge_row(order).misses) == (OrderState.PAYING, misses)
    assert reconcile_after(18.2 * MINUTE).failed == 1


def test_looks_that_fail_never_fail_the_order(
    shopper: Shopper, gateway: Simulator, caplog: Any
) -> None:
    order = payment_in_doubt(shopper)
    for reply in (Reply(500), Reply(503, b"<html>"), Reply(200, b"nonsense")):
        gateway.next_reply(f"/orders/{order.order_id}", reply)
        PaymentOrder.objects.update(next_poll_at=timezone.now())
        counts = reconcile_after(20 * MINUTE)
        assert counts.unanswered >= 1
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    assert "CRITICAL" in {record.levelname for record in caplog.records}


def test_a_404_counts_only_while_the_key_is_known_to_work(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    client = query.conf.client(query.conf.current().terminal("default"))
    path = f"/orders/{order.order_id}"
    # a payment step has just answered 200
    gateway.next_reply(path, Reply(404))
    assert query.inquire_and_apply(order, client).answered
    Operation.objects.update(settled_at=timezone.now() - timedelta(minutes=6))
    gateway.next_reply(path, Reply(404))
    assert query.inquire_and_apply(order, client).answered  # asked, and the key works
    assert gateway.counts["GET /payment_methods"] == 1
    gateway.next_reply(path, Reply(404))
    gateway.next_reply("/payment_methods", Reply(401))
    assert not query.inquire_and_apply(order, client).answered


def test_an_answer_about_nothing_is_no_good_look(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    client = query.conf.client(query.conf.current().terminal("default"))
    for body in ("{}", "[]", '{"operations": "x"}', '{"operations": [1]}', "null"):
        gateway.next_reply(f"/orders/{order.order_id}", Reply(200, body.encode()))
        assert not query.inquire_and_apply(order, client).answered, body
    foreign = {"orderStatus": {"order": {"orderId": "SOMEBODYELSE"}}}
    gateway.next_reply("/orders/", Reply(200, json.dumps(foreign).encode()))
    assert not query.inquire_and_apply(order, client).answered


def test_pending_at_nexi_never_fails_by_time(
    shopper: Shopper, gateway: Simulator
) -> None:
    gateway.state.pending_seconds = 10**9
    order = shopper.pay(new_order(), "pending_then_paid")
    assert order.gateway_pending
    for hours in (1, 30, 71):
        PaymentOrder.objects.update(next_poll_at=timezone.now())
        reconcile_after(hours * HOUR)
        order.refresh_from_db()
        assert order.state == OrderState.PAYING
    PaymentOrder.objects.update(next_poll_at=timezone.now())
    reconcile_after(73 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.STILL_PENDING)


@pytest.fixture
def lost_and_pending(shopper: Shopper, gateway: Simulator) -> PaymentOrder:
    """The response to the charge is lost; an inquiry shows PENDING."""
    order = payment_in_doubt(shopper, reference="P-1")
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result="PENDING")
    return order


def test_a_lost_charge_that_is_pending_never_fails_by_time(
    lost_and_pending: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    order = lost_and_pending
    for moment in (2 * MINUTE, 16 * MINUTE, 17 * MINUTE, 20 * HOUR):
        reconcile_after(moment)
    order.refresh_from_db()
    assert (order.state, order.gateway_pending) == (OrderState.PAYING, True)
    # the purchase is not paid a second time
    assert new_order(reference="P-1") == order
    charge_at_gateway(gateway, order)
    assert reconcile_after(22 * HOUR).paid == 1
    assert gateway.counts[PAYMENT_ENDPOINT] == 1


def test_a_lost_charge_that_stays_pending_is_reviewed(
    lost_and_pending: PaymentOrder,
) -> None:
    reconcile_after(2 * MINUTE)
    assert reconcile_after(73 * HOUR).review == 1
    lost_and_pending.refresh_from_db()
    assert lost_and_pending.reason == Reason.STILL_PENDING


def test_a_list_behind_the_validation_is_not_pending_for_ever(
    lost_and_pending: PaymentOrder, gateway: Simulator
) -> None:
    """In the first minute PENDING may be about 3-D Secure."""
    order = lost_and_pending
    flows.reconcile(order)
    assert (order.state, order.gateway_pending) == (OrderState.PAYING, False)
    assert charge_row(order).misses == 0  # PENDING is no sign that nothing was charged
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result="THREEDS_VALIDATED")
    prove_absent(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.UNCONFIRMED)


def test_in_two_steps_pending_is_that_of_3d_secure(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper, terminal="two")
    assert gateway.record(order.order_id)["result"] == "PENDING"
    prove_absent(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.UNCONFIRMED)


def test_pending_then_paid(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(), "pending_then_paid")
    gateway.advance(30)
    reconcile_after(2 * MINUTE)
    order.refresh_from_db()
    assert order.state == OrderState.PAID


@pytest.mark.parametrize("status", [400, 404, 405, 415, 422])
def test_a_rejection_and_two_late_inquiries_is_failed(
    shopper: Shopper, gateway: Simulator, status: int
) -> None:
    form = shopper.start(new_order())
    gateway.next_reply("/payment", Reply(status, b'{"errors":[{"code":"GW0001"}]}'))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    with time_travel(61):
        flows.reconcile(order)
    assert (order.state, charge_row(order).misses) == (OrderState.PAYING, 1)
    with time_travel(122):
        flows.reconcile(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.REJECTED)
    assert order.watch_until is not None
    operation = charge_row(order)
    assert (operation.http_status, operation.error) == (
        status,
        "Rejected rejected GW0001",
    )
    assert gateway.counts[PAYMENT_ENDPOINT] == 1


@pytest.mark.parametrize("status", [409, 500, 502, 503, 504, 204, 302, 408])
def test_other_statuses_stay_in_doubt(
    shopper: Shopper, gateway: Simulator, status: int
) -> None:
    form = shopper.start(new_order())
    gateway.next_reply("/payment", Reply(status, b"x"))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    assert order.state == OrderState.PAYING
    assert gateway.counts[PAYMENT_ENDPOINT] == 1


def test_too_many_requests_on_payment_fails_as_busy(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    gateway.next_reply("/payment", Reply(429))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    prove_rejected(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.BUSY)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_new_charges_until_it_works(
    shopper: Shopper, gateway: Simulator, status: int, caplog: Any
) -> None:
    for path in ("/init", "/payment_methods"):
        gateway.next_reply(path, Reply(status))
    response = shopper.submit_card(new_order())
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.CONFIG)
    page = shopper.browser.get(response["Location"]).content.decode()
    assert "Card payments are not available right now" in page
    assert TerminalOutage.objects.get().terminal == "default"
    assert any(r.levelname == "CRITICAL" for r in caplog.records)
    # the next payment fails before anything is sent
    second = new_order()
    calls = sum(gateway.counts.values())
    assert shopper.submit_card(second).status_code == 503
    second.refresh_from_db()
    assert second.state == OrderState.INIT
    assert sum(gateway.counts.values()) == calls
    # still rejected, then accepted again
    gateway.next_reply("/payment_methods", Reply(status))
    assert flows.reconcile().terminals_recovered == 0
    assert flows.reconcile().terminals_recovered == 1
    assert not TerminalOutage.objects.exists()
    assert shopper.submit_card(second).status_code == 200


def test_a_refused_key_on_payment_keeps_the_doubt(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    path = f"/orders/{PaymentOrder.objects.get().order_id}"
    for rejected in ("steps/payment", "/payment_methods", path, path):
        gateway.next_reply(rejected, Reply(401))
    shopper.return_from_issuer(form, fields)
    assert gateway.counts["GET /orders/{id}"] == 2
    order = PaymentOrder.objects.get()
    assert order.state == OrderState.PAYING
    assert TerminalOutage.objects.exists()
    reconcile_after(2 * MINUTE)
    reconcile_after(6 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.REJECTED)


@pytest.mark.parametrize("one", [True, False])
def test_inside_a_transaction_nobody_is_asked(
    shopper: Shopper, gateway: Simulator, one: bool
) -> None:
    order = payment_in_doubt(shopper)
    PaymentOrder.objects.filter(pk=order.pk).update(next_poll_at=timezone.now())
    before = gateway.calls
    with transaction.atomic(), pytest.raises(RuntimeError):
        flows.reconcile(order if one else None)
    assert gateway.calls == before
    order.refresh_from_db()
    assert (order.state, order.poll_count) == (OrderState.PAYING, 0)
