"""Staff cancel a payment that is not paid."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from nexi_payments import flows
from nexi_payments.enums import OrderState, Reason
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    PERMISSIONS,
    Clerk,
    action_url,
    confirm_action,
    follow_redirect,
    order_url,
)
from tests.support.in_doubt import payment_in_doubt
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

ACTION = "cancel-payment"
BUTTON = "Cancel payment …"


def test_a_form_a_question_and_the_reason(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    shopper.start(new_order(reference="R-1"))
    order = PaymentOrder.objects.get()
    calls = gateway.calls
    assert BUTTON in clerk.get_text(order_url(order))
    question = clerk.post(action_url(order, ACTION), reason="out of <b>stock")
    text = question.content.decode()
    assert "Cancel the payment of 12.50 EUR?" in text
    assert "Reason: out of &lt;b&gt;stock" in text
    order.refresh_from_db()
    assert order.state == OrderState.AWAITING_3DS
    answer = confirm_action(clerk, order, ACTION, reason="out of <b>stock")
    page = follow_redirect(clerk, answer)
    assert "Payment cancelled. Nothing was charged." in page
    assert "Cancelled before it was paid" in page
    assert BUTTON not in page
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.CANCELLED)
    event = order.events.latest("pk")
    assert (event.actor, event.address, event.note) == (
        clerk.user,
        "10.1.2.3",
        "out of <b>stock",
    )
    assert "out of &lt;b&gt;stock" in page  # in the timeline
    assert LogEntry.objects.get().change_message == "Cancel payment: out of <b>stock"
    assert gateway.calls == calls


def test_a_failed_payment_is_closed(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(), "declined")
    answer = confirm_action(clerk, order, ACTION, reason="gone")
    page = follow_redirect(clerk, answer)
    assert "Payment cancelled" in page  # the event in the timeline
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.DECLINED)
    assert not order.accepts_card


@pytest.mark.parametrize("reason", ["", "  ", CARDS["challenge"].number])
def test_it_needs_a_reason(clerk: Clerk, reason: str) -> None:
    order = new_order()
    for fields in ({}, {"confirmed": "1"}):
        answer = clerk.post(action_url(order, ACTION), reason=reason, **fields)
        page = follow_redirect(clerk, answer)
        expected = "must not be written here" if reason.strip() else "Write why."
        assert expected in page
        assert CARDS["challenge"].number not in page
    order.refresh_from_db()
    assert order.state == OrderState.INIT


def test_a_payment_that_was_paid_meanwhile(clerk: Clerk, shopper: Shopper) -> None:
    order = new_order()
    question = clerk.post(action_url(order, ACTION), reason="gone")
    assert question.status_code == 200
    paid = shopper.pay(order)
    assert BUTTON not in clerk.get_text(order_url(paid))
    refused = clerk.post(action_url(order, ACTION), reason="gone")
    assert "not possible any more" in follow_redirect(clerk, refused)
    answer = clerk.post(action_url(order, ACTION), reason="gone", confirmed="1")
    assert "void or refund it instead" in follow_redirect(clerk, answer)
    order.refresh_from_db()
    assert (order.state, order.cancelled_at) == (OrderState.PAID, None)
    assert not LogEntry.objects.exists()


def test_a_charge_under_way(clerk: Clerk, shopper: Shopper) -> None:
    order = payment_in_doubt(shopper)
    answer = clerk.post(action_url(order, ACTION), reason="gone", confirmed="1")
    assert "Another request is working" in follow_redirect(clerk, answer)
    order.refresh_from_db()
    assert order.state == OrderState.PAYING


def test_who_may(gateway: Simulator) -> None:
    order = new_order()
    others = Clerk(*(set(PERMISSIONS) - {"void_payment"}), name="others")
    assert BUTTON not in others.get_text(order_url(order))
    fields: dict[str, Any] = {"reason": "gone", "confirmed": "1"}
    assert others.post(action_url(order, ACTION), **fields).status_code == 403
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    voids = Clerk("void_payment", name="voids")
    assert BUTTON in voids.get_text(order_url(order))
    assert voids.get(action_url(order, ACTION)).status_code == 302  # no change by GET
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    voids.post(action_url(order, ACTION), **fields)
    order.refresh_from_db()
    assert order.state == OrderState.FAILED


def test_the_history_of_a_superseded_attempt_names_the_next(clerk: Clerk) -> None:
    old = new_order(reference="R-1")
    new = new_order(reference="R-1", amount=15)
    page = clerk.get_text(order_url(old))
    assert f"replaced by {new.order_id}" in page
    assert "Replaced by another order" in page
    flows.cancel(new)
    assert "Cancelled before it was paid" in clerk.get_text(order_url(new))
