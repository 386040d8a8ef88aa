"""The review queue lists what needs a decision, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.models import Discrepancy, PaymentOrder
from nexi_payments.signals import payment_paid
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import (
    ORDERS_URL,
    Clerk,
    action_url,
    follow_redirect,
    order_url,
)
from tests.support.in_doubt import time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_to_check(clerk: Clerk, paid: PaymentOrder) -> None:
    assert "Nothing to check" in clerk.get_text(ORDERS_URL + "review-queue/")


def test_what_is_in_doubt_is_listed_with_its_age(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    order = Clerk("take_moto", name="desk").take_phone_order(
        "pending_then_paid", reference="D-1"
    )
    assert order.state == OrderState.PAYING
    assert "D-1" not in clerk.get_text(
        ORDERS_URL + "review-queue/"
    )  # a request may still work on it
    with time_travel(7200):
        clerk.browser.force_login(clerk.user)
        page = clerk.get_text(ORDERS_URL + "review-queue/")
    assert "D-1" in page
    assert "2\u00a0hours" in page
    gateway.advance(7200)
    answer = clerk.post(action_url(order, "inquire"), back="review_queue")
    assert answer["Location"] == ORDERS_URL + "review-queue/"
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert "Nothing to check" in follow_redirect(clerk, answer)


def test_a_waiting_refund_is_listed(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(reference="W-1"), "refund_pending")
    flows.refund(order, Decimal("2.00"))
    with time_travel(120):
        clerk.browser.force_login(clerk.user)
        page = clerk.get_text(ORDERS_URL + "review-queue/")
    assert "W-1" in page
    assert "refund 2.00 EUR: sent, waiting for Nexi" in page


def test_a_receiver_that_raised_is_listed_and_told_again(
    clerk: Clerk, shopper: Shopper
) -> None:
    told_now: list[int] = []
    broken = [True]

    def ship(sender: Any, order: PaymentOrder, event: Any, **kwargs: Any) -> None:
        if broken:
            raise RuntimeError("warehouse is closed")
        told_now.append(event.pk)

    payment_paid.connect(ship)
    try:
        order = shopper.pay(new_order(reference="W-2"))
        event = order.events.get(kind="paid")
        assert (event.attempts, event.delivered_at) == (1, None)
        page = clerk.get_text(ORDERS_URL + "review-queue/")
        assert "W-2" in page
        assert "The shop was not told" in page
        page = clerk.get_text(order_url(order))
        assert "not delivered to the shop yet (attempts: 1)" in page
        path = f"{ORDERS_URL}event/{event.pk}/resend/"
        assert "A receiver failed or did not return" in follow_redirect(
            clerk, clerk.post(path)
        )
        broken.clear()
        answer = clerk.post(path, back="review_queue")
        assert answer["Location"] == ORDERS_URL + "review-queue/"
        assert "Nothing to check" in follow_redirect(clerk, answer)
        assert "Sent again" in follow_redirect(clerk, clerk.post(path))
        assert told_now == [event.pk, event.pk]
        event.refresh_from_db()
        assert event.deliver_at is None
        assert event.delivered_at is not None
    finally:
        payment_paid.disconnect(ship)
    assert clerk.post(f"{ORDERS_URL}event/999999/resend/").status_code == 404


def test_disagreements_are_listed_until_dealt_with(
    clerk: Clerk, paid: PaymentOrder
) -> None:
    when = paid.created_at
    one = Discrepancy.objects.create(
        order=paid, kind="odd", theirs="1", created_at=when
    )
    two = Discrepancy.objects.create(
        kind="unknown_charge", theirs="XYZ", created_at=when
    )
    page = clerk.get_text(ORDERS_URL + "review-queue/")
    assert "unknown_charge" in page
    assert "XYZ" in page
    for record in (one, two):
        clerk.post(f"{ORDERS_URL}discrepancy/{record.pk}/resolve/", back="review_queue")
        record.refresh_from_db()
        assert record.resolved_by == clerk.user
    again = Clerk("resolve_review", "view_paymentorder", name="second")
    again.post(f"{ORDERS_URL}discrepancy/{one.pk}/resolve/")
    one.refresh_from_db()
    assert one.resolved_by == clerk.user
    assert [entry.user for entry in LogEntry.objects.all()] == [clerk.user]
    assert "Nothing to check" in clerk.get_text(ORDERS_URL + "review-queue/")
    assert clerk.post(f"{ORDERS_URL}discrepancy/999999/resolve/").status_code == 404


def test_asking_without_an_answer(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("/orders/", Reply(503))
    assert "Nexi does not answer." in follow_redirect(
        clerk, clerk.post(action_url(paid, "inquire"))
    )
    paid.refresh_from_db()
    assert paid.state == OrderState.PAID


def test_get_changes_nothing(clerk: Clerk, paid: PaymentOrder) -> None:
    for deed in ("capture", "void", "refund", "inquire", "resolve"):
        assert clerk.get(action_url(paid, deed))["Location"] == order_url(paid)
    assert LogEntry.objects.count() == 0
