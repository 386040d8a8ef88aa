"""Nexi shows a capture in its total before its list: it counts once, and not at once.

What a total may say is in reading/test_sums_and_states.py. Here it is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import conf, flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import ExceedsRemaining
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import PaymentOrder
from nexi_payments.signals import payment_paid
from nexi_payments.simulator import Reply, Simulator
from tests.support import undecided
from tests.support.in_doubt import (
    LAG,
    charge_at_gateway,
    operation_body,
    order_reply,
    payment_in_doubt,
    prove_absent,
    reconcile_after,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order
from tests.support.undecided import entry, show

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hidden(gateway: Simulator) -> set[str]:
    """Types of operations that Nexi's list does not show yet. Its total counts them."""
    types: set[str] = set()
    handle = gateway.handle

    def lagging(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        reply = handle(method, url, headers, body)
        if method != "GET" or reply.status != 200:
            return reply
        answer = json.loads(reply.body)
        listed = answer.get("operations", [])
        answer["operations"] = [
            one for one in listed if one["operationType"] not in types
        ]
        return Reply(200, json.dumps(answer).encode(), reply.headers)

    gateway.handle = lagging  # type: ignore[method-assign]
    return types


@pytest.fixture
def held(shopper: Shopper) -> PaymentOrder:
    order = shopper.pay(new_order(reference="R-2", terminal="manual"))
    assert state_and_amounts(order) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    return order


def capture_at_nexi(order: PaymentOrder, amount: int) -> str:
    """Somebody captures in Nexi's back office."""
    client = conf.client(conf.current().terminal(order.terminal))
    part = OperationAmount(amount, order.currency, f"elsewhere-{amount}")
    return client.capture(order.gateway_operation_id, part, conf.call_context())


def inquire_after(order: PaymentOrder, *seconds: float) -> None:
    for wait in seconds:
        with time_travel(wait):
            flows.reconcile(order)


def captures(order: PaymentOrder) -> list[tuple[str, int | None, str]]:
    rows = order.operations.filter(kind=OperationKind.CAPTURE).order_by("pk")
    return [(row.outcome, row.amount, row.gateway_operation_id) for row in rows]


def kinds(order: PaymentOrder) -> list[str]:
    return [event.kind for event in order.events.order_by("pk")]


def test_a_capture_of_the_total_counts_a_lag_later_and_once(
    held: PaymentOrder, hidden: set[str]
) -> None:
    hidden.add("CAPTURE")
    new_id = capture_at_nexi(held, 500)
    inquire_after(held, 0, LAG - 5)
    assert captures(held) == []
    inquire_after(held, LAG + 1)
    assert captures(held) == [(OperationOutcome.DONE, 500, "")]
    row = held.operations.get(kind=OperationKind.CAPTURE)
    assert (row.by_totals, row.is_adopted, row.actor) == (True, True, None)
    assert state_and_amounts(held) == (OrderState.PAID, 500, 0, 0, 0)
    assert flows.available(held).refund == 500
    # the list catches up: the same row
    hidden.clear()
    inquire_after(held, 2 * LAG, 4 * LAG)
    listed = held.operations.get(kind=OperationKind.CAPTURE)
    assert (listed.pk, listed.by_totals) == (row.pk, False)
    assert listed.gateway_operation_id == listed.ledger_id == new_id
    assert state_and_amounts(held) == (OrderState.PAID, 500, 0, 0, 0)
    assert kinds(held)[-2:] == ["authorized", "paid"]
    assert not held.discrepancies.exists()


def test_what_only_the_total_shows_is_refunded_when_it_is_listed(
    held: PaymentOrder, gateway: Simulator, hidden: set[str]
) -> None:
    """Nexi refunds a capture by its id, which we do not know yet. On the id of the
    charge a refund of the whole amount would void what is held."""
    hidden.add("CAPTURE")
    new_id = capture_at_nexi(held, 1250)
    inquire_after(held, 0, LAG + 1)
    [unlisted] = flows.available(held).captures
    assert unlisted.remaining == 0
    for amount in (None, Decimal("5.00")):
        for capture in (None, unlisted.operation):
            with pytest.raises(ExceedsRemaining):
                flows.refund(held, amount, capture)
    assert not held.operations.filter(kind=OperationKind.REFUND).exists()
    assert gateway.count("/refunds") == 0
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)
    hidden.clear()
    refund = flows.refund(held, Decimal("5.00"))
    assert (refund.target_operation_id, refund.outcome) == (
        new_id,
        OperationOutcome.DONE,
    )
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 500, 0)


def test_a_total_that_grows_is_one_row(held: PaymentOrder, hidden: set[str]) -> None:
    hidden.add("CAPTURE")
    capture_at_nexi(held, 200)
    inquire_after(held, 0, LAG + 1)
    capture_at_nexi(held, 400)
    inquire_after(held, 2 * LAG, 3 * LAG + 1)
    assert captures(held) == [(OperationOutcome.DONE, 600, "")]
    hidden.clear()
    inquire_after(held, 4 * LAG)
    assert sorted(amount or 0 for _, amount, _ in captures(held)) == [200, 400]
    assert state_and_amounts(held) == (OrderState.PAID, 600, 0, 0, 0)
    assert not held.discrepancies.exists()


