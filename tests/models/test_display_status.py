"""The status that people read: the state, or a finer word where money says more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import enums, flows
from nexi_payments.enums import DisplayStatus, OrderState, Reason
from nexi_payments.models import PaymentOrder
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.seen_on("sqlite")


@pytest.mark.parametrize("state", OrderState.values)
def test_a_state_keeps_its_name_where_no_finer_word_fits(state: str) -> None:
    order = PaymentOrder(state=state, amount=1250, captured_amount=1250)
    assert order.display_status == state
    assert order.display_status.label == OrderState(state).label


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"captured_amount": 500}, "partially_captured"),
        ({"captured_amount": 1250, "refunded_amount": 1}, "partially_refunded"),
        # refunds come before captures, and what is on its way before both
        ({"captured_amount": 500, "refunded_amount": 200}, "partially_refunded"),
        ({"captured_amount": 500, "capturing_amount": 750}, "capture_pending"),
        ({"captured_amount": 1250, "refunding_amount": 100}, "refund_pending"),
        ({"captured_amount": 1250, "queued_amount": 100}, "refund_pending"),
        (
            {"captured_amount": 500, "capturing_amount": 5, "refunding_amount": 5},
            "refund_pending",
        ),
        ({"state": "authorized", "capturing_amount": 500}, "capture_pending"),
        # what is queued of an authorization is a void
        ({"state": "authorized", "queued_amount": 1250}, "authorized"),
        # a person must decide, whatever the sums are
        ({"state": "review", "captured_amount": 500, "queued_amount": 5}, "review"),
        (
            {"state": "awaiting_hosted_page", "gateway_pending": True},
            "waiting_for_confirmation",
        ),
        ({"state": "paying", "gateway_pending": True}, "paying"),
        ({"state": "failed", "reason": "declined"}, "declined"),
        ({"state": "failed", "reason": "expired"}, "expired"),
        ({"state": "failed", "reason": "superseded"}, "superseded"),
        ({"state": "failed", "reason": "cancelled"}, "cancelled"),
        ({"state": "failed", "reason": "not_sent"}, "failed"),
        (
            {
                "state": "failed",
                "reason": "declined",
                "cancelled_at": timezone.now(),
            },
            "cancelled",
        ),
    ],
)
def test_money_and_reason_say_more(columns: dict[str, Any], status: str) -> None:
    order = PaymentOrder(**{"state": "paid", "amount": 1250, **columns})
    assert order.display_status == DisplayStatus(status)


def test_one_table_of_names() -> None:
    assert set(OrderState.values) < set(DisplayStatus.values)
    for state in OrderState:
        assert DisplayStatus(state.value).label == state.label
    assert set(enums.STATUS_BY_REASON) <= set(Reason.values)
    labels = [str(one.label) for one in DisplayStatus]
    assert len(set(labels)) == len(labels)


@pytest.mark.django_db(transaction=True)
def test_as_the_flows_move_money(shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    seen = [order.display_status]
    flows.capture(order, Decimal("5.00"))
    order.refresh_from_db()
    seen.append(order.display_status)
    flows.refund(order, Decimal("2.00"))
    order.refresh_from_db()
    seen.append(order.display_status)
    assert seen == ["authorized", "partially_captured", "partially_refunded"]
