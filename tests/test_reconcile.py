"""After an unknown answer: the rules by which silence becomes a result."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.flows import inquiry
from nexi_payments.models import Operation, PaymentOrder, TerminalAlarm
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.states import Reason
from tests.doubt import (
    HOUR,
    MINUTE,
    PAYMENT,
    charge,
    in_doubt,
    reconcile_at,
)
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_looks_inside_the_request(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    assert gateway.counts["GET /orders/{id}"] == 2
    assert order.good_looks == 2
    assert order.operations.get(kind=states.PAYMENT).outcome == states.IN_DOUBT


def test_a_charge_found_later_is_paid(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    charge(gateway, order)
    counts = reconcile_at(2 * MINUTE)
    assert (counts.looked, counts.paid) == (1, 1)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (states.PAID, 1250)
    assert order.due_at is None
    assert order.operations.get(kind=states.PAYMENT).outcome == states.DONE
    assert gateway.counts[PAYMENT] == 1


def test_an_authorization_found_later_is_authorized(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper, terminal="manual")
    charge(gateway, order, "AUTHORIZED")
    assert reconcile_at(2 * MINUTE).authorized == 1


def test_a_decline_found_later_is_failed(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    charge(gateway, order, "DECLINED")
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.DECLINED)


def test_silence_is_no_result_before_the_time_is_over(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper)
    for moment in (1.1, 3.2, 8.3):
        reconcile_at(moment * MINUTE)
    order.refresh_from_db()
    assert order.state == states.PAYING
    assert order.good_looks == 5


def test_silence_past_the_time_and_enough_looks_is_failed_and_watched(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper, reference="S")
    reconcile_at(16 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.UNCONFIRMED)
    assert order.live_reference is None
    assert order.operations.get(kind=states.PAYMENT).outcome == states.DECLINED
    assert order.watch_until == order.charging_since + timedelta(hours=72)
    assert order.due_at is not None
    # the basket is free again
    assert new_order(reference="S").pk != order.pk


def test_several_looks_in_one_pass_when_only_looks_are_lacking(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper)
    PaymentOrder.objects.update(good_looks=0)
    reconcile_at(16 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.good_looks) == (states.FAILED, 3)


def test_looks_that_fail_never_fail_the_order(
    shopper: Shopper, gateway: Simulator, caplog: Any
) -> None:
    order = in_doubt(shopper)
    for reply in (Reply(500), Reply(503, b"<html>"), Reply(200, b"nonsense")):
        gateway.next_reply(f"/orders/{order.order_id}", reply)
        PaymentOrder.objects.update(due_at=timezone.now(), good_looks=0)
        counts = reconcile_at(20 * MINUTE)
        assert counts.unanswered >= 1
    order.refresh_from_db()
    assert order.state == states.PAYING
    assert "CRITICAL" in {record.levelname for record in caplog.records}


def test_a_404_counts_only_while_the_key_is_known_to_work(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper)
    client = inquiry.conf.client(inquiry.conf.current().terminal("default"))
    path = f"/orders/{order.order_id}"
    # a payment step has just answered 200
    gateway.next_reply(path, Reply(404))
    assert inquiry.look(order, client).good
    Operation.objects.update(settled_at=timezone.now() - timedelta(minutes=6))
    gateway.next_reply(path, Reply(404))
    assert inquiry.look(order, client).good  # asked, and the key works
    assert gateway.counts["GET /payment_methods"] == 1
    gateway.next_reply(path, Reply(404))
    gateway.next_reply("/payment_methods", Reply(401))
    assert not inquiry.look(order, client).good


def test_an_answer_about_nothing_is_no_good_look(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper)
    client = inquiry.conf.client(inquiry.conf.current().terminal("default"))
    for body in ("{}", "[]", '{"operations": "x"}', '{"operations": [1]}', "null"):
        gateway.next_reply(f"/orders/{order.order_id}", Reply(200, body.encode()))
        assert not inquiry.look(order, client).good, body
    foreign = {"orderStatus": {"order": {"orderId": "SOMEBODYELSE"}}}
    gateway.next_reply("/orders/", Reply(200, json.dumps(foreign).encode()))
    assert not inquiry.look(order, client).good


def test_pending_at_nexi_never_fails_by_time(
    shopper: Shopper, gateway: Simulator
) -> None:
    gateway.pending_seconds = 10**9
    order = shopper.pay(new_order(), "pending_then_paid")
    assert order.pending_at_nexi
    for hours in (1, 30, 71):
        PaymentOrder.objects.update(due_at=timezone.now())
        reconcile_at(hours * HOUR)
        order.refresh_from_db()
        assert order.state == states.PAYING
    PaymentOrder.objects.update(due_at=timezone.now())
    reconcile_at(73 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, Reason.STILL_PENDING)


def test_pending_then_paid(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(), "pending_then_paid")
    gateway.advance(30)
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert order.state == states.PAID


@pytest.mark.parametrize("status", [400, 404, 405, 415, 422])
def test_a_refusal_and_two_good_looks_is_failed(
    shopper: Shopper, gateway: Simulator, status: int
) -> None:
    form = shopper.start(new_order())
    gateway.next_reply("/payment", Reply(status, b'{"errors":[{"code":"GW0001"}]}'))
    shopper.come_back(form, shopper.answer(form))
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (states.FAILED, Reason.REFUSED)
    assert order.watch_until is not None
    operation = order.operations.get(kind=states.PAYMENT)
    assert (operation.http_status, operation.error) == (
        status,
        "Refused refused GW0001",
    )
    assert gateway.counts[PAYMENT] == 1


@pytest.mark.parametrize("status", [409, 500, 502, 503, 504, 204, 302, 408])
def test_other_statuses_stay_in_doubt(
    shopper: Shopper, gateway: Simulator, status: int
) -> None:
    form = shopper.start(new_order())
    gateway.next_reply("/payment", Reply(status, b"x"))
    shopper.come_back(form, shopper.answer(form))
    order = PaymentOrder.objects.get()
    assert order.state == states.PAYING
    assert gateway.counts[PAYMENT] == 1


def test_too_many_requests_on_payment_fails_as_busy(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    gateway.next_reply("/payment", Reply(429))
    shopper.come_back(form, shopper.answer(form))
    assert PaymentOrder.objects.get().reason == Reason.BUSY


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_new_charges_until_it_works(
    shopper: Shopper, gateway: Simulator, status: int, caplog: Any
) -> None:
    gateway.next_reply("/init", Reply(status))
    response = shopper.enter(new_order())
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (states.FAILED, Reason.CONFIG)
    page = shopper.browser.get(response["Location"]).content.decode()
    assert "Card payments are not available right now" in page
    assert TerminalAlarm.objects.get().terminal == "default"
    assert any(r.levelname == "CRITICAL" for r in caplog.records)
    # the next shopper is stopped before anything is sent
    second = new_order()
    calls = sum(gateway.counts.values())
    assert shopper.enter(second).status_code == 503
    second.refresh_from_db()
    assert second.state == states.INIT
    assert sum(gateway.counts.values()) == calls
    # still refused, then mended
    gateway.next_reply("/payment_methods", Reply(status))
    assert flows.reconcile().mended == 0
    assert flows.reconcile().mended == 1
    assert not TerminalAlarm.objects.exists()
    assert shopper.enter(second).status_code == 200


def test_a_refused_key_on_payment_keeps_the_doubt(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    fields = shopper.answer(form)
    gateway.next_reply("/payment", Reply(401))
    handle = gateway._look
    gateway._look = lambda path, query: Reply(401)  # type: ignore[method-assign]
    shopper.come_back(form, fields)
    order = PaymentOrder.objects.get()
    assert order.state == states.PAYING
    assert TerminalAlarm.objects.exists()
    gateway._look = handle  # type: ignore[method-assign]
    reconcile_at(2 * MINUTE)
    reconcile_at(6 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.REFUSED)


@pytest.mark.parametrize("one", [True, False])
def test_inside_a_transaction_nobody_is_asked(
    shopper: Shopper, gateway: Simulator, one: bool
) -> None:
    order = in_doubt(shopper)
    PaymentOrder.objects.filter(pk=order.pk).update(due_at=timezone.now())
    before = gateway.calls
    with transaction.atomic(), pytest.raises(RuntimeError):
        flows.reconcile(order if one else None)
    assert gateway.calls == before
    order.refresh_from_db()
    assert (order.state, order.looks) == (states.PAYING, 0)
