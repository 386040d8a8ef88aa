"""A page that is paid is watched: it may be paid once more, and nobody tells us."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.models import PaymentOrder
from tests.support.hosted import HostedShopper
from tests.support.in_doubt import DAY, HOUR, MINUTE, reconcile_after, time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def paid(shopper: HostedShopper, method: str = "PAYPAL") -> PaymentOrder:
    order = shopper.act(shopper.go(new_order(terminal="methods"), method))
    assert order.state == OrderState.PAID
    return order


def pay_again(shopper: HostedShopper, order: PaymentOrder, after: float) -> None:
    """In another tab, which nobody comes back from and nobody tells of."""
    with time_travel(after):
        shopper.act(order, comes_back=False)


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (5 * MINUTE, 16 * MINUTE),
        (40 * MINUTE, 61 * MINUTE),
        (3 * HOUR, 26 * HOUR),
        (6 * DAY, 7.1 * DAY),
        (29 * DAY, 30.1 * DAY),
    ],
)
def test_it_is_found_without_a_notification(
    shopper: HostedShopper, made: float, found: float
) -> None:
    order = paid(shopper)
    for seconds in (16 * MINUTE, 61 * MINUTE, 26 * HOUR, 50 * HOUR, 73 * HOUR):
        if seconds < made:
            reconcile_after(seconds)
    for days in (7.1, 14.1):
        if days * DAY < made:
            reconcile_after(days * DAY)
    pay_again(shopper, order, made)

    reconcile_after(found)

    order = fresh(order)
    assert (order.state, order.reason) == (OrderState.REVIEW, "two_authorizations")
    assert (order.authorized_amount, order.captured_amount) == (2500, 2500)
    [discrepancy] = order.discrepancies.all()
    assert discrepancy.kind == "two_authorizations"
    assert order.events.filter(kind="review").count() == 1
    # each may be refunded
    second = flows.available(order).captures[1].operation
    with time_travel(found + MINUTE):
        refund = flows.refund(order, Decimal("12.50"), capture=second)
    assert refund.target_operation_id == second.gateway_operation_id


def test_after_a_refund_too(shopper: HostedShopper) -> None:
    order = paid(shopper)
    flows.refund(order)
    assert fresh(order).state == OrderState.REFUNDED
    pay_again(shopper, order, 5 * MINUTE)
    reconcile_after(26 * HOUR)
    order = fresh(order)
    assert order.state == OrderState.REVIEW
    assert (order.captured_amount, order.refunded_amount) == (2500, 1250)


def test_no_answer_ends_no_watch(shopper: HostedShopper) -> None:
    order = paid(shopper)
    for days in (1, 2, 3, 4, 8, 15):
        reconcile_after(days * DAY)
    pay_again(shopper, order, 29 * DAY)
    shopper.gateway.fail_next(f"/orders/{order.order_id}")
    reconcile_after(30.1 * DAY)
    assert fresh(order).state == OrderState.PAID
    reconcile_after(32 * DAY)
    assert fresh(order).state == OrderState.REVIEW


def test_what_a_person_has_decided_is_not_asked_again(shopper: HostedShopper) -> None:
    order = paid(shopper)
    pay_again(shopper, order, 5 * MINUTE)
    reconcile_after(16 * MINUTE)
    with time_travel(17 * MINUTE):
        order = fresh(order)
        second = flows.available(order).captures[1].operation
        flows.refund(order, Decimal("12.50"), capture=second)
        reconcile_after(18 * MINUTE)
        order = fresh(order)
        if order.state == OrderState.REVIEW:
            flows.resolve(order, "paid", reason="one was refunded")
    assert fresh(order).state == OrderState.PAID
    for days in (1, 2, 3, 4, 7.1, 14.1, 30.1):
        reconcile_after(days * DAY)
        assert fresh(order).state == OrderState.PAID, days
    assert fresh(order).discrepancies.count() == 1


def test_a_card_on_our_page_is_not_watched(shopper: HostedShopper) -> None:
    order = Shopper(shopper.gateway).pay(new_order())
    assert (order.state, order.next_poll_at) == (OrderState.PAID, None)


def test_a_refund_on_its_way_is_followed_as_before(shopper: HostedShopper) -> None:
    order = paid(shopper)
    with time_travel(20 * MINUTE):
        shopper.gateway.fail_next("/refunds")
        refund = flows.refund(order)
        assert refund.outcome == OperationOutcome.IN_DOUBT
        due = fresh(order).next_poll_at
        assert due is not None
        assert due <= timezone.now() + timedelta(minutes=1)
