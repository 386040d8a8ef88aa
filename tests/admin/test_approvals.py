"""Approvals in the admin: the list, the page of one, the notice, the desk."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from nexi_payments.models import Approval, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.approvals import CEILINGS
from tests.support.clerk import (
    ORDERS_URL,
    Clerk,
    card_url,
    confirm_action,
    follow_redirect,
    order_from_redirect,
    order_url,
    result_url,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/admin/nexi_payments/approval/"
REFUND = "POST /operations/{id}/refunds"
MOTO = "POST /orders/moto"


@pytest.fixture(autouse=True)
def ceilings(change_settings: Any, gateway: Simulator) -> None:
    change_settings(APPROVAL_CEILINGS=CEILINGS)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def ask(clerk: Clerk, paid: PaymentOrder) -> Approval:
    fields = {"amount": "6.00", "expected_remaining": "12.50"}
    first = clerk.post(f"{ORDERS_URL}{paid.pk}/refund/", **fields)
    assert "above your ceiling" in first.content.decode()
    answer = confirm_action(clerk, paid, "refund", **fields)
    assert "waits for another person" in follow_redirect(clerk, answer)
    return Approval.objects.get()


def page(approval: Approval, action: str = "change") -> str:
    return f"{URL}{approval.pk}/{action}/"


def test_a_refund_is_asked_for_approved_and_sent(
    paid: PaymentOrder, gateway: Simulator
) -> None:
    clerk = Clerk("refund_payment", name="anna")
    approval = ask(clerk, paid)
    assert gateway.count(REFUND) == 0
    notice = clerk.get_text(order_url(paid))
    assert "refund 6.00" in notice.replace("\u00a0", " ")
    assert "asked by anna" in notice
    chief = Clerk("approve_payment", name="bruno")
    board = chief.get_text(ORDERS_URL)
    assert f'href="{URL}?state=waiting"' in board
    listed = chief.get_text(URL, state="waiting")
    assert ("anna" in listed, page(approval) in listed) == (True, True)
    shown = chief.get_text(page(approval))
    assert page(approval, "approve") in shown
    answer = chief.post(page(approval, "approve"))
    assert "Approved: refund" in follow_redirect(chief, answer)
    approval.refresh_from_db()
    assert (approval.state, approval.approver_name) == ("used", "bruno")
    assert gateway.count(REFUND) == 1
    history = chief.get_text(order_url(paid))
    assert "Approved by a second person" in history
    assert "decided by bruno" in history
    entry = LogEntry.objects.get(user=chief.user)
    assert (entry.object_id, entry.change_message[:8]) == (str(paid.pk), "Approved")
    again = follow_redirect(chief, chief.post(page(approval, "approve")))
    assert "nothing left to decide" in again
    assert gateway.count(REFUND) == 1


def test_nobody_is_offered_their_own(paid: PaymentOrder, gateway: Simulator) -> None:
    both = Clerk("refund_payment", "approve_payment", name="anna")
    approval = ask(both, paid)
    shown = both.get_text(page(approval))
    assert page(approval, "approve") not in shown
    assert "Withdraw the request" in shown
    answer = both.post(page(approval, "approve"))
    assert "do not approve their own" in follow_redirect(both, answer)
    approval.refresh_from_db()
    assert (approval.state, gateway.count(REFUND)) == ("waiting", 0)


def test_it_is_refused_with_a_reason(paid: PaymentOrder, gateway: Simulator) -> None:
    approval = ask(Clerk("refund_payment", name="anna"), paid)
    chief = Clerk("approve_payment", name="bruno")
    chief.post(page(approval, "refuse"), reason="")
    chief.post(page(approval, "refuse"), reason="4349 9401 9900 4549")
    approval.refresh_from_db()
    assert approval.state == "waiting"
    answer = chief.post(page(approval, "refuse"), reason="wrong customer")
    assert "Nothing was sent" in follow_redirect(chief, answer)
    approval.refresh_from_db()
    assert (approval.state, approval.decision_reason) == ("refused", "wrong customer")
    assert "wrong customer" in chief.get_text(order_url(paid))
    assert gateway.count(REFUND) == 0


def test_a_get_decides_nothing(paid: PaymentOrder, gateway: Simulator) -> None:
    approval = ask(Clerk("refund_payment", name="anna"), paid)
    chief = Clerk("approve_payment", name="bruno")
    for action in ("approve", "refuse"):
        assert chief.get(page(approval, action)).status_code == 302
    approval.refresh_from_db()
    assert (approval.state, gateway.count(REFUND)) == ("waiting", 0)


def test_an_expired_one_is_shown_as_expired(paid: PaymentOrder) -> None:
    approval = ask(Clerk("refund_payment", name="anna"), paid)
    Approval.objects.update(expires_at=timezone.now())
    chief = Clerk("approve_payment", name="bruno")
    shown = chief.get_text(page(approval))
    assert ("expired" in shown, page(approval, "approve") in shown) == (True, False)


def test_without_ceilings_the_index_does_not_name_it(change_settings: Any) -> None:
    chief = Clerk("approve_payment", name="bruno")
    assert URL in chief.get_text("/admin/")
    change_settings(APPROVAL_CEILINGS={})
    assert URL not in chief.get_text("/admin/")
    assert chief.get(URL).status_code == 200


# -- the desk --------------------------------------------------------------------------


def test_the_card_page_opens_when_it_is_approved(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", name="anna")
    answer = clerk.create_order()
    order = order_from_redirect(answer)
    assert answer["Location"] == result_url(order)
    shown = clerk.get_text(result_url(order))
    assert "A colleague has to approve this" in shown
    assert "Ask for approval" not in shown  # it was asked for
    assert f"{result_url(order)}link/" in shown
    approval = Approval.objects.get()
    assert (approval.kind, approval.requester) == ("moto", clerk.user)
    # the card page does not open, and a card that is posted is dropped
    assert clerk.get(card_url(order))["Location"] == result_url(order)
    assert clerk.submit_card(order)["Location"] == result_url(order)
    order.refresh_from_db()
    assert (order.state, order.card_last4, len(gateway.calls)) == ("init", "", 0)
    assert clerk.get(page(approval)).status_code == 200  # one's own
    chief = Clerk("approve_payment", name="bruno")
    chief.post(page(approval, "approve"))
    assert clerk.get(result_url(order))["Location"] == card_url(order)
    assert clerk.get(card_url(order)).status_code == 200
    clerk.submit_card(order)
    order.refresh_from_db()
    approval.refresh_from_db()
    assert (order.state, approval.state, gateway.count(MOTO)) == ("paid", "used", 1)


def test_refused_at_the_desk_it_may_be_asked_for_again(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", name="anna")
    order = order_from_redirect(clerk.create_order())
    chief = Clerk("approve_payment", name="bruno")
    chief.post(page(Approval.objects.get(), "refuse"), reason="call back first")
    shown = clerk.get_text(result_url(order))
    assert ("call back first" in shown, "Ask for approval" in shown) == (True, True)
    clerk.get(f"{result_url(order)}approval/")
    assert Approval.objects.count() == 1
    clerk.post(f"{result_url(order)}approval/")
    assert list(Approval.objects.values_list("state", flat=True)) == [
        "waiting",
        "refused",
    ]
    assert len(gateway.calls) == 0


def test_below_the_ceiling_the_desk_is_as_before(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", name="anna")
    order = clerk.take_phone_order(amount="10.00")
    assert (order.state, Approval.objects.count()) == ("paid", 0)


def test_a_queued_refund_says_that_it_waits(paid: PaymentOrder) -> None:
    from decimal import Decimal

    from nexi_payments import flows

    clerk = Clerk("refund_payment", name="anna")
    flows.enqueue_refund(paid, Decimal("6.00"), actor=flows.Actor(clerk.user))
    shown = clerk.get_text(order_url(paid))
    assert "not sent before another person has approved it" in shown