def test_a_charge_in_doubt_is_authorized_then_paid(
    shopper: Shopper, gateway: Simulator, hidden: set[str]
) -> None:
    order = payment_in_doubt(shopper, terminal="manual")
    charge_at_gateway(gateway, order, "AUTHORIZED")
    hidden.add("CAPTURE")
    capture_at_nexi(order, 1000)
    inquire_after(order, 0, LAG + 1)
    assert kinds(order)[-2:] == ["authorized", "paid"]
    assert state_and_amounts(order) == (OrderState.PAID, 1000, 0, 0, 0)


def test_a_charge_that_was_given_up_is_authorized_then_paid(
    shopper: Shopper, gateway: Simulator, hidden: set[str]
) -> None:
    order = payment_in_doubt(shopper, terminal="manual")
    prove_absent(order)
    charge_at_gateway(gateway, order, "AUTHORIZED")
    hidden.add("CAPTURE")
    capture_at_nexi(order, 1250)
    inquire_after(order, 3600, 3600 + LAG + 1)
    assert kinds(order)[-3:] == ["failed", "authorized", "paid"]
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)


@pytest.fixture
def reviewed(shopper: Shopper, gateway: Simulator, hidden: set[str]) -> PaymentOrder:
    """Declined, authorized later, and captured in a way that only the total shows."""
    order = shopper.pay(new_order(reference="R-1", terminal="manual"), "declined")
    charge_at_gateway(gateway, order, "AUTHORIZED")
    hidden.add("CAPTURE")
    capture_at_nexi(order, 1250)
    inquire_after(order, 0, LAG + 1)
    assert state_and_amounts(order) == (OrderState.REVIEW, 1250, 0, 0, 0)
    assert order.reason == Reason.CHARGED_AFTER_DECLINE
    return order


def test_under_review_all_of_it_is_refunded(
    reviewed: PaymentOrder, hidden: set[str]
) -> None:
    hidden.clear()
    flows.reconcile(reviewed)
    flows.refund(reviewed)
    assert state_and_amounts(reviewed) == (OrderState.REFUNDED, 1250, 0, 1250, 0)


def test_under_review_a_person_decides(reviewed: PaymentOrder) -> None:
    flows.resolve(reviewed, "paid", reason="seen at Nexi")
    assert state_and_amounts(reviewed) == (OrderState.PAID, 1250, 0, 0, 0)


# -- captures of ours ------------------------------------------------------------------


def shown(
    gateway: Simulator, order: PaymentOrder, total: int, *captures: dict[str, Any]
) -> None:
    """The next inquiry shows the authorization, these captures, and this total."""
    answer = order_reply(
        order, operation_body(order, "AUTHORIZED"), *captures, capturedAmount=str(total)
    )
    gateway.next_reply(f"/orders/{order.order_id}", answer)


def listed(order: PaymentOrder, operation_id: str, amount: int, result: str) -> Any:
    return {
        **operation_body(order, result),
        "operationId": operation_id,
        "operationType": "CAPTURE",
        "operationAmount": str(amount),
    }


def accept(gateway: Simulator, order: PaymentOrder, amount: int) -> None:
    """Nexi accepts the next capture and counts it in its total, but neither lists it
    nor finds it by its id."""
    shown(gateway, order, 0)
    gateway.next_reply("/captures", Reply(200, b'{"operationId": "c-1"}'))
    shown(gateway, order, amount)


@pytest.mark.parametrize("amount", [300, 1250])
def test_the_total_of_a_capture_in_flight_is_not_believed(
    held: PaymentOrder, gateway: Simulator, amount: int
) -> None:
    paid: list[Any] = []

    def heard(event: Any, **kwargs: Any) -> None:
        paid.append(event)

    payment_paid.connect(heard)
    accept(gateway, held, amount)
    row = flows.capture(held, Decimal(amount) / 100)
    assert row.outcome == OperationOutcome.ACCEPTED
    for wait in (LAG + 1, 2 * LAG + 2, 3 * LAG + 3):
        shown(gateway, held, amount)
        inquire_after(held, wait)
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, amount, 0, 0)
    assert captures(held) == [(OperationOutcome.ACCEPTED, amount, "c-1")]
    # it fails; the total lags, and is a discrepancy in the end, never money
    for wait in (4 * LAG, 5 * LAG + 1, 6 * LAG + 2):
        shown(gateway, held, amount, listed(held, "c-1", amount, "FAILED"))
        inquire_after(held, wait)
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert captures(held) == [(OperationOutcome.DECLINED, amount, "c-1")]
    found = held.discrepancies.get()
    assert (found.kind, found.ours, found.theirs) == ("totals", "0", str(amount))
    assert paid == []
    payment_paid.disconnect(heard)


def test_more_than_the_capture_in_flight_is_a_discrepancy(
    held: PaymentOrder, gateway: Simulator
) -> None:
    accept(gateway, held, 1250)
    flows.capture(held, Decimal("3.00"))
    for wait in (LAG + 1, 2 * LAG + 2):
        shown(gateway, held, 1250)
        inquire_after(held, wait)
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 300, 0, 0)
    found = held.discrepancies.get()
    assert (found.kind, found.ours, found.theirs) == ("totals", "300", "1250")


