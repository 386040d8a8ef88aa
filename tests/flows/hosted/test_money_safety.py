"""What may go wrong with a hosted page: none of it charges a purchase twice unseen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import (
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
    PaymentBeingConfirmed,
    ReferenceInUse,
)
from nexi_payments.models import Discrepancy, Operation, PaymentOrder
from nexi_payments.simulator import Reply
from tests.support.concurrency import run_concurrently
from tests.support.fault_injection import STORES_OUTCOME, database_fails
from tests.support.hosted import HostedShopper
from tests.support.in_doubt import (
    DAY,
    HOUR,
    MINUTE,
    order_reply,
    reconcile_after,
    time_travel,
)
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

CARD = Card("4349940199004549", "0530", "396")


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def opened_pages(shopper: HostedShopper) -> int:
    return sum(call.path.endswith("/orders/hpp") for call in shopper.gateway.calls)


def facts(order: PaymentOrder) -> tuple[str, str, int]:
    order = fresh(order)
    return order.state, order.reason, order.authorized_amount


def while_asked(shopper: HostedShopper, part: str, act: Callable[[], Any]) -> None:
    """``act`` runs once Nexi has handled the next request to ``part``, before we have
    the answer."""
    handle = shopper.gateway.handle

    def noticing(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        reply = handle(method, url, headers, body)
        if part in url:
            shopper.gateway.handle = handle  # type: ignore[method-assign]
            act()
        return reply

    shopper.gateway.handle = noticing  # type: ignore[method-assign]


def page_reply(order: PaymentOrder, *results: str, **members: Any) -> Reply:
    """The order with one operation for each result word."""
    status = members.pop("status", {})
    operations = [
        {
            "orderId": order.order_id,
            "operationId": f"op-{order.pk}-{place}",
            "operationType": "AUTHORIZATION",
            "operationResult": result,
            "operationAmount": "1250",
            "operationCurrency": "EUR",
            "paymentCircuit": "PAYPAL",
            **members,
        }
        for place, result in enumerate(results)
    ]
    return order_reply(order, *operations, **status)


# -- the page of the attempt itself ----------------------------------------------------


def expired(shopper: HostedShopper, **facts: Any) -> PaymentOrder:
    order = shopper.go(new_order(terminal="methods", reference="A-1", **facts))
    reconcile_after(HOUR + MINUTE)
    order = fresh(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.EXPIRED)
    return order


def test_an_expired_page_that_was_paid_is_found_before_another_is_opened(
    shopper: HostedShopper,
) -> None:
    order = expired(shopper)
    shopper.act(order, comes_back=False)
    with pytest.raises(OrderNotPayable) as caught:
        flows.start_hosted_payment(order, "BANCOMATPAY")
    assert caught.value.order.pk == order.pk
    assert facts(order) == (OrderState.PAID, Reason.LATE_CHARGE, 1250)
    assert (PaymentOrder.objects.count(), opened_pages(shopper)) == (1, 1)


def test_an_expired_page_that_was_paid_is_found_before_a_card_is_taken(
    shopper: HostedShopper,
) -> None:
    order = expired(shopper)
    shopper.act(order, comes_back=False)
    with pytest.raises(OrderNotPayable):
        flows.start_payment(order, CARD, cardholder="Ann Smith")
    assert facts(order) == (OrderState.PAID, Reason.LATE_CHARGE, 1250)
    assert PaymentOrder.objects.count() == 1


def test_a_payment_that_is_confirmed_on_an_expired_page(
    shopper: HostedShopper,
) -> None:
    order = expired(shopper)
    shopper.act(order, "pending", comes_back=False)
    with pytest.raises(PaymentBeingConfirmed) as caught:
        flows.start_hosted_payment(order, "BANCOMATPAY")
    assert caught.value.order.pk == order.pk
    assert (fresh(order).state, fresh(order).gateway_pending) == ("failed", True)
    assert (PaymentOrder.objects.count(), opened_pages(shopper)) == (1, 1)


def test_nothing_is_paid_beside_a_page_under_review(shopper: HostedShopper) -> None:
    first = shopper.act(
        shopper.go(new_order(terminal="methods", reference="A-1")), "decline"
    )
    second = shopper.go(first, "BANCOMATPAY")
    reconcile_after(HOUR + MINUTE)
    assert fresh(second).state == OrderState.FAILED
    shopper.act(second, "pay_twice", comes_back=False)
    reconcile_after(HOUR + 10 * MINUTE)
    assert facts(second) == (OrderState.REVIEW, "two_authorizations", 2500)
    assert fresh(second).live_reference is None
    with pytest.raises(OrderNotPayable) as caught:
        flows.start_hosted_payment(fresh(first), "PAYPAL")
    assert caught.value.order.pk == second.pk
    with pytest.raises(OrderNotPayable):
        flows.start_payment(fresh(first), CARD, cardholder="Ann Smith")
    assert PaymentOrder.objects.count() == 2


# -- superseding -----------------------------------------------------------------------


def test_the_shop_does_not_replace_a_payment_that_is_being_confirmed(
    shopper: HostedShopper,
) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    order = shopper.act(order, "pending")
    with pytest.raises(ReferenceInUse) as caught:
        new_order(terminal="methods", reference="A-1", amount=Decimal("20.00"))
    assert caught.value.order.pk == order.pk
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
    with pytest.raises(OrderBusy):
        flows.cancel(order)
    assert PaymentOrder.objects.count() == 1


def test_money_on_an_earlier_page_ends_one_that_is_being_confirmed(
    shopper: HostedShopper,
) -> None:
    shopper.gateway.hosted.state.pending_seconds = DAY
    first = expired(shopper)
    second = shopper.go(first, "PAYPAL")
    shopper.act(second, "pending")
    shopper.act(first, comes_back=False)
    reconcile_after(2 * MINUTE)
    assert facts(first) == (OrderState.PAID, Reason.LATE_CHARGE, 1250)
    assert facts(second) == (OrderState.FAILED, Reason.SUPERSEDED, 0)
    shopper.gateway.hosted.settle(second.order_id)
    reconcile_after(5 * MINUTE)
    assert facts(second) == (OrderState.REVIEW, Reason.REFERENCE_TAKEN, 1250)
    assert second.events.filter(kind="duplicate").count() == 1


def test_two_tabs_choose_two_methods_at_once(shopper: HostedShopper) -> None:
    order = new_order(terminal="methods", reference="A-1")
    flows.payment_methods(order)  # Nexi was asked for the list

    def choose(place: int) -> str:
        method = ("PAYPAL", "BANCOMATPAY")[place]
        mine = PaymentOrder.objects.get(pk=order.pk)
        return flows.start_hosted_payment(mine, method).redirect_to

    found = run_concurrently(2, choose, (OrderBusy, ReferenceInUse, OrderNotPayable))
    urls = [one for one in found if isinstance(one, str)]
    live = PaymentOrder.objects.filter(live_reference="A-1").get()
    assert live.state == OrderState.AWAITING_HOSTED_PAGE
    # a second tab may have come after the first: it has replaced that page then
    superseded = PaymentOrder.objects.exclude(pk=live.pk)
    assert all(one.reason == Reason.SUPERSEDED for one in superseded)
    assert len(urls) == opened_pages(shopper) == 1 + len(superseded)


def test_a_page_that_was_replaced_while_it_was_opened_is_shown_to_nobody(
    shopper: HostedShopper,
) -> None:
    order = new_order(terminal="methods", reference="A-1")
    flows.payment_methods(order)

    def replace() -> None:
        new_order(terminal="methods", reference="A-1", amount=Decimal("20.00"))

    while_asked(shopper, "/orders/hpp", replace)
    step = flows.start_hosted_payment(order, "PAYPAL")
    assert step.redirect_to == ""
    assert facts(order) == (OrderState.FAILED, Reason.SUPERSEDED, 0)
    row = Operation.objects.get(order=order)
    assert row.outcome == OperationOutcome.ACCEPTED
    assert fresh(order).next_poll_at is not None
    reconcile_after(HOUR + MINUTE)
    row.refresh_from_db()
    assert row.outcome == OperationOutcome.DECLINED
    assert facts(order) == (OrderState.FAILED, Reason.SUPERSEDED, 0)


def test_a_page_whose_outcome_was_not_stored_is_shown_to_nobody(
    shopper: HostedShopper,
) -> None:
    order = new_order(terminal="methods", reference="A-1")
    flows.payment_methods(order)
    with database_fails(*STORES_OUTCOME), pytest.raises(OutcomeNotRecorded):
        flows.start_hosted_payment(order, "PAYPAL")
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
    assert opened_pages(shopper) == 1
    reconcile_after(HOUR + MINUTE)
    assert facts(order) == (OrderState.FAILED, Reason.EXPIRED, 0)
    assert fresh(order).live_reference is None


def test_cancelled_while_the_shopper_is_on_the_page(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    flows.cancel(order, "out of stock")
    assert facts(order) == (OrderState.FAILED, Reason.CANCELLED, 0)
    shopper.act(order, comes_back=False)
    reconcile_after(2 * MINUTE)
    assert facts(order) == (OrderState.REVIEW, Reason.CHARGED_AFTER_CANCEL, 1250)
    assert order.events.filter(kind="duplicate").count() == 1
    assert flows.available(fresh(order)).refund == 1250


# -- what Nexi shows -------------------------------------------------------------------


@pytest.mark.parametrize(
    "members", [{"operationAmount": "1300"}, {"operationCurrency": "USD"}]
)
@pytest.mark.parametrize("comes_back", [True, False])
def test_another_amount_or_currency_is_for_a_person(
    shopper: HostedShopper, members: dict[str, str], comes_back: bool
) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    if not comes_back:
        reconcile_after(HOUR + MINUTE)  # it has failed by then
    shopper.gateway.next_reply(
        f"/orders/{order.order_id}", page_reply(order, "EXECUTED", **members)
    )
    with time_travel(2 * HOUR):
        flows.reconcile(order)
    assert facts(order) == (OrderState.REVIEW, Reason.MISMATCH, 0)
    assert Discrepancy.objects.get(order=order).kind == "mismatch"
    assert not order.events.filter(kind="paid").exists()


def test_a_charge_that_is_only_authorized_until_the_total_shows_it(
    shopper: HostedShopper,
) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    status = {"authorizedAmount": "1250", "capturedAmount": "1250"}
    path = f"/orders/{order.order_id}"
    shopper.gateway.next_reply(path, page_reply(order, "AUTHORIZED", status=status))
    reconcile_after(90)
    assert facts(order) == (OrderState.AUTHORIZED, "", 1250)
    assert fresh(order).captured_amount == 0
    shopper.gateway.next_reply(path, page_reply(order, "AUTHORIZED", status=status))
    reconcile_after(90 + 2 * MINUTE)
    assert facts(order) == (OrderState.PAID, "", 1250)
    assert fresh(order).captured_amount == 1250
    assert not Discrepancy.objects.exists()


def test_each_of_two_payments_on_one_page_is_refunded_by_itself(
    shopper: HostedShopper,
) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")), "pay_twice")
    first, second = (one.operation for one in flows.available(order).captures)
    assert {first.kind, second.kind} == {OperationKind.HOSTED, OperationKind.PAYMENT}
    refund = flows.refund(order, capture=second)
    assert (refund.outcome, refund.amount) == (OperationOutcome.DONE, 1250)
    assert refund.target_operation_id == second.gateway_operation_id
    refund = flows.refund(fresh(order), capture=first)
    assert (refund.outcome, refund.amount) == (OperationOutcome.DONE, 1250)
    assert fresh(order).state == OrderState.REFUNDED
    assert shopper.gateway.counts["POST /operations/{id}/refunds"] == 2


# -- staff decide ---------------------------------------------------------------------


def test_what_a_person_has_decided_stays_decided(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    path = f"/orders/{order.order_id}"
    odd = {"operationAmount": "1300"}
    shopper.gateway.next_reply(path, page_reply(order, "EXECUTED", **odd))
    reconcile_after(90)
    assert facts(order) == (OrderState.REVIEW, Reason.MISMATCH, 0)
    given_back = page_reply(order, "REFUNDED", **odd)
    shopper.gateway.next_reply(path, given_back)
    flows.resolve(fresh(order), OrderState.FAILED, reason="refunded at Nexi")
    assert facts(order) == (OrderState.FAILED, Reason.RESOLVED, 0)
    row = Operation.objects.get(order=order)
    assert row.outcome == OperationOutcome.DECLINED
    assert fresh(order).live_reference is None
    shopper.gateway.next_reply(path, given_back)
    with time_travel(20 * DAY):
        flows.reconcile(order)
    assert facts(order) == (OrderState.FAILED, Reason.RESOLVED, 0)
