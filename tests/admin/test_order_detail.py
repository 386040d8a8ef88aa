"""A payment's page, and what staff do to it afterwards."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import Discrepancy, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    ORDERS_URL,
    Clerk,
    action_url,
    confirm_action,
    follow_redirect,
    hidden_fields,
    order_url,
)
from tests.support.in_doubt import (
    HOUR,
    MINUTE,
    charge_at_gateway,
    payment_in_doubt,
    reconcile_after,
    time_travel,
)
from tests.support.shopper import Shopper, new_order
from tests.support.undecided import entry, show

pytestmark = pytest.mark.django_db(transaction=True)


# -- the order's page ------------------------------------------------------------------


def test_the_money_and_the_story(clerk: Clerk, paid: PaymentOrder) -> None:
    operation = flows.refund(paid, Decimal("2.00"), actor=flows.Actor(clerk.user))
    page = clerk.get_text(order_url(paid))
    for word in (
        "Left to refund",
        "10.50 EUR",
        "2.00 EUR",
        "Charged 12.50 EUR · approved (000)",
    ):
        assert word in page, word
    for one in paid.operations.all():
        assert one.correlation_id in page
    assert operation.idempotency_key in page
    assert operation.gateway_operation_id in page
    assert 'name="_save"' not in page


def test_disagreements_and_other_attempts(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(reference="R-1"), "declined")
    other = new_order(reference="R-1")
    Discrepancy.objects.create(
        order=order, kind="odd", ours="<b>x", theirs="y", created_at=order.created_at
    )
    page = clerk.get_text(order_url(order))
    assert "&lt;b&gt;x" in page
    assert other.order_id in page
    assert "Charge of 12.50 EUR: declined · not enough money (116)" in page


def test_what_was_made_at_nexi_says_so(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    made = [entry(paid, "REFUND", "REFUNDED", 300, "r-8")]
    waits = [entry(paid, "REFUND", "PENDING", 200, "r-9")]
    show(gateway, paid, *made, *waits)
    flows.reconcile(paid)
    page = clerk.get_text(order_url(paid))
    assert "<strong>Refunded 3.00 EUR · made at Nexi, not here</strong>" in page
    assert (
        "<strong>refund 2.00 EUR</strong> · made at Nexi, not here · sent, waiting"
    ) in page
    queue = ORDERS_URL + "review-queue/"
    with time_travel(HOUR):
        clerk.browser.force_login(clerk.user)
        text = "refund 2.00 EUR: sent, waiting for Nexi (made at Nexi, not here)"
        assert text in clerk.get_text(queue)


def test_a_charge_beside_another_payment_of_the_purchase(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    late = payment_in_doubt(shopper, reference="R-3")
    for minutes in (16, 18, 20):
        reconcile_after(minutes * MINUTE)
    assert shopper.pay(new_order(reference="R-3")).state == OrderState.PAID
    charge_at_gateway(gateway, late)
    assert reconcile_after(3 * HOUR).review == 1
    page = clerk.get_text(order_url(late))
    assert "Charged beside another payment of the same purchase" in page
    assert "Charged late, beside another payment of the same purchase." in page
    assert "The customer may have paid twice." in page


@pytest.mark.parametrize(
    ("reason", "for_staff", "for_shoppers"),
    [
        ("made_at_nexi", "Enter nothing anew", "the payment was changed since"),
        ("contradiction", "Deliver nothing", "given two different answers"),
        ("mismatch", "do not fit together", "Your card may have been charged"),
    ],
)
def test_why_a_person_must_look(
    clerk: Clerk, paid: PaymentOrder, reason: str, for_staff: str, for_shoppers: str
) -> None:
    PaymentOrder.objects.filter(pk=paid.pk).update(
        state=OrderState.REVIEW, reason=reason
    )
    assert for_staff in clerk.get_text(order_url(paid))
    result = clerk.get_text(f"/payments/result/{paid.public_id}/")
    assert for_shoppers in result
    assert "Please do not pay again" in result


# -- afterwards ----------------------------------------------------------------------


def test_a_refund_in_two_steps(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    before = len(gateway.calls)
    answer = clerk.post(
        action_url(paid, "refund"), amount="2.00", expected_remaining="12.50"
    )
    page = answer.content.decode()
    assert "Give 2.00 EUR back to the customer" in page
    assert len(gateway.calls) == before
    fields = hidden_fields(page)
    page = follow_redirect(clerk, clerk.post(action_url(paid, "refund"), **fields))
    assert "Refund 2.00 EUR: Done: Nexi has confirmed it." in page
    paid.refresh_from_db()
    assert (paid.state, paid.refunded_amount) == (OrderState.PAID, 200)
    operation = paid.operations.get(kind=OperationKind.REFUND)
    assert (operation.actor, operation.address) == (clerk.user, "10.1.2.3")
    # the same decision again: double click, reload, Back
    page = follow_redirect(clerk, clerk.post(action_url(paid, "refund"), **fields))
    assert "Refund 2.00 EUR: Done" in page
    paid.refresh_from_db()
    assert paid.refunded_amount == 200
    assert gateway.charge_of(paid.order_id).refunded == 200


def test_a_refund_in_italian(clerk: Clerk, paid: PaymentOrder) -> None:
    clerk.browser.cookies["django_language"] = "it"
    page = clerk.get_text(order_url(paid))
    assert 'name="expected_remaining" value="12.50"' in page
    assert 'value="12,50"' in page
    answer = confirm_action(
        clerk, paid, "refund", amount="2,50", expected_remaining="12.50"
    )
    assert "Rimborsa 2,50 EUR: Fatto" in follow_redirect(clerk, answer)
    paid.refresh_from_db()
    assert paid.refunded_amount == 250


def test_a_stale_refund_form(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    first = clerk.post(
        action_url(paid, "refund"), amount="2.00", expected_remaining="12.50"
    )
    flows.refund(paid, Decimal("1.00"))
    page = follow_redirect(
        clerk,
        clerk.post(action_url(paid, "refund"), **hidden_fields(first.content.decode())),
    )
    assert "Somebody else was faster: 11.50 EUR is left now." in page
    page = follow_redirect(
        clerk,
        clerk.post(
            action_url(paid, "refund"), amount="2.00", expected_remaining="12.50"
        ),
    )
    assert "Somebody else was faster" in page
    paid.refresh_from_db()
    assert paid.refunded_amount == 100
    assert gateway.charge_of(paid.order_id).refunded == 100


@pytest.mark.parametrize(
    ("amount", "word"),
    [
        ("12.51", "Only 12.50 EUR is left."),
        ("0", "The amount must be more than zero."),
        ("", "Enter the amount."),
        ("x", "Enter an amount like 12.50."),
        ("1,234.567", "EUR has 2 decimals."),
    ],
)
def test_amounts_that_are_refused(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator, amount: str, word: str
) -> None:
    before = len(gateway.calls)
    for more in ({}, {"confirmed": "1"}):
        answer = clerk.post(
            action_url(paid, "refund"),
            amount=amount,
            expected_remaining="12.50",
            **more,
        )
        assert word in follow_redirect(clerk, answer)
    paid.refresh_from_db()
    assert (paid.refunded_amount, paid.refunding_amount) == (0, 0)
    assert len(gateway.calls) == before


def test_capture_in_parts_and_refund_of_one(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    page = clerk.get_text(order_url(order))
    assert action_url(order, "capture") in page
    assert action_url(order, "void") in page
    assert action_url(order, "refund") not in page
    answer = confirm_action(
        clerk, order, "capture", amount="5.00", expected_remaining="12.50"
    )
    assert "Capture 5.00 EUR: Done" in follow_redirect(clerk, answer)
    confirm_action(clerk, order, "capture", amount="7.50", expected_remaining="7.50")
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)
    first, second = order.operations.filter(kind=OperationKind.CAPTURE)
    page = clerk.get_text(order_url(order))
    assert page.count(action_url(order, "refund")) == 2
    assert action_url(order, "void") not in page
    answer = clerk.post(
        action_url(order, "refund"),
        amount="6.00",
        expected_remaining="5.00",
        capture=first.pk,
    )
    assert "Only 5.00 EUR is left." in follow_redirect(clerk, answer)
    confirm_action(
        clerk,
        order,
        "refund",
        amount="6.00",
        expected_remaining="7.50",
        capture=second.pk,
    )
    refund = order.operations.get(kind=OperationKind.REFUND)
    assert (refund.capture, refund.target_operation_id) == (
        second,
        second.gateway_operation_id,
    )
    missing = clerk.post(
        action_url(order, "refund"), amount="1", expected_remaining="1", capture="999"
    )
    assert missing.status_code == 404


def test_void(clerk: Clerk, shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    answer = clerk.post(
        action_url(order, "void"), amount="5.00", expected_remaining="12.50"
    )
    assert "Only 12.50 EUR is left." in follow_redirect(clerk, answer)
    answer = confirm_action(
        clerk, order, "void", amount="12.50", expected_remaining="12.50"
    )
    assert "Void 12.50 EUR: Done" in follow_redirect(clerk, answer)
    order.refresh_from_db()
    assert order.state == OrderState.VOIDED
    assert gateway.charge_of(order.order_id).voided
    answer = clerk.post(
        action_url(order, "void"),
        amount="12.50",
        expected_remaining="12.50",
        confirmed="1",
    )
    assert "This is not possible any more." in follow_redirect(clerk, answer)


def test_accepted_shows_as_waiting(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    answer = confirm_action(
        clerk, order, "refund", amount="2.00", expected_remaining="12.50"
    )
    page = follow_redirect(clerk, answer)
    assert "Sent, waiting for Nexi to confirm." in page
    assert "Refund waiting for Nexi" in page
    assert "10.50 EUR" in page


def test_a_refused_key(clerk: Clerk, paid: PaymentOrder) -> None:
    terminal_outages.record(paid.terminal, 401)
    answer = confirm_action(
        clerk, paid, "refund", amount="2.00", expected_remaining="12.50"
    )
    assert "Nexi refuses the key of this terminal." in follow_redirect(clerk, answer)
    page = clerk.get_text(ORDERS_URL + "review-queue/")
    assert "Nexi refuses the key of terminal default" in page


def test_every_action_is_logged(clerk: Clerk, paid: PaymentOrder) -> None:
    confirm_action(clerk, paid, "refund", amount="2.00", expected_remaining="12.50")
    clerk.post(action_url(paid, "inquire"))
    entries = LogEntry.objects.order_by("pk")
    assert [entry.user for entry in entries] == [clerk.user] * 2
    assert [entry.object_id for entry in entries] == [str(paid.pk)] * 2
    assert "Refund 2.00 EUR: done" in entries[0].get_change_message()
    assert "Nexi was asked." in clerk.get_text(f"{ORDERS_URL}{paid.pk}/history/")