def test_the_total_of_a_cancelled_capture_is_no_money(
    held: PaymentOrder, gateway: Simulator
) -> None:
    flows.capture(held, Decimal("3.00"))
    flows.cancel_capture(held)
    capture = held.operations.get(kind=OperationKind.CAPTURE)
    cancel = held.operations.get(kind=OperationKind.CANCEL)
    gone = {
        **listed(held, cancel.gateway_operation_id, 300, "EXECUTED"),
        "operationType": "CANCEL",
        "cancelledOperationId": capture.gateway_operation_id,
    }
    entry = listed(held, capture.gateway_operation_id, 300, "CANCELED")
    for wait in (LAG + 1, 2 * LAG + 2, 3 * LAG + 3):
        shown(gateway, held, 300, gone, entry)
        inquire_after(held, wait)
        assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert [one.kind for one in held.discrepancies.all()] == ["totals"]


# -- an authorization that reads EXECUTED ----------------------------------------------


def test_an_authorization_that_becomes_executed_is_paid(
    held: PaymentOrder, gateway: Simulator
) -> None:
    entry = operation_body(held, "EXECUTED")
    answer = order_reply(held, entry, capturedAmount="1250")
    gateway.next_reply(f"/orders/{held.order_id}", answer)
    flows.reconcile(held)
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)
    assert flows.available(held).void is None


# -- a second inquiry follows ----------------------------------------------------------


def test_a_look_in_between_does_not_end_the_doubt_about_a_total(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    entry = operation_body(order, "EXECUTED")
    answer = order_reply(order, entry, capturedAmount="1100")
    for wait in (0, LAG / 2):
        gateway.next_reply(f"/orders/{order.order_id}", answer)
        inquire_after(order, wait)
    assert order.next_poll_at is not None
    gateway.next_reply(f"/orders/{order.order_id}", answer)
    reconcile_after(2 * LAG)
    found = order.discrepancies.get()
    assert (found.kind, found.ours, found.theirs) == ("totals", "1250", "1100")
    order.refresh_from_db()
    assert order.next_poll_at is None


def test_a_contradiction_is_looked_at_again(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    answer = order_reply(order, operation_body(order, "DECLINED"))
    for wait in (LAG + 1, LAG + 30):
        gateway.next_reply(f"/orders/{order.order_id}", answer)
        inquire_after(order, wait)
        assert (order.state, order.next_poll_at is None) == (OrderState.PAID, False)
    gateway.next_reply(f"/orders/{order.order_id}", answer)
    reconcile_after(3 * LAG)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, "contradiction")


def test_a_capture_of_the_total_that_is_listed_as_pending_is_announced_once(
    held: PaymentOrder, gateway: Simulator
) -> None:
    nothing: tuple[Any, ...] = ()
    pending = (entry(held, "CAPTURE", "PENDING", 500, "c"),)
    done = (entry(held, "CAPTURE", "EXECUTED", 500, "c"),)
    listed = (nothing, nothing, pending, pending, done, done)
    for place, entries in enumerate(listed):
        show(gateway, held, *entries, charge="AUTHORIZED", total=500)
        inquire_after(held, place * (LAG + 1))
    assert state_and_amounts(held) == (OrderState.PAID, 500, 0, 0, 0)
    assert kinds(held)[-2:] == ["authorized", "paid"]
    assert not held.discrepancies.exists()
    # one capture, which may be cancelled without naming it
    [made] = flows.available(held).effective_captures
    assert (made.operation.gateway_operation_id, made.remaining) == ("c", 500)
    show(gateway, held, *done, charge="AUTHORIZED", total=500)
    undecided.accept(gateway, "/cancels", "x")
    cancel = flows.cancel_capture(held)
    assert (cancel.target_operation_id, cancel.amount) == ("c", 500)


def test_a_further_capture_is_announced_beside_one_of_the_total(
    held: PaymentOrder, gateway: Simulator
) -> None:
    pending = entry(held, "CAPTURE", "PENDING", 500, "c")
    done = entry(held, "CAPTURE", "EXECUTED", 500, "c")
    further = entry(held, "CAPTURE", "EXECUTED", 200, "d")
    seen: list[tuple[int, tuple[Any, ...]]] = [
        *((500, ()), (500, ()), (500, (pending,))),
        (700, (done, further)),
    ]
    for place, (total, entries) in enumerate(seen):
        show(gateway, held, *entries, charge="AUTHORIZED", total=total)
        inquire_after(held, place * (LAG + 1))
    assert state_and_amounts(held) == (OrderState.PAID, 700, 0, 0, 0)
    assert kinds(held)[-3:] == ["authorized", "paid", "captured"]
    # the first row of the total is one of the two now: each is announced once
    named = held.events.filter(kind__in=("paid", "captured")).values("operation")
    told = held.operations.filter(pk__in=named).values_list("amount", flat=True)
    assert sorted(told) == [200, 500]
