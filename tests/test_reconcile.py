"""After an unknown answer: the rules by which silence becomes a result."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.flows import inquiry
from nexi_payments.models import Hold, Operation, PaymentOrder, TerminalAlarm
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.states import Reason
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

PAYMENT = "POST /orders/3steps/payment"
MINUTE, HOUR = 60, 3600


def in_doubt(shopper: Shopper, **facts: Any) -> PaymentOrder:
    """A charge whose answer was garbage and which the gateway has not made."""
    order = shopper.pay(new_order(**facts), "garbage")
    assert order.state == states.PAYING
    return order


def charge(gateway: Simulator, order: PaymentOrder, result: str = "EXECUTED") -> None:
    """The gateway makes the charge after all."""
    with gateway.store.edit(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result=result, charged_at="now", code="000")


def later(seconds: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True)


def reconcile_at(seconds: float) -> flows.Counts:
    with later(seconds):
        return flows.reconcile()


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


def test_late_money_makes_a_failed_order_paid(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper, reference="L")
    reconcile_at(16 * MINUTE)
    charge(gateway, order)
    assert reconcile_at(3 * HOUR).paid == 1
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.PAID, Reason.LATE_CHARGE)
    assert order.live_reference == "L"
    assert [e.to_state for e in order.events.all()][-2:] == ["failed", "paid"]


def test_late_money_beside_a_paid_order_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper, reference="L")
    reconcile_at(16 * MINUTE)
    other = shopper.pay(new_order(reference="L"), "frictionless")
    assert other.state == states.PAID
    charge(gateway, order)
    assert reconcile_at(3 * HOUR).review == 1
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, Reason.REFERENCE_TAKEN)
    assert order.live_reference is None
    other.refresh_from_db()
    assert (other.state, other.live_reference) == (states.PAID, "L")


def test_a_charge_after_a_decline_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(), "declined")
    charge(gateway, order)
    reconcile_at(16 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (
        states.REVIEW,
        Reason.CHARGED_AFTER_DECLINE,
    )
    assert order.breaks.get().theirs == "charged EXECUTED"


def test_the_watch_ends(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    reconcile_at(16 * MINUTE)
    PaymentOrder.objects.update(due_at=timezone.now())
    reconcile_at(73 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.due_at) == (states.FAILED, None)


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
    order = in_doubt(shopper)
    charge(gateway, order)
    with gateway.store.edit(order.gateway_operation_id) as record:
        assert record is not None
        record.update(changes)
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, reason)
    assert order.breaks.exists()


def details(order: PaymentOrder, *operations: dict[str, Any], **status: Any) -> Reply:
    body = {
        "orderStatus": {"order": {"orderId": order.order_id}, **status},
        "operations": operations,
    }
    return Reply(200, json.dumps(body).encode())


def operation(order: PaymentOrder, result: str, **more: Any) -> dict[str, Any]:
    return {
        "orderId": order.order_id,
        "operationId": order.gateway_operation_id,
        "operationType": "AUTHORIZATION",
        "operationResult": result,
        "operationAmount": "1250",
        "operationCurrency": "EUR",
        **more,
    }


def test_a_charge_without_amount_anywhere_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper)
    bare = operation(order, "EXECUTED", operationAmount=None, operationCurrency=None)
    gateway.next_reply("/orders/", details(order, bare))
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, Reason.NO_DETAILS)


def test_an_unknown_result_in_a_look_is_a_break_and_changes_nothing(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper)
    for _ in range(2):
        PaymentOrder.objects.update(due_at=timezone.now())
        gateway.next_reply("/orders/", details(order, operation(order, "FOO")))
        reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert order.state == states.PAYING
    assert order.breaks.filter(kind="unknown_result", theirs="FOO").count() == 1


def test_back_office_operations_do_not_hide_the_charge(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = in_doubt(shopper)
    refund = operation(
        order,
        "VOIDED",
        operationType="REFUND",
        operationId="0f5a1c1e-5b0d-4f0e-9a51-3f6f4b7f2f10",
    )
    gateway.next_reply(
        "/orders/",
        details(order, operation(order, "EXECUTED"), refund, capturedAmount="1250"),
    )
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert order.state == states.PAID


def test_a_foreign_operation_is_not_ours(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    foreign = operation(order, "EXECUTED", operationId="123456789012345678")
    gateway.next_reply("/orders/", details(order, foreign))
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert order.state == states.PAYING


def test_authorized_though_capture_is_automatic_is_polled_until_booked(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    order = PaymentOrder.objects.get()
    held = {"operation": operation(order, "AUTHORIZED")}
    gateway.next_reply("/payment", Reply(200, json.dumps(held).encode()))
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert order.state == states.AUTHORIZED
    gateway.next_reply(
        "/orders/",
        details(order, operation(order, "AUTHORIZED"), capturedAmount="1250"),
    )
    reconcile_at(2 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (states.PAID, 1250)


def test_executed_though_capture_is_manual_is_paid_with_a_break(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order(terminal="manual"))
    order = PaymentOrder.objects.get()
    booked = {"operation": operation(order, "EXECUTED")}
    gateway.next_reply("/payment", Reply(200, json.dumps(booked).encode()))
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert order.state == states.PAID
    assert order.breaks.get().kind == "captured_unasked"


def test_an_authorization_that_lapsed_is_voided(
    shopper: Shopper, gateway: Simulator, caplog: Any
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    reconcile_at(4 * 24 * HOUR)
    assert "the hold lapses soon" in caplog.text
    order.refresh_from_db()
    assert order.state == states.AUTHORIZED
    PaymentOrder.objects.update(due_at=timezone.now())
    with gateway.store.edit(order.gateway_operation_id) as record:
        assert record is not None
        record["result"] = "VOIDED"
    reconcile_at(6 * 24 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.VOIDED, Reason.LAPSED)


def test_an_order_never_paid_expires_without_a_call(gateway: Simulator) -> None:
    order = new_order()
    assert reconcile_at(29 * MINUTE).failed == 0
    assert reconcile_at(31 * MINUTE).failed == 1
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.EXPIRED)
    assert sum(gateway.counts.values()) == 0


def test_an_order_left_at_the_bank_expires_after_asking(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    shopper.start(order)
    assert reconcile_at(16 * MINUTE).purged == 1  # the held card goes first
    gateway.next_reply("/orders/", Reply(500))
    reconcile_at(31 * MINUTE)
    order.refresh_from_db()
    assert order.state == states.AWAITING_3DS
    reconcile_at(40 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.EXPIRED)
    assert order.due_at is None


def test_an_order_left_at_the_bank_and_charged_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    shopper.start(order)
    order.refresh_from_db()
    charge(gateway, order)
    reconcile_at(31 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, Reason.UNEXPECTED_CHARGE)
    assert not Hold.objects.exists()


@pytest.mark.parametrize("state", [states.AWAITING_3DS, states.VALIDATED])
def test_a_claim_whose_worker_died_is_failed_after_its_deadline(
    shopper: Shopper, gateway: Simulator, state: str
) -> None:
    order = new_order()
    shopper.start(order)
    now = timezone.now()
    PaymentOrder.objects.update(
        state=state, claimed_at=now, due_at=now + timedelta(seconds=30)
    )
    Operation.objects.create(
        order=order,
        kind=states.VALIDATION,
        open_slot=order.pk,
        correlation_id="c",
        created_at=now,
    )
    reconcile_at(20)
    order.refresh_from_db()
    assert order.state == state
    reconcile_at(35)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.ABANDONED)
    assert not Operation.objects.exclude(open_slot=None).exists()
    assert not Hold.objects.exists()


def test_one_order_asked_about_now(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    charge(gateway, order)
    assert flows.reconcile(order).paid == 1
    assert order.state == states.PAID
    assert flows.reconcile(order).paid == 0


def test_a_terminal_that_is_gone_does_not_stop_the_pass(
    shopper: Shopper, gateway: Simulator
) -> None:
    lost = in_doubt(shopper)
    order = in_doubt(shopper)
    charge(gateway, order)
    PaymentOrder.objects.filter(pk=lost.pk).update(terminal="gone")
    counts = reconcile_at(2 * MINUTE)
    assert (counts.paid, counts.unanswered) == (1, 1)


def test_the_command_prints_what_it_did(
    shopper: Shopper, gateway: Simulator, capsys: Any
) -> None:
    order = in_doubt(shopper)
    charge(gateway, order)
    with later(2 * MINUTE):
        call_command("nexi_reconcile")
    assert capsys.readouterr().out == (
        "looked=1 paid=1 authorized=0 failed=0 review=0 unanswered=0 delivered=0"
        " purged=0 mended=0\n"
    )


def test_running_it_again_changes_nothing(shopper: Shopper, gateway: Simulator) -> None:
    in_doubt(shopper)
    shopper.pay(new_order(), "frictionless")
    with later(16 * MINUTE):
        flows.reconcile()
        before = list(PaymentOrder.objects.order_by("pk").values())
        calls = sum(gateway.counts.values())
        assert str(flows.reconcile()) == str(flows.Counts())
    assert list(PaymentOrder.objects.order_by("pk").values()) == before
    assert sum(gateway.counts.values()) == calls
