"""Manual review: staff decide, and an inquiry must confirm it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from nexi_payments import flows
from nexi_payments.enums import OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    ExceedsRemaining,
    GatewayDisagrees,
    InvalidState,
    OrderBusy,
    ReferenceInUse,
)
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import ORDERS_URL, Clerk, order_url
from tests.support.in_doubt import (
    MINUTE,
    charge_at_gateway,
    reconcile_after,
    state_and_amounts,
)
from tests.support.shopper import CARDS, Shopper, new_order
from tests.support.undecided import accept, entry, show

pytestmark = pytest.mark.django_db(transaction=True)


def reviewed(
    shopper: Shopper, result: str = "EXECUTED", **changes: Any
) -> PaymentOrder:
    """Declined first; then the charge appears at Nexi."""
    order = shopper.pay(new_order(reference="R-1", **changes), "declined")
    charge_at_gateway(shopper.gateway, order, result)
    flows.reconcile(order)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, "charged_after_decline")
    assert order.unsettled_since is not None
    return order


def test_to_paid_with_who_and_why(shopper: Shopper) -> None:
    order = reviewed(shopper)
    clerk = Clerk("resolve_review")
    flows.resolve(
        order, "paid", reason="  the bank confirms  ", actor=flows.Actor(clerk.user)
    )
    order.refresh_from_db()
    assert (order.state, order.reason, order.captured_amount) == (
        OrderState.PAID,
        "resolved",
        1250,
    )
    assert (order.live_reference, order.unsettled_since) == ("R-1", None)
    event = order.events.last()
    assert event is not None
    assert (event.from_state, event.to_state, event.actor, event.note) == (
        OrderState.REVIEW,
        OrderState.PAID,
        clerk.user,
        "the bank confirms",
    )
    assert event.delivered_at is not None
    record = order.discrepancies.get()
    assert (record.resolved_by, record.resolved_at is not None) == (clerk.user, True)
    flows.refund(order)
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED


@pytest.mark.parametrize("state", ["failed", "voided", "authorized"])
def test_nexi_does_not_agree(shopper: Shopper, state: str) -> None:
    order = reviewed(shopper)
    with pytest.raises(GatewayDisagrees) as error:
        flows.resolve(order, state, reason="I think so")
    assert error.value.verdict == "charged"
    order.refresh_from_db()
    assert order.state == OrderState.REVIEW
    assert order.discrepancies.get().resolved_at is None


def test_to_failed_when_nexi_shows_nothing(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = reviewed(shopper)
    charge_at_gateway(gateway, order, "DECLINED")
    with pytest.raises(GatewayDisagrees):
        flows.resolve(order, "paid", reason="I think so")
    flows.resolve(order, "failed", reason="declined after all")
    order.refresh_from_db()
    assert (order.state, order.live_reference) == (OrderState.FAILED, None)


def test_to_authorized(shopper: Shopper) -> None:
    order = reviewed(shopper, "AUTHORIZED", terminal="manual")
    flows.resolve(order, "authorized", reason="held")
    order.refresh_from_db()
    assert (order.state, order.authorized_amount, order.captured_amount) == (
        OrderState.AUTHORIZED,
        1250,
        0,
    )
    flows.capture(order)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)


def test_no_answer_changes_nothing(shopper: Shopper, gateway: Simulator) -> None:
    order = reviewed(shopper)
    gateway.next_reply("/orders/", Reply(503))
    with pytest.raises(GatewayDisagrees) as error:
        flows.resolve(order, "paid", reason="I think so")
    assert error.value.verdict == ""
    order.refresh_from_db()
    assert order.state == OrderState.REVIEW


def test_only_reviews_and_only_with_a_reason(shopper: Shopper) -> None:
    paid = shopper.pay(new_order(reference="R-2"))
    for state in ("failed", "paid", "voided"):
        with pytest.raises(InvalidState):
            flows.resolve(paid, state, reason="no")
    order = reviewed(shopper)
    with pytest.raises(InvalidState):
        flows.resolve(order, "refunded", reason="no")
    with pytest.raises(ValueError, match="reason"):
        flows.resolve(order, "paid", reason="  ")
    with pytest.raises(CardDataNotAllowed):
        flows.resolve(order, "paid", reason=f"card {CARDS['challenge'].number}")
    order.refresh_from_db()
    assert order.state == OrderState.REVIEW


def test_a_second_charge_of_a_basket_is_given_back(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = reviewed(shopper)
    other = shopper.pay(new_order(reference="R-1"))
    assert other.state == OrderState.PAID
    with pytest.raises(ReferenceInUse) as error:
        flows.resolve(order, "paid", reason="charged twice")
    assert error.value.order == other
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.REVIEW, 1250)
    flows.refund(order)
    order.refresh_from_db()
    assert (order.state, order.refunded_amount, order.unsettled_since) == (
        OrderState.REFUNDED,
        1250,
        None,
    )
    other.refresh_from_db()
    assert (other.state, other.live_reference) == (OrderState.PAID, "R-1")
    assert gateway.charge_of(order.order_id).net == 0
    assert gateway.charge_of(other.order_id).net == 1250


def test_a_hold_under_review_is_released(shopper: Shopper, gateway: Simulator) -> None:
    order = reviewed(shopper, "AUTHORIZED", terminal="manual")
    assert order.authorized_amount == 1250
    with pytest.raises((InvalidState, ExceedsRemaining)):
        flows.refund(order)
    flows.void(order)
    order.refresh_from_db()
    assert (order.state, order.unsettled_since) == (OrderState.VOIDED, None)
    assert gateway.charge_of(order.order_id).voided


def test_a_lapsed_authorization(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    with pytest.raises(GatewayDisagrees):
        flows.resolve(order, "voided", reason="I think it lapsed")
    charge_at_gateway(gateway, order, "VOIDED")
    flows.resolve(order, "voided", reason="lapsed")
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.VOIDED, "lapsed")


def test_the_screen(shopper: Shopper) -> None:
    order = reviewed(shopper)
    clerk = Clerk("resolve_review")
    url = f"{ORDERS_URL}{order.pk}/resolve/"
    assert url in clerk.get_text(order_url(order))

    def told(**fields: str) -> str:
        answer = clerk.post(url, **fields)
        assert answer["Location"] == order_url(order)
        return clerk.get_text(answer["Location"])

    assert "Write why." in told(state="paid")
    assert "Nexi says: the card was charged. Not resolved." in told(
        state="failed", reason="no"
    )
    number = CARDS["challenge"].number
    page = told(state="paid", reason=number)
    assert "This looks like a card number." in page
    assert number not in page
    order.refresh_from_db()
    assert order.state == OrderState.REVIEW
    assert "Resolved. Nexi agrees." in told(state="paid", reason="seen at Nexi")
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert "seen at Nexi" in clerk.get_text(order_url(order))


def test_a_refund_on_its_way_is_still_inquired_about(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = reviewed(shopper)
    accept(gateway, "/refunds", "r-1")
    operation = flows.refund(order, Decimal("2.00"))
    assert operation.outcome == OperationOutcome.ACCEPTED
    flows.resolve(order, "paid", reason="seen at Nexi")
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 200)
    assert order.unsettled_since == operation.created_at
    show(gateway, order, entry(order, "REFUND", "REFUNDED", 200, "r-1"))
    reconcile_after(2 * MINUTE)
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 200, 0)
    assert (order.next_poll_at, order.unsettled_since) == (None, None)


def test_a_charge_that_reads_refunded_is_decided_once(
    shopper: Shopper, gateway: Simulator
) -> None:
    """Nexi does not say how much was returned, and never will."""
    order = shopper.pay(new_order(reference="R-1"))
    show(gateway, order, charge="REFUNDED")
    flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.REVIEW, 1250, 0, 0, 0)
    assert (order.reason, order.discrepancies.count()) == ("no_details", 1)
    for _ in range(2):  # under review it is found once
        show(gateway, order, charge="REFUNDED")
        flows.reconcile(order)
    assert order.discrepancies.count() == 1
    show(gateway, order, charge="REFUNDED")
    flows.resolve(order, "paid", reason="nothing was returned")
    for _ in range(3):
        show(gateway, order, charge="REFUNDED")
        flows.reconcile(order)
        assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    assert order.discrepancies.get().resolved_at is not None
    # the refund is listed after all
    refunded = entry(order, "REFUND", "REFUNDED", 300, "r")
    show(gateway, order, refunded, charge="REFUNDED")
    flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 300, 0)


def test_what_another_wrote_since_the_inquiry_is_not_decided_over(
    shopper: Shopper,
) -> None:
    order = reviewed(shopper)
    before = order.events.count()

    def change_first(execute: Any, sql: str, params: Any, many: bool, context: Any):
        decides = sql.startswith("UPDATE") and Reason.RESOLVED in (params or ())
        if decides:
            rows = PaymentOrder.objects.filter(pk=order.pk)
            rows.update(version=F("version") + 1)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(change_first), pytest.raises(OrderBusy):
        flows.resolve(order, "paid", reason="I think so")
    order.refresh_from_db()
    assert (order.state, order.events.count()) == (OrderState.REVIEW, before)
    assert order.discrepancies.get().resolved_at is None
    flows.resolve(order, "paid", reason="I think so")
    assert order.state == OrderState.PAID
