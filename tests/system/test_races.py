"""Races between requests, and retries."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import OrderBusy, OrderNotPayable, ReferenceInUse
from nexi_payments.flows import three_ds_return
from nexi_payments.flows.inquiry import query, unfinished
from nexi_payments.flows.orders import attempts
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.gateway.clock import StillClock
from tests.support.concurrency import run_concurrently
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

VALIDATION = "POST /orders/3steps/validation"
PAYMENT = "POST /orders/3steps/payment"


def test_twenty_checkouts_of_one_basket_make_one_order() -> None:
    made = run_concurrently(20, lambda _: new_order(reference="R").pk)
    assert len(made) == 20
    assert len(set(made)) == 1
    assert PaymentOrder.objects.count() == 1


def test_ten_cards_at_once_ask_for_one_authentication(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(reference="R")
    statuses = run_concurrently(
        10, lambda _: Shopper(gateway).submit_card(order).status_code
    )
    assert len(statuses) == 10
    assert set(statuses) <= {200, 303}
    assert PaymentOrder.objects.exclude(live_reference=None).count() == 1
    # a later request superseded an attempt whose card was unused, or was refused
    for row in PaymentOrder.objects.all():
        assert row.operations.count() <= 1
        assert row.state in (OrderState.AWAITING_3DS, OrderState.FAILED)


def test_a_failed_order_entered_in_two_tabs_is_charged_once(
    shopper: Shopper, gateway: Simulator
) -> None:
    failed = shopper.pay(new_order(reference="R"), "declined")
    first = shopper.start(failed)
    second = shopper.start(failed)
    for form in (first, second):
        shopper.return_from_issuer(form, shopper.answer_challenge(form))
    charged = [
        o for o in PaymentOrder.objects.all() if gateway.charge_count(o.order_id)
    ]
    assert len(charged) == 1
    with pytest.raises(ReferenceInUse):
        attempts.create_attempt(PaymentOrder.objects.get(pk=failed.pk))


def test_a_failed_order_whose_reference_was_asked_for_anew(shopper: Shopper) -> None:
    failed = shopper.pay(new_order(reference="R"), "declined")
    fresh = new_order(reference="R")
    assert fresh.pk != failed.pk
    shopper.start(failed)  # the old tab: takes the row that waits for a card
    fresh.refresh_from_db()
    assert fresh.state == OrderState.AWAITING_3DS
    assert PaymentOrder.objects.count() == 2


def test_a_failed_order_whose_basket_has_changed(shopper: Shopper) -> None:
    failed = shopper.pay(new_order(reference="R"), "declined")
    fresh = new_order(reference="R", amount="99.00")
    response = shopper.submit_card(failed)
    assert response.status_code == 303
    assert response["Location"] == f"/payments/result/{fresh.public_id}/"
    fresh.refresh_from_db()
    assert fresh.state == OrderState.INIT


def test_the_flow_refuses_a_paid_order(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    with pytest.raises(OrderNotPayable):
        flows.start_payment(order, Card(CARDS["challenge"].number, "1230"))


def test_an_order_claimed_between_look_and_supersede(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = new_order()
    shopper.start(order)
    order.refresh_from_db()
    stale = PaymentOrder.objects.get(pk=order.pk)
    PaymentOrder.objects.update(claimed_at=order.created_at)
    with pytest.raises(ReferenceInUse):
        attempts.create_attempt(stale)


@pytest.mark.parametrize("reply", [Reply(500), Reply(200, b"x"), Reply(503, b"<html>")])
def test_a_lost_validation_is_asked_once_more(
    shopper: Shopper, gateway: Simulator, reply: Reply
) -> None:
    form = shopper.start(new_order())
    gateway.next_reply("/validation", reply)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    assert order.state == OrderState.PAID
    assert gateway.counts[VALIDATION] == 2
    operation = order.operations.get(kind=OperationKind.VALIDATION)
    assert (operation.send_count, operation.outcome) == (2, OperationOutcome.DONE)


def test_a_validation_lost_twice_is_failed_without_a_charge(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    for _ in range(2):
        gateway.next_reply("/validation", Reply(500))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.VALIDATION_UNKNOWN)
    assert (gateway.counts[VALIDATION], gateway.counts[PAYMENT]) == (2, 0)
    assert not order.operations.exclude(unsettled_order_id=None).exists()


@pytest.mark.parametrize(
    ("retry_after", "calls", "state"),
    [("0", 2, OrderState.PAID), ("60", 1, OrderState.FAILED)],
)
def test_a_busy_validation(
    shopper: Shopper,
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    retry_after: str,
    calls: int,
    state: str,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(three_ds_return.time, "sleep", slept.append)
    form = shopper.start(new_order())
    busy = Reply(429, b"", {"Retry-After": retry_after})
    gateway.next_reply("/validation", busy)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    assert order.state == state
    assert gateway.counts[VALIDATION] == calls
    assert all(wait <= 3 for wait in slept)
    if state == OrderState.FAILED:
        assert order.reason == Reason.BUSY


def test_a_refused_validation_is_not_asked_again(
    shopper: Shopper, gateway: Simulator
) -> None:
    form = shopper.start(new_order())
    gateway.next_reply("/validation", Reply(400))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.REJECTED)
    assert gateway.counts[VALIDATION] == 1


def test_no_charge_leaves_without_time_for_its_answer(
    shopper: Shopper, gateway: Simulator, change_settings: Any, still: StillClock
) -> None:
    change_settings(TOTAL_TIMEOUT=10.0)
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    handle = gateway.handle

    def slow(method: str, url: str, headers: Any, body: bytes) -> Reply:
        if url.endswith("/validation"):
            still.leap(7)
        return handle(method, url, headers, body)

    gateway.handle = slow  # type: ignore[method-assign]
    shopper.return_from_issuer(form, fields)
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.NOT_SENT)
    assert gateway.counts[PAYMENT] == 0
    assert (
        order.operations.get(kind=OperationKind.PAYMENT).outcome
        == OperationOutcome.NOT_SENT
    )


def test_no_second_validation_without_time(
    shopper: Shopper, gateway: Simulator, change_settings: Any, still: StillClock
) -> None:
    change_settings(TOTAL_TIMEOUT=10.0)
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    handle = gateway.handle

    def slow(method: str, url: str, headers: Any, body: bytes) -> Reply:
        if url.endswith("/validation"):
            still.leap(7)
            handle(method, url, headers, body)
            return Reply(500)
        return handle(method, url, headers, body)

    gateway.handle = slow  # type: ignore[method-assign]
    shopper.return_from_issuer(form, fields)
    assert gateway.counts[VALIDATION] == 1
    assert PaymentOrder.objects.get().state == OrderState.FAILED


def test_looks_stop_when_the_time_is_over(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "INQUIRE_AFTER", (1000.0,))
    shopper.pay(new_order(), "garbage")
    assert gateway.counts["GET /orders/{id}"] == 0


def test_reconciled_while_validation_was_out(
    shopper: Shopper, gateway: Simulator
) -> None:
    """A slow worker whose order failed meanwhile charges nothing."""
    form = shopper.start(new_order())
    fields = shopper.answer_challenge(form)
    handle = gateway.handle

    def slow(method: str, url: str, headers: Any, body: bytes) -> Reply:
        reply = handle(method, url, headers, body)
        if url.endswith("/validation"):
            row = PaymentOrder.objects.get()
            assert unfinished.fail(row, Reason.ABANDONED)
        return reply

    gateway.handle = slow  # type: ignore[method-assign]
    shopper.return_from_issuer(form, fields)
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.ABANDONED)
    assert gateway.counts[PAYMENT] == 0


def test_a_busy_order_shows_its_result(
    shopper: Shopper, order: PaymentOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: Any, **kwargs: Any) -> None:
        raise OrderBusy(order)

    monkeypatch.setattr(flows, "start_payment", busy)
    response = shopper.submit_card(order)
    assert response["Location"] == f"/payments/result/{order.public_id}/"


def test_an_outcome_that_was_not_stored_shows_the_result(
    shopper: Shopper, order: PaymentOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nexi_payments.exceptions import OutcomeNotRecorded

    def lost(*args: Any, **kwargs: Any) -> None:
        raise OutcomeNotRecorded(order.order_id, "c")

    monkeypatch.setattr(flows, "start_payment", lost)
    response = shopper.submit_card(order)
    assert response["Location"] == f"/payments/result/{order.public_id}/"
