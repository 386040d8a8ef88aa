"""Staff see the refunds that wait, and withdraw one before it is sent."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from nexi_payments import flows
from nexi_payments.models import PaymentOrder, QueuedRefund
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import ORDERS_URL, Clerk, follow_redirect, order_url
from tests.support.in_doubt import reconcile_after
from tests.support.queued_refunds import (
    DUE,
    enqueue_and_die,
    enqueue_void,
    queue_of,
    refund_at_nexi,
    refund_calls,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

WITHDRAW = "Withdraw: send nothing"


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def withdraw_url(row: QueuedRefund) -> str:
    return f"{ORDERS_URL}queued-refund/{row.pk}/withdraw/"


def test_the_page_says_who_when_and_why(clerk: Clerk, paid: PaymentOrder) -> None:
    row = enqueue_and_die(
        paid, "2.00", reason="<b>broken</b>", actor=flows.Actor(clerk.user)
    )
    enqueue_and_die(paid, "1.00")
    page = clerk.get_text(order_url(paid))
    assert "Waiting to be sent to Nexi" in page
    assert "<strong>refund 2.00 EUR</strong> · clerk ·" in page
    assert "&lt;b&gt;broken&lt;/b&gt;" in page
    assert "<strong>refund 1.00 EUR</strong> · the shop ·" in page
    assert "It is sent at " in page
    assert page.count(WITHDRAW) == 2
    assert f'action="{withdraw_url(row)}"' in page
    for words in ("Waiting to be sent", "3.00 EUR", "Left to refund", "9.50 EUR"):
        assert words in page
    assert "Refund queued" in page  # in what has happened


def test_the_page_says_why_it_waits(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    enqueue_and_die(paid, "2.00")
    gateway.next_reply(f"/orders/{paid.order_id}", Reply(500))
    reconcile_after(DUE)
    assert "Nexi did not answer." in clerk.get_text(order_url(paid))


def test_without_a_queue_the_page_says_nothing(
    clerk: Clerk, paid: PaymentOrder
) -> None:
    assert "Waiting to be sent" not in clerk.get_text(order_url(paid))


def test_withdrawn(clerk: Clerk, paid: PaymentOrder, gateway: Simulator) -> None:
    row = enqueue_and_die(paid, "2.00")
    answer = clerk.post(withdraw_url(row), reason="the customer keeps it")
    page = follow_redirect(clerk, answer)
    assert "Withdrawn: refund 2.00 EUR. Nothing was sent." in page
    assert (queue_of(paid), refund_calls(gateway)) == ([("withdrawn", 200)], [])
    event = paid.events.get(kind="refund_withdrawn")
    assert (event.actor, event.note) == (clerk.user, "the customer keeps it")
    entry = LogEntry.objects.get()
    assert entry.change_message == (
        "Withdrawn: refund 2.00 EUR. Nothing was sent. the customer keeps it"
    )
    assert reconcile_after(DUE).refunds_sent == 0


def test_too_late(clerk: Clerk, paid: PaymentOrder, gateway: Simulator) -> None:
    row = enqueue_and_die(paid, "2.00")
    reconcile_after(DUE)
    page = follow_redirect(clerk, clerk.post(withdraw_url(row), reason="no"))
    assert "It is too late: this refund is not waiting any more." in page
    assert queue_of(paid) == [("sent", 200)]
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("reason", ["", "4111 1111 1111 1111"])
def test_a_reason_is_needed_and_holds_no_card(
    clerk: Clerk, paid: PaymentOrder, reason: str
) -> None:
    row = enqueue_and_die(paid, "2.00")
    follow_redirect(clerk, clerk.post(withdraw_url(row), reason=reason))
    assert queue_of(paid) == [("queued", 200)]


def test_a_link_withdraws_nothing(clerk: Clerk, paid: PaymentOrder) -> None:
    row = enqueue_and_die(paid, "2.00")
    assert clerk.browser.get(withdraw_url(row)).status_code == 302
    assert queue_of(paid) == [("queued", 200)]


def test_who_may_not_refund_may_not_withdraw(paid: PaymentOrder) -> None:
    row = enqueue_and_die(paid, "2.00")
    other = Clerk("view_paymentorder", "void_payment", "capture_payment", name="o")
    assert WITHDRAW not in other.get_text(order_url(paid))
    assert other.post(withdraw_url(row), reason="x").status_code == 403
    assert queue_of(paid) == [("queued", 200)]


def test_a_void_needs_the_permission_to_void(shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    row = enqueue_void(order)
    other = Clerk("view_paymentorder", "refund_payment", name="o")
    assert other.post(withdraw_url(row), reason="x").status_code == 403
    assert queue_of(order) == [("queued", 1250)]
    clerk = Clerk("view_paymentorder", "void_payment", name="v")
    page = clerk.get_text(order_url(order))
    assert "<strong>void 12.50 EUR</strong>" in page
    assert "Void: release the whole amount" not in page
    clerk.post(withdraw_url(row), reason="x")
    assert queue_of(order) == [("withdrawn", 1250)]


def test_what_was_given_up_is_among_what_is_to_check(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    enqueue_and_die(paid, "12.00")
    refund_at_nexi(paid, 1250)
    reconcile_after(DUE)
    assert queue_of(paid) == [("given_up", 1200)]
    for page in (
        clerk.get_text(ORDERS_URL + "review-queue/"),
        clerk.get_text(order_url(paid)),
    ):
        assert "The customer has not got this money back." in page
        assert "refund 12.00 EUR: not possible any more" in page.replace("\n", " ")
    assert "Queued refund given up" in clerk.get_text(order_url(paid))
