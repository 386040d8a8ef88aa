"""Staff see what is on its way, and decide what Nexi leaves open."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from nexi_payments import flows
from nexi_payments.enums import EventKind, OperationOutcome, OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import (
    ORDERS_URL,
    Clerk,
    action_url,
    follow_redirect,
    hidden_fields,
    order_url,
)
from tests.support.in_doubt import MINUTE, state_and_amounts, time_travel
from tests.support.shopper import CARDS, Shopper
from tests.support.undecided import (
    SETTLED,
    disputed_total,
    entry,
    pending_refund,
    show,
    show_pending,
    show_total,
)

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE_URL = ORDERS_URL + "review-queue/"


@pytest.fixture
def refund(shopper: Shopper) -> Operation:
    return pending_refund(shopper, reference="R-1")


@pytest.fixture
def disputed(shopper: Shopper) -> PaymentOrder:
    return disputed_total(shopper, reference="R-2")


def decide_url(operation: Operation) -> str:
    return f"{ORDERS_URL}operation/{operation.pk}/decide/"


def log_in_again(clerk: Clerk) -> None:
    """After a journey in time, in which the session has expired."""
    clerk.browser.force_login(clerk.user)


def decide(clerk: Clerk, operation: Operation, outcome: str) -> str:
    """The form, "really?", and the page after it."""
    fields = {"outcome": outcome, "reason": "seen at Nexi"}
    first = clerk.post(decide_url(operation), **fields)
    assert first.status_code == 200, follow_redirect(clerk, first)
    fields = hidden_fields(first.content.decode())
    assert fields["reason"] == "seen at Nexi"
    return follow_redirect(clerk, clerk.post(decide_url(operation), **fields))


def assert_undecided(operation: Operation) -> None:
    operation.refresh_from_db()
    assert operation.outcome == OperationOutcome.ACCEPTED
    assert state_and_amounts(operation.order) == (OrderState.PAID, 1250, 0, 0, 200)
    assert not operation.order.events.filter(kind=EventKind.DECIDED).exists()
    assert not LogEntry.objects.exists()


# -- what is on its way ----------------------------------------------------------------


def test_what_is_on_its_way_with_what_happens_next(
    clerk: Clerk, refund: Operation
) -> None:
    page = clerk.get_text(order_url(refund.order))
    assert "On its way at Nexi" in page
    assert "<strong>refund 2.00 EUR</strong> · sent, waiting for Nexi" in page
    assert "Nexi knows it, and has not finished it. We ask until it has." in page
    assert "Nexi is asked again: " in page
    assert "Nexi executed it …" not in page  # it is too early
    with time_travel(SETTLED):
        log_in_again(clerk)
        page = clerk.get_text(order_url(refund.order))
        queue = clerk.get_text(QUEUE_URL)
    assert "(15\xa0minutes)" in page
    assert "Nexi is asked again in a moment." in page
    assert "Nexi executed it …" in page
    assert "Nexi did not execute it …" in page
    assert "refund 2.00 EUR: sent, waiting for Nexi" in queue
    assert f'href="{order_url(refund.order)}#in-flight">Decide …</a>' in queue


def test_nothing_is_on_its_way(clerk: Clerk, paid: PaymentOrder) -> None:
    assert "On its way at Nexi" not in clerk.get_text(order_url(paid))


def test_who_may_not_decide_sees_and_changes_nothing(
    refund: Operation, gateway: Simulator
) -> None:
    asked = len(gateway.calls)
    others = Clerk("view_paymentorder", "reconcile_payment", "refund_payment", name="o")
    with time_travel(SETTLED):
        log_in_again(others)
        page = others.get_text(order_url(refund.order))
        assert "refund 2.00 EUR" in page
        assert "Nexi executed it …" not in page
        assert "Decide …" not in others.get_text(QUEUE_URL)
        fields = {"outcome": "done", "reason": "x", "confirmed": "1"}
        assert others.post(decide_url(refund), **fields).status_code == 403
        answer = others.post(action_url(refund.order, "accept-totals"), **fields)
        assert answer.status_code == 403
    assert len(gateway.calls) == asked
    assert_undecided(refund)


# -- one operation ---------------------------------------------------------------------


def test_executed(clerk: Clerk, refund: Operation, gateway: Simulator) -> None:
    order = refund.order
    with time_travel(SETTLED):
        log_in_again(clerk)
        asked = len(gateway.calls)
        fields = {"outcome": "done", "reason": "seen at Nexi"}
        page = clerk.post(decide_url(refund), **fields).content.decode()
        assert "Count as executed: refund 2.00 EUR?" in page
        assert "Reason: seen at Nexi" in page
        assert "The amount counts as refunded, and the shop is told." in page
        assert "Nexi is asked once more first." in page
        assert len(gateway.calls) == asked
        show_pending(gateway, order)
        page = decide(clerk, refund, "done")
    assert "It counts as executed: refund 2.00 EUR." in page
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 0)
    event = order.events.get(kind=EventKind.DECIDED)
    assert (event.actor, event.address, event.note) == (
        clerk.user,
        "10.1.2.3",
        "seen at Nexi",
    )
    entry_ = LogEntry.objects.get()
    assert (entry_.user, entry_.object_id) == (clerk.user, str(order.pk))
    assert "refund 2.00 EUR: done. seen at Nexi" in entry_.change_message
    # the time line
    assert "<strong>Decided by hand · refund 2.00 EUR</strong>" in page
    assert '<span class="nexi-said">seen at Nexi</span>' in page


def test_not_executed(clerk: Clerk, refund: Operation, gateway: Simulator) -> None:
    order = refund.order
    with time_travel(SETTLED):
        log_in_again(clerk)
        fields = {"outcome": "declined", "reason": "not there"}
        page = clerk.post(decide_url(refund), **fields).content.decode()
        assert "Count as not executed: refund 2.00 EUR?" in page
        assert "entered anew, money would move twice" in page
        show_pending(gateway, order)
        page = decide(clerk, refund, "declined")
    assert "It counts as not executed: refund 2.00 EUR." in page
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)


def test_a_second_submit_decides_nothing(
    clerk: Clerk, refund: Operation, gateway: Simulator
) -> None:
    fields = {"outcome": "declined", "reason": "x", "confirmed": "1"}
    with time_travel(SETTLED):
        log_in_again(clerk)
        show_pending(gateway, refund.order)
        decide(clerk, refund, "done")
        page = follow_redirect(clerk, clerk.post(decide_url(refund), **fields))
    assert "Nothing was decided. The outcome is known by now: done." in page
    assert state_and_amounts(refund.order) == (OrderState.PAID, 1250, 0, 200, 0)
    assert LogEntry.objects.count() == 1


def test_nexi_says_the_contrary(
    clerk: Clerk, refund: Operation, gateway: Simulator
) -> None:
    order = refund.order
    with time_travel(SETTLED):
        log_in_again(clerk)
        show(gateway, order, entry(order, "REFUND", "FAILED", 200, "r-1"))
        page = decide(clerk, refund, "done")
    assert "Nothing was decided. The outcome is known by now: refused." in page
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    assert not LogEntry.objects.exists()


def test_errors_decide_nothing(
    clerk: Clerk, refund: Operation, gateway: Simulator
) -> None:
    url = decide_url(refund)
    good = {"outcome": "done", "reason": "seen", "confirmed": "1"}
    page = follow_redirect(clerk, clerk.post(url, **good))
    assert "This cannot be decided yet: Nexi may still answer." in page
    with time_travel(SETTLED):
        log_in_again(clerk)
        gateway.next_reply("/orders/", Reply(503))
        page = follow_redirect(clerk, clerk.post(url, **good))
        assert "Nexi does not answer. Nothing was decided" in page
        for wrong, text in (
            ({"reason": " "}, "Write why."),
            ({"reason": CARDS["challenge"].number}, "This looks like a card number."),
            ({"outcome": "rejected"}, "rejected is not one of the available choices"),
        ):
            page = follow_redirect(clerk, clerk.post(url, **{**good, **wrong}))
            assert text in page, wrong
            assert CARDS["challenge"].number not in page
        assert clerk.get(url)["Location"] == order_url(refund.order)
    assert clerk.post(f"{ORDERS_URL}operation/999999/decide/").status_code == 404
    assert_undecided(refund)


# -- Nexi's total ----------------------------------------------------------------------


def accept_totals(clerk: Clerk, order: PaymentOrder) -> Any:
    fields = {"reason": "seen at Nexi", "expected": "2.00"}
    first = clerk.post(action_url(order, "accept-totals"), **fields)
    assert first.status_code == 200, follow_redirect(clerk, first)
    page = first.content.decode()
    assert "Count 2.00 EUR more as captured?" in page
    return clerk.post(action_url(order, "accept-totals"), **hidden_fields(page))


def test_the_total_is_taken_over(
    clerk: Clerk, disputed: PaymentOrder, gateway: Simulator
) -> None:
    page = clerk.get_text(order_url(disputed))
    assert "total of what is captured differs from the known operations." in page
    assert "Here: 3.00 EUR · At Nexi: 5.00 EUR" in page
    assert "total: 2.00 EUR more …" in page
    assert '<input type="hidden" name="expected" value="2.00">' in page
    with time_travel(4 * MINUTE):
        show_total(gateway, disputed, 500)
        page = follow_redirect(clerk, accept_totals(clerk, disputed))
    assert "total was accepted. Captured: 5.00 EUR." in page
    assert "known from Nexi&#x27;s total only" in page
    assert "differs from the known operations" not in page
    assert state_and_amounts(disputed) == (OrderState.PAID, 500, 0, 0, 0)
    assert LogEntry.objects.get().user == clerk.user


def test_a_total_that_is_not_accepted(
    clerk: Clerk, disputed: PaymentOrder, gateway: Simulator
) -> None:
    url = action_url(disputed, "accept-totals")
    gateway.next_reply("/orders/", Reply(503))
    page = follow_redirect(clerk, accept_totals(clerk, disputed))
    assert "Nexi does not answer. Nothing was decided" in page
    page = follow_redirect(clerk, clerk.post(url, reason="", expected="2.00"))
    assert "Write why." in page
    page = follow_redirect(clerk, clerk.post(url, reason="x", expected="1.00"))
    assert "total has changed. Nothing was decided; look again." in page
    assert clerk.get(url)["Location"] == order_url(disputed)
    again = {"reason": "again", "expected": "2.00"}
    with time_travel(4 * MINUTE):
        show_total(gateway, disputed, 600)
        page = follow_redirect(clerk, accept_totals(clerk, disputed))
        assert "total has changed. Nothing was decided; look again." in page
    with time_travel(6 * MINUTE):
        show_total(gateway, disputed, 500)
        flows.reconcile(disputed)
        show_total(gateway, disputed, 300)
        page = follow_redirect(clerk, accept_totals(clerk, disputed))
        text = "total shows no more than the known operations. Nothing was changed."
        assert text in page
        assert text in follow_redirect(clerk, clerk.post(url, **again))
    assert state_and_amounts(disputed) == (OrderState.PAID, 300, 0, 0, 0)
    assert not disputed.operations.filter(by_totals=True).exists()
    assert not LogEntry.objects.exists()
