"""A payment's page, and what staff do to it afterwards."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry

from nexi_payments import flows, states
from nexi_payments.flows import alarms
from nexi_payments.models import Break, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.clerk import (
    BASE,
    PERMISSIONS,
    Clerk,
    confirm,
    hidden,
    order_page,
    told,
    url,
)
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


# -- the order's page ------------------------------------------------------------------


def test_the_money_and_the_story(clerk: Clerk, paid: PaymentOrder) -> None:
    operation = flows.refund(paid, Decimal("2.00"), actor=flows.Actor(clerk.user))
    page = clerk.read(order_page(paid))
    for word in ("Left to refund", "10.50 EUR", "2.00 EUR", "000: approved"):
        assert word in page, word
    for one in paid.operations.all():
        assert one.correlation_id in page
    assert operation.idempotency_key in page
    assert operation.gateway_operation_id in page
    assert 'name="_save"' not in page


def test_disagreements_and_other_attempts(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(reference="R-1"), "declined")
    other = new_order(reference="R-1")
    Break.objects.create(
        order=order, kind="odd", ours="<b>x", theirs="y", created_at=order.created_at
    )
    page = clerk.read(order_page(order))
    assert "&lt;b&gt;x" in page
    assert other.order_id in page
    assert "116: not enough money" in page


# -- afterwards ----------------------------------------------------------------------


def test_a_refund_in_two_steps(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    before = len(gateway.calls)
    answer = clerk.post(url(paid, "refund"), amount="2.00", seen="12.50")
    page = answer.content.decode()
    assert "Give 2.00 EUR back to the customer" in page
    assert len(gateway.calls) == before
    fields = hidden(page)
    page = told(clerk, clerk.post(url(paid, "refund"), **fields))
    assert "Refund 2.00 EUR: Done: Nexi has confirmed it." in page
    paid.refresh_from_db()
    assert (paid.state, paid.refunded_amount) == (states.PAID, 200)
    operation = paid.operations.get(kind=states.REFUND)
    assert (operation.actor, operation.address) == (clerk.user, "10.1.2.3")
    # the same decision again: double click, reload, Back
    page = told(clerk, clerk.post(url(paid, "refund"), **fields))
    assert "Refund 2.00 EUR: Done" in page
    paid.refresh_from_db()
    assert paid.refunded_amount == 200
    assert gateway.charge_of(paid.order_id).refunded == 200


def test_a_refund_in_italian(clerk: Clerk, paid: PaymentOrder) -> None:
    clerk.browser.cookies["django_language"] = "it"
    page = clerk.read(order_page(paid))
    assert 'name="seen" value="12.50"' in page
    assert 'value="12,50"' in page
    answer = confirm(clerk, paid, "refund", amount="2,50", seen="12.50")
    assert "Rimborsa 2,50 EUR: Fatto" in told(clerk, answer)
    paid.refresh_from_db()
    assert paid.refunded_amount == 250


def test_a_stale_refund_form(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator
) -> None:
    first = clerk.post(url(paid, "refund"), amount="2.00", seen="12.50")
    flows.refund(paid, Decimal("1.00"))
    page = told(
        clerk, clerk.post(url(paid, "refund"), **hidden(first.content.decode()))
    )
    assert "Somebody else was faster: 11.50 EUR is left now." in page
    page = told(clerk, clerk.post(url(paid, "refund"), amount="2.00", seen="12.50"))
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
        ("1.001", "This amount cannot be asked for in that currency."),
    ],
)
def test_amounts_that_are_refused(
    clerk: Clerk, paid: PaymentOrder, gateway: Simulator, amount: str, word: str
) -> None:
    before = len(gateway.calls)
    for more in ({}, {"confirmed": "1"}):
        answer = clerk.post(url(paid, "refund"), amount=amount, seen="12.50", **more)
        assert word in told(clerk, answer)
    paid.refresh_from_db()
    assert (paid.refunded_amount, paid.refunding_amount) == (0, 0)
    assert len(gateway.calls) == before


def test_capture_in_parts_and_refund_of_one(
    clerk: Clerk, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    page = clerk.read(order_page(order))
    assert url(order, "capture") in page
    assert url(order, "void") in page
    assert url(order, "refund") not in page
    answer = confirm(clerk, order, "capture", amount="5.00", seen="12.50")
    assert "Capture 5.00 EUR: Done" in told(clerk, answer)
    confirm(clerk, order, "capture", amount="7.50", seen="7.50")
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (states.PAID, 1250)
    first, second = order.operations.filter(kind=states.CAPTURE)
    page = clerk.read(order_page(order))
    assert page.count(url(order, "refund")) == 2
    assert url(order, "void") not in page
    answer = clerk.post(
        url(order, "refund"), amount="6.00", seen="5.00", capture=first.pk
    )
    assert "Only 5.00 EUR is left." in told(clerk, answer)
    confirm(clerk, order, "refund", amount="6.00", seen="7.50", capture=second.pk)
    refund = order.operations.get(kind=states.REFUND)
    assert (refund.of, refund.target) == (second, second.gateway_operation_id)
    missing = clerk.post(url(order, "refund"), amount="1", seen="1", capture="999")
    assert missing.status_code == 404


def test_void(clerk: Clerk, shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    answer = clerk.post(url(order, "void"), amount="5.00", seen="12.50")
    assert "Only 12.50 EUR is left." in told(clerk, answer)
    answer = confirm(clerk, order, "void", amount="12.50", seen="12.50")
    assert "Void 12.50 EUR: Done" in told(clerk, answer)
    order.refresh_from_db()
    assert order.state == states.VOIDED
    assert gateway.charge_of(order.order_id).voided
    answer = clerk.post(url(order, "void"), amount="12.50", seen="12.50", confirmed="1")
    assert "This is not possible any more." in told(clerk, answer)


def test_accepted_shows_as_waiting(clerk: Clerk, shopper: Shopper) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    answer = confirm(clerk, order, "refund", amount="2.00", seen="12.50")
    page = told(clerk, answer)
    assert "Sent, waiting for Nexi to confirm." in page
    assert "Refund waiting for Nexi" in page
    assert "10.50 EUR" in page


def test_a_refused_key(clerk: Clerk, paid: PaymentOrder) -> None:
    alarms.raise_for(paid.terminal, 401)
    answer = confirm(clerk, paid, "refund", amount="2.00", seen="12.50")
    assert "Nexi refuses the key of this terminal." in told(clerk, answer)
    page = clerk.read(BASE + "to-check/")
    assert "Nexi refuses the key of terminal default" in page


def test_every_action_is_logged(clerk: Clerk, paid: PaymentOrder) -> None:
    confirm(clerk, paid, "refund", amount="2.00", seen="12.50")
    clerk.post(url(paid, "ask"))
    entries = LogEntry.objects.order_by("pk")
    assert [entry.user for entry in entries] == [clerk.user] * 2
    assert [entry.object_id for entry in entries] == [str(paid.pk)] * 2
    assert "Refund 2.00 EUR: done" in entries[0].get_change_message()
    assert "Nexi was asked." in clerk.read(f"{BASE}{paid.pk}/history/")
