"""Nexi's payment links: requests at the same moment, and answers that are lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import (
    GatewayUnavailable,
    InvalidState,
    OrderBusy,
    OrderNotPayable,
    ReferenceInUse,
)
from nexi_payments.flows.hosted import link_closing, nexi_links
from nexi_payments.models import PaymentOrder
from nexi_payments.models.hosted_page import NexiLink
from nexi_payments.simulator import Simulator
from tests.support.concurrency import run_concurrently
from tests.support.hosted import with_hosted_terminals
from tests.support.in_doubt import DAY, MINUTE, reconcile_after, time_travel
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

CREATE = "POST /orders/paybylink"
CANCELS = "/cancels"
SITE = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def terminals(gateway: Simulator, settings: Any) -> None:
    changed = with_hosted_terminals()
    changed["TERMINALS"]["links"] = {"ENVIRONMENT": "simulator", "LINKS": "nexi"}
    settings.NEXI_PAYMENTS = changed


def order_for_link(reference: str = "L-1") -> PaymentOrder:
    return new_order(terminal="links", reference=reference)


def in_days(days: int) -> date:
    first, _ = nexi_links.last_days()
    return first + timedelta(days=days - 1)


def create(order: PaymentOrder, days: int = 10) -> flows.Step:
    mine = PaymentOrder.objects.get(pk=order.pk)
    return flows.create_nexi_link(mine, in_days(days), site=SITE)


def cancel(order: PaymentOrder) -> PaymentOrder:
    mine = PaymentOrder.objects.get(pk=order.pk)
    return flows.cancel_nexi_link(mine, site=SITE)


def renew(order: PaymentOrder, days: int) -> PaymentOrder:
    mine = PaymentOrder.objects.get(pk=order.pk)
    return flows.renew_nexi_link(mine, in_days(days), site=SITE)


def made(days: int = 10, reference: str = "L-1") -> PaymentOrder:
    step = create(order_for_link(reference), days)
    assert step.redirect_to
    return step.order


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def link_of(order: PaymentOrder) -> NexiLink:
    return NexiLink.objects.get(order=order)


def status_at_nexi(order: PaymentOrder) -> str:
    client = conf.client(conf.current().terminal("links"))
    found = client.get_payment_link(conf.call_context(), link_of(order).link_id)
    return found.status


def pay_if_open(gateway: Simulator, order: PaymentOrder) -> bool:
    try:
        gateway.hosted.pay(order.order_id, method="PAYPAL", notify="never")
    except ValueError:
        return False
    return True


# -- races -----------------------------------------------------------------------------


def test_five_clerks_make_one_link(gateway: Simulator) -> None:
    order = order_for_link()
    lost = (OrderBusy, OrderNotPayable)
    results = run_concurrently(5, lambda _: create(order), lost)
    steps = [one for one in results if isinstance(one, flows.Step)]
    assert [bool(step.redirect_to) for step in steps] == [True]
    assert len(results) == 5
    assert gateway.counts[CREATE] == 1
    assert NexiLink.objects.count() == 1
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE


def test_five_clerks_after_a_failed_attempt_make_one_link(gateway: Simulator) -> None:
    order = order_for_link()
    gateway.fail_next("/orders/paybylink")
    assert not create(order).redirect_to
    lost = (OrderBusy, OrderNotPayable, ReferenceInUse, GatewayUnavailable)
    results = run_concurrently(5, lambda _: create(order), lost)
    steps = [one for one in results if isinstance(one, flows.Step)]
    assert [bool(step.redirect_to) for step in steps] == [True]
    assert gateway.counts[CREATE] == 2
    assert PaymentOrder.objects.count() == 2
    assert PaymentOrder.objects.exclude(live_reference=None).count() == 1


def test_a_failed_attempt_that_another_has_followed(gateway: Simulator) -> None:
    """From a page that somebody has opened before the other link was made."""
    order = order_for_link()
    gateway.fail_next("/orders/paybylink")
    assert not create(order).redirect_to
    second = create(order).order
    with pytest.raises(ReferenceInUse):
        create(order)
    assert (second.pk, status_at_nexi(second)) == (fresh(second).pk, "ACTIVE")
    assert fresh(second).state == OrderState.AWAITING_HOSTED_PAGE
    assert gateway.counts[CREATE] == 2


@pytest.mark.parametrize("turn", range(4))
def test_a_cancel_and_a_payment_at_once(gateway: Simulator, turn: int) -> None:
    order = made()
    actions: list[Callable[[], object]] = [
        lambda: cancel(order).state,
        lambda: pay_if_open(gateway, order),
    ]
    results = run_concurrently(2, lambda place: actions[place](), (OrderNotPayable,))
    reconcile_after(MINUTE)
    paid = bool(gateway.charge_count(order.order_id))
    if paid:
        assert set(results) == {OrderNotPayable, True}
    else:
        assert set(results) == {OrderState.FAILED, False}
    assert fresh(order).state == (OrderState.PAID if paid else OrderState.FAILED)
    assert fresh(order).captured_amount == (1250 if paid else 0)
    assert link_of(order).is_closed


def test_paid_between_the_cancel_and_its_answer_about_the_order(
    gateway: Simulator,
) -> None:
    """The customer was on the page when it was closed, and Nexi still took it."""
    order = made()
    handle = gateway.handle

    def paid_at_last(method: str, url: str, *rest: Any) -> Any:
        if url.endswith(CANCELS):
            gateway.handle = handle  # type: ignore[method-assign]
            assert pay_if_open(gateway, order)
        return handle(method, url, *rest)

    gateway.handle = paid_at_last  # type: ignore[method-assign]
    with pytest.raises(OrderNotPayable):
        cancel(order)
    assert (fresh(order).state, fresh(order).captured_amount) == (OrderState.PAID, 1250)
    assert gateway.count(CANCELS) == 1


def test_three_people_cancel_at_once(gateway: Simulator) -> None:
    order = made()
    results = run_concurrently(3, lambda _: cancel(order).pk)
    assert results == [order.pk] * 3
    reconcile_after(MINUTE)
    assert (fresh(order).state, fresh(order).live_reference) == (
        OrderState.FAILED,
        None,
    )
    assert status_at_nexi(order) == "DELETED"


@pytest.mark.parametrize("turn", range(4))
def test_a_cancel_and_a_renewal_at_once(gateway: Simulator, turn: int) -> None:
    order = made(3)
    actions: list[Callable[[], object]] = [
        lambda: cancel(order),
        lambda: renew(order, 60),
    ]
    run_concurrently(2, lambda place: actions[place](), (InvalidState,))
    reconcile_after(MINUTE)
    assert (fresh(order).state, fresh(order).live_reference) == (
        OrderState.FAILED,
        None,
    )
    assert status_at_nexi(order) == "DELETED"


def test_a_renewal_that_answers_after_a_cancel_opens_nothing(
    gateway: Simulator,
) -> None:
    order = made(3)
    handle = gateway.handle

    def cancelled_meanwhile(method: str, url: str, *rest: Any) -> Any:
        reply = handle(method, url, *rest)
        if url.endswith("/renewals"):
            gateway.handle = handle  # type: ignore[method-assign]
            cancel(order)
        return reply

    gateway.handle = cancelled_meanwhile  # type: ignore[method-assign]
    gateway.fail_next(f"/orders/{order.order_id}")  # how it stands is not known yet
    assert renew(order, 60).state == OrderState.AWAITING_HOSTED_PAGE
    assert fresh(order).expires_at <= timezone.now()
    assert link_of(order).expires_on == in_days(3)
    reconcile_after(MINUTE)
    assert fresh(order).state == OrderState.FAILED


def test_four_workers_close_a_link_once(gateway: Simulator) -> None:
    order = made()
    flows.cancel(order, "changed")
    results = run_concurrently(4, lambda _: link_closing.close_due())
    assert sum(results) == 1
    assert gateway.count(CANCELS) == 1
    assert status_at_nexi(order) == "DELETED"


# -- answers that are lost -------------------------------------------------------------


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
def test_a_cancel_without_an_answer_is_repeated(gateway: Simulator, done: bool) -> None:
    order = made()
    gateway.lose_next_answer(CANCELS) if done else gateway.fail_next(CANCELS)
    with pytest.raises(GatewayUnavailable):
        cancel(order)
    for refused in (
        lambda: flows.fetch_nexi_link(fresh(order), site=SITE),
        lambda: renew(order, 60),
        lambda: create(order),
    ):
        with pytest.raises((InvalidState, OrderNotPayable)):
            refused()
    reconcile_after(10 * MINUTE)
    reconcile_after(12 * MINUTE)
    assert (fresh(order).state, fresh(order).live_reference) == (
        OrderState.FAILED,
        None,
    )
    assert status_at_nexi(order) == "DELETED"
    assert link_of(order).is_closed


def test_paid_before_the_repeated_cancel(gateway: Simulator) -> None:
    order = made()
    gateway.fail_next(CANCELS)
    with pytest.raises(GatewayUnavailable):
        cancel(order)
    assert pay_if_open(gateway, order)
    reconcile_after(10 * MINUTE)
    reconcile_after(12 * MINUTE)
    assert (fresh(order).state, fresh(order).captured_amount) == (OrderState.PAID, 1250)


def test_a_renewal_whose_answer_is_lost_leaves_no_open_link(
    gateway: Simulator,
) -> None:
    order = made(3)
    gateway.lose_next_answer("/renewals")
    with pytest.raises(GatewayUnavailable):
        renew(order, 60)
    assert status_at_nexi(order) == "ACTIVE"
    reconcile_after(4.1 * DAY)
    assert fresh(order).state == OrderState.FAILED
    with time_travel(4.2 * DAY):
        assert status_at_nexi(order) == "DELETED"
        assert not pay_if_open(gateway, order)
