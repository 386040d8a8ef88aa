"""What somebody should look at, and nothing more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from nexi_payments import flows, states
from nexi_payments.models import Break, PaymentOrder
from nexi_payments.signals import payment_paid
from nexi_payments.simulator import Reply, Simulator
from tests.clerk import (
    BASE,
    PERMISSIONS,
    Clerk,
    order_page,
    told,
    url,
)
from tests.doubt import later
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clerk(gateway: Simulator) -> Clerk:
    return Clerk(*PERMISSIONS)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(
        new_order(
            reference="ORD-7",
            customer={"name": "Giulia Bianchi", "email": "Giulia@example.com"},
        )
    )


def test_nothing_to_check(clerk: Clerk, paid: PaymentOrder) -> None:
    assert "Nothing to check" in clerk.read(BASE + "to-check/")


def test_what_is_in_doubt_is_listed_with_its_age(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    order = Clerk("take_moto", name="desk").take("pending_then_paid", reference="D-1")
    assert order.state == states.PAYING
    assert "D-1" not in clerk.read(BASE + "to-check/")  # a request may still work on it
    with later(7200):
        clerk.browser.force_login(clerk.user)
        page = clerk.read(BASE + "to-check/")
    assert "D-1" in page
    assert "2\u00a0hours" in page
    gateway.advance(7200)
    answer = clerk.post(url(order, "ask"), back="tocheck")
    assert answer["Location"] == BASE + "to-check/"
    order.refresh_from_db()
    assert order.state == states.PAID
    assert "Nothing to check" in told(clerk, answer)


def test_a_waiting_refund_is_listed(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(reference="W-1"), "refund_pending")
    flows.refund(order, Decimal("2.00"))
    with later(120):
        clerk.browser.force_login(clerk.user)
        page = clerk.read(BASE + "to-check/")
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
        page = clerk.read(BASE + "to-check/")
        assert "W-2" in page
        assert "The shop was not told" in page
        page = clerk.read(order_page(order))
        assert "not delivered to the shop yet (attempts: 1)" in page
        path = f"{BASE}event/{event.pk}/resend/"
        assert "A receiver raised an error" in told(clerk, clerk.post(path))
        broken.clear()
        answer = clerk.post(path, back="tocheck")
        assert answer["Location"] == BASE + "to-check/"
        assert "Nothing to check" in told(clerk, answer)
        assert "Sent again" in told(clerk, clerk.post(path))
        assert told_now == [event.pk, event.pk]
        event.refresh_from_db()
        assert event.deliver_at is None
        assert event.delivered_at is not None
    finally:
        payment_paid.disconnect(ship)
    assert clerk.post(f"{BASE}event/999999/resend/").status_code == 404


def test_disagreements_are_listed_until_dealt_with(
    clerk: Clerk, paid: PaymentOrder
) -> None:
    when = paid.created_at
    one = Break.objects.create(order=paid, kind="odd", theirs="1", created_at=when)
    two = Break.objects.create(kind="unknown_charge", theirs="XYZ", created_at=when)
    page = clerk.read(BASE + "to-check/")
    assert "unknown_charge" in page
    assert "XYZ" in page
    for record in (one, two):
        clerk.post(f"{BASE}break/{record.pk}/seen/", back="tocheck")
        record.refresh_from_db()
        assert record.resolved_by == clerk.user
    assert "Nothing to check" in clerk.read(BASE + "to-check/")
    assert clerk.post(f"{BASE}break/999999/seen/").status_code == 404


def test_asking_without_an_answer(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    gateway.next_reply("/orders/", Reply(503))
    assert "Nexi does not answer." in told(clerk, clerk.post(url(paid, "ask")))
    paid.refresh_from_db()
    assert paid.state == states.PAID


def test_get_changes_nothing(clerk: Clerk, paid: PaymentOrder) -> None:
    for deed in ("capture", "void", "refund", "ask", "resolve"):
        assert clerk.get(url(paid, deed))["Location"] == order_page(paid)
    assert LogEntry.objects.count() == 0
