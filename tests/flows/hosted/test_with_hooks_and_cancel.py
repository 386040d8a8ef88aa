"""The hosted page beside the shop's own verbs: its word before a charge, a cancel, a
changed order, a queued refund."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows, signals
from nexi_payments.enums import EventKind, OperationKind, OrderState, Reason
from nexi_payments.exceptions import OrderBusy, OrderNotPayable
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply
from tests.support.hosted import HostedShopper
from tests.support.in_doubt import reconcile_after
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

ANSWERS: dict[str, Any] = {}


def may_be_charged(order: PaymentOrder) -> Any:
    return ANSWERS.get(order.method or "card")


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def events(order: PaymentOrder) -> list[str]:
    return list(order.events.order_by("pk").values_list("kind", flat=True))


def opened(shopper: HostedShopper) -> int:
    return sum(one.path.endswith("/hpp") for one in shopper.gateway.calls)


def call_during(shopper: HostedShopper, path: str, act: Any) -> None:
    """``act`` runs while the first request to ``path`` is at Nexi."""
    handle = shopper.gateway.handle

    def acting(*request: Any) -> Reply:
        if request[1].endswith(path):
            shopper.gateway.handle = handle  # type: ignore[method-assign]
            act()
        return handle(*request)

    shopper.gateway.handle = acting  # type: ignore[method-assign]


# -- BEFORE_CHARGE ---------------------------------------------------------------------


@pytest.fixture
def answers(shopper: HostedShopper, change_settings: Any) -> dict[str, Any]:
    change_settings(BEFORE_CHARGE=f"{__name__}.may_be_charged")
    ANSWERS.clear()
    return ANSWERS


def test_a_vetoed_page_is_not_opened(
    shopper: HostedShopper, answers: dict[str, Any]
) -> None:
    answers["card"] = "Sold out."
    order = new_order(terminal="methods", reference="A-1")
    flows.payment_methods(order)
    step = flows.start_hosted_payment(order, "PAYPAL")
    assert (step.redirect_to, step.order.state) == ("", OrderState.FAILED)
    order = fresh(order)
    assert (order.reason, order.method, order.live_reference) == (
        Reason.VETOED,
        "",
        None,
    )
    assert (order.next_poll_at, order.charging_since) == (None, None)
    assert opened(shopper) == 0
    assert not Operation.objects.exists()
    assert order.events.get().note == "Sold out."
    # no other way to pay it either
    with pytest.raises(OrderNotPayable):
        flows.start_hosted_payment(order, "BANCOMATPAY")


def test_a_veto_of_another_way_leaves_the_open_page_watched(
    shopper: HostedShopper, answers: dict[str, Any]
) -> None:
    page = shopper.go(new_order(terminal="methods", reference="A-1"))
    answers["card"] = False
    response = shopper.choose(page, "BANCOMATPAY")
    assert response.status_code == 303
    second = PaymentOrder.objects.latest("pk")
    assert (second.state, second.reason) == (OrderState.FAILED, Reason.VETOED)
    assert (fresh(page).state, fresh(page).reason) == ("failed", Reason.SUPERSEDED)
    assert opened(shopper) == 1
    # that page cannot be closed: its money is found, and is this purchase's only one
    shopper.act(page, comes_back=False)
    reconcile_after(120)
    assert fresh(page).state == OrderState.PAID
    assert fresh(second).state == OrderState.FAILED


# -- cancel ----------------------------------------------------------------------------


def test_cancelled_while_nexi_opens_the_page(shopper: HostedShopper) -> None:
    """The URL is never shown."""
    order = new_order(terminal="methods", reference="A-1")
    flows.payment_methods(order)
    call_during(shopper, "/orders/hpp", lambda: flows.cancel(fresh(order), "gone"))
    step = flows.start_hosted_payment(order, "PAYPAL")
    assert step.redirect_to == ""
    order = fresh(order)
    assert (order.state, order.reason, order.live_reference) == (
        OrderState.FAILED,
        Reason.CANCELLED,
        None,
    )
    assert order.next_poll_at is not None
    [operation] = Operation.objects.all()
    assert operation.unsettled_order_id is None
    assert opened(shopper) == 1


def test_cancelled_while_the_shopper_is_asked_about(shopper: HostedShopper) -> None:
    """The inquiry that a notification started was sent before: it is not applied."""
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    call_during(
        shopper, f"/orders/{order.order_id}", lambda: flows.cancel(fresh(order))
    )
    shopper.act(order, notify="before")
    order = fresh(order)
    assert order.cancelled_at is not None
    reconcile_after(120)
    order = fresh(order)
    assert (order.state, order.reason) == (
        OrderState.REVIEW,
        Reason.CHARGED_AFTER_CANCEL,
    )
    assert events(order).count(EventKind.DUPLICATE) == 1
    assert EventKind.PAID not in events(order)


def test_a_payment_that_is_confirmed_is_not_cancelled(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    order = shopper.act(order, "pending")
    before = PaymentOrder.objects.filter(pk=order.pk).values().get()
    assert flows.available(order).cancel is False
    with pytest.raises(OrderBusy):
        flows.cancel(order)
    assert PaymentOrder.objects.filter(pk=order.pk).values().get() == before
    shopper.gateway.hosted.settle(order.order_id, paid=False)
    reconcile_after(120)
    order = fresh(order)
    assert flows.available(order).cancel is True
    flows.cancel(order)
    assert fresh(order).reason == Reason.DECLINED
    assert not fresh(order).accepts_card


def test_a_cancelled_order_offers_no_method(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    assert flows.available(order).cancel is True
    flows.cancel(order)
    count = PaymentOrder.objects.count()
    with pytest.raises(OrderNotPayable):
        flows.start_hosted_payment(fresh(order), "BANCOMATPAY")
    page = shopper.client.get(order.page_url(), follow=True).content.decode()
    assert 'name="method"' not in page
    assert PaymentOrder.objects.count() == count
    assert opened(shopper) == 1


def test_a_new_order_looks_at_the_page_of_a_cancelled_one(
    shopper: HostedShopper,
) -> None:
    page = shopper.go(new_order(terminal="methods", reference="A-1"))
    flows.cancel(page)
    shopper.act(page, comes_back=False)
    again = new_order(terminal="methods", reference="A-1")
    with pytest.raises(OrderNotPayable) as caught:
        flows.start_hosted_payment(again, "PAYPAL")
    assert caught.value.order.pk == page.pk
    assert fresh(page).reason == Reason.CHARGED_AFTER_CANCEL
    assert fresh(again).state == OrderState.INIT
    assert opened(shopper) == 1
    # refunded, the reference may be paid again
    flows.refund(fresh(page))
    reconcile_after(120)
    assert fresh(page).state == OrderState.REFUNDED
    assert shopper.act(shopper.go(again)).state == OrderState.PAID


# -- superseded ------------------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[list[tuple[str, int]]]:
    """Kind and order of each event that receivers get."""
    found: list[tuple[str, int]] = []

    def ear(sender: Any, order: PaymentOrder, event: Any, **kwargs: Any) -> None:
        found.append((event.kind, order.pk))

    for signal in signals.SIGNAL_BY_EVENT_KIND.values():
        signal.connect(ear, weak=False)
    yield found
    for signal in signals.SIGNAL_BY_EVENT_KIND.values():
        signal.disconnect(ear)


def test_another_method_is_no_failure(
    shopper: HostedShopper, heard: list[tuple[str, int]]
) -> None:
    first = shopper.go(new_order(terminal="methods", reference="A-1"))
    second = shopper.go(first, "BANCOMATPAY")
    assert heard == [("superseded", first.pk)]
    event = first.events.get(kind=EventKind.SUPERSEDED)
    assert event.successor == second
    shopper.act(second)
    assert heard == [("superseded", first.pk), ("paid", second.pk)]


def test_a_changed_order_beside_a_page_that_was_paid(
    shopper: HostedShopper, heard: list[tuple[str, int]]
) -> None:
    """The shop's order has another amount by now: nothing is paid twice."""
    page = shopper.go(new_order(terminal="methods", reference="A-1"))
    shopper.act(page, comes_back=False)
    changed = new_order(terminal="methods", reference="A-1", amount=Decimal("20.00"))
    assert (changed.pk != page.pk, fresh(page).reason) == (True, Reason.SUPERSEDED)
    with pytest.raises(OrderNotPayable) as caught:
        flows.start_hosted_payment(changed, "PAYPAL")
    assert caught.value.order.pk == page.pk
    page = fresh(page)
    assert (page.state, page.reason) == (OrderState.REVIEW, Reason.REFERENCE_TAKEN)
    assert flows.available(page).refund == 1250
    assert (fresh(changed).state, opened(shopper)) == (OrderState.INIT, 1)
    assert heard == [
        ("superseded", page.pk),
        ("review", page.pk),
        ("duplicate", page.pk),
    ]


# -- queued refunds --------------------------------------------------------------------


def test_money_after_a_cancel_is_queued_for_refund(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    flows.cancel(order)
    shopper.act(order)
    order = fresh(order)
    assert order.state == OrderState.REVIEW
    flows.enqueue_refund(order, key="back")
    reconcile_after(120)
    order = fresh(order)
    assert (order.state, order.refunded_amount, order.queued_amount) == (
        OrderState.REFUNDED,
        1250,
        0,
    )
    refunds = Operation.objects.filter(order=order, kind=OperationKind.REFUND)
    assert refunds.count() == 1
