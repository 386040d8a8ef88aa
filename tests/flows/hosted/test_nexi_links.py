"""Nexi's payment links: made, shown, renewed, paid, cancelled and closed."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import conf, flows, payment_methods
from nexi_payments.enums import OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import (
    GatewayUnavailable,
    InvalidState,
    MethodNotOffered,
    OrderNotPayable,
)
from nexi_payments.flows import moto
from nexi_payments.flows.hosted import link_closing, nexi_links
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.hosted_page import HostedPage, NexiLink
from nexi_payments.simulator import Reply, Simulator
from tests.support.canary import everything_stored
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import reconcile_after, time_travel

pytestmark = pytest.mark.django_db(transaction=True)

CANCELS = "/cancels"
DAY = 86_400.0
SITE = "http://127.0.0.1:8000"


@pytest.fixture
def shopper(gateway: Simulator, settings: Any) -> HostedShopper:
    changed = with_hosted_terminals()
    changed["TERMINALS"]["links"] = {
        "ENVIRONMENT": "simulator",
        "METHODS": ["PAYPAL"],
        "LINKS": "nexi",
    }
    settings.NEXI_PAYMENTS = changed
    return HostedShopper(gateway)


def link_order(reference: str = "L-1", terminal: str = "links") -> PaymentOrder:
    order, _ = moto.get_or_create_moto_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference=reference,
        terminal=terminal,
        actor=flows.Actor(),
        by_link=True,
    )
    return flows.offer_link(order)


def in_days(days: int) -> date:
    first, _ = nexi_links.last_days()
    return first + timedelta(days=days - 1)


def made(days: int = 10, reference: str = "L-1") -> PaymentOrder:
    step = nexi_links.create_nexi_link(link_order(reference), in_days(days), site=SITE)
    assert step.redirect_to
    return step.order


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def link_of(order: PaymentOrder) -> NexiLink:
    return NexiLink.objects.get(order=order)


# -- made ------------------------------------------------------------------------------


def test_the_attempt_waits_as_long_as_the_link(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    step = nexi_links.create_nexi_link(link_order(), in_days(10), site=SITE)
    order, link = step.order, link_of(step.order)

    assert (order.state, order.method) == (
        OrderState.AWAITING_HOSTED_PAGE,
        payment_methods.LINK,
    )
    assert order.live_reference == "L-1"
    assert link.expires_on == in_days(10)
    assert link.link_id
    order = fresh(order)
    assert order.expires_at == order.pay_until
    ends_in = order.expires_at - timezone.now()
    assert timedelta(days=10) <= ends_in <= timedelta(days=11)
    assert gateway.count("/orders/paybylink") == 1
    # only in the answer, and from Nexi again
    stored = everything_stored()
    assert step.redirect_to not in stored
    assert nexi_links.fetch_nexi_link(order, site=SITE) == step.redirect_to
    assert len(HostedPage.objects.get(order=order).security_hash) == 64


def test_it_is_paid_by_the_method_that_the_customer_chose(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made()
    gateway.hosted.pay(order.order_id, method="MYBANK", notify="before")
    flows.reconcile()

    order = fresh(order)

    assert (order.state, order.method) == (OrderState.PAID, "MYBANK")
    assert order.is_hosted
    assert flows.available(order).refund is None  # MyBank has no refunds
    assert link_of(order).is_closed
    assert gateway.count(CANCELS) == 0


def test_a_card_on_the_link(shopper: HostedShopper, gateway: Simulator) -> None:
    order = made()
    gateway.hosted.pay(order.order_id, method="CARDS", notify="never")
    reconcile_after(60)
    order = fresh(order)
    assert (order.state, order.method) == (OrderState.PAID, "CARDS")
    assert order.card_brand == "VISA"


def test_only_where_links_is_nexi(shopper: HostedShopper, gateway: Simulator) -> None:
    with pytest.raises(MethodNotOffered):
        nexi_links.create_nexi_link(link_order(terminal="methods"), in_days(3))
    assert gateway.count("/orders/paybylink") == 0
    assert not NexiLink.objects.exists()


@pytest.mark.parametrize("days", [0, 91])
def test_days_that_nexi_does_not_take(shopper: HostedShopper, days: int) -> None:
    order = link_order()
    with pytest.raises(ValueError, match="the last day must be between"):
        nexi_links.create_nexi_link(order, in_days(days))
    assert fresh(order).state == OrderState.INIT


def test_one_link_only(shopper: HostedShopper, gateway: Simulator) -> None:
    order = made()
    assert not nexi_links.may_create(order)
    with pytest.raises(OrderNotPayable):
        nexi_links.create_nexi_link(order, in_days(3), site=SITE)
    assert gateway.count("/orders/paybylink") == 1


def test_a_lost_answer_makes_no_link(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    gateway.fail_next("/orders/paybylink")
    step = nexi_links.create_nexi_link(link_order(), in_days(3), site=SITE)
    assert not step.redirect_to
    order = fresh(step.order)
    assert (order.state, order.reason) == (
        OrderState.FAILED,
        Reason.HOSTED_PAGE_UNKNOWN,
    )
    with pytest.raises(InvalidState):
        nexi_links.fetch_nexi_link(order)
    assert link_closing.close_due() == 1  # nobody has it
    assert gateway.count(CANCELS) == 0
    # and another one can be made
    step = nexi_links.create_nexi_link(order, in_days(3), site=SITE)
    assert step.redirect_to
    assert step.order.pk != order.pk


def test_a_link_to_another_host_is_not_sent(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    link = {"linkId": "x1", "link": "https://evil.example/pay", "status": "ACTIVE"}
    body = {"paymentLink": link, "securityToken": "t"}
    gateway.next_reply("/orders/paybylink", Reply(200, json.dumps(body).encode()))
    step = nexi_links.create_nexi_link(link_order(), in_days(3), site=SITE)
    assert not step.redirect_to
    order = fresh(step.order)
    assert (order.state, order.reason) == (
        OrderState.FAILED,
        Reason.UNSAFE_HOSTED_PAGE_URL,
    )


# -- renewed and cancelled -------------------------------------------------------------


def test_a_new_last_day(shopper: HostedShopper, gateway: Simulator) -> None:
    order = made(3)
    url = nexi_links.fetch_nexi_link(order, site=SITE)
    nexi_links.renew_nexi_link(order, in_days(20), site=SITE)
    assert link_of(order).expires_on == in_days(20)
    assert fresh(order).expires_at - timezone.now() > timedelta(days=20)
    assert nexi_links.fetch_nexi_link(order, site=SITE) == url


def test_a_renewal_without_an_answer_changes_nothing_here(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made(3)
    before = fresh(order).expires_at
    gateway.fail_next("/renewals")
    with pytest.raises(GatewayUnavailable):
        nexi_links.renew_nexi_link(order, in_days(20), site=SITE)
    assert fresh(order).expires_at == before
    gateway.next_reply("/renewals", Reply(400, b'{"errors":[{"code":"PS0026"}]}'))
    with pytest.raises(InvalidState):
        nexi_links.renew_nexi_link(order, in_days(20), site=SITE)
    assert link_of(order).expires_on == in_days(3)


def test_a_cancelled_link_frees_the_reference(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made()
    order = nexi_links.cancel_nexi_link(order, site=SITE)
    assert (order.state, order.live_reference) == (OrderState.FAILED, None)
    assert order.reason == Reason.EXPIRED
    assert link_of(order).is_closed
    with pytest.raises(ValueError, match="takes no payment"):
        gateway.hosted.pay(order.order_id)
    again = nexi_links.cancel_nexi_link(order, site=SITE)  # idempotent
    assert (again.pk, again.state) == (order.pk, OrderState.FAILED)
    assert gateway.count(CANCELS) == 1


def test_a_link_that_was_paid_meanwhile_is_not_cancelled(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made()
    gateway.hosted.pay(order.order_id, method="PAYPAL", notify="never")
    with pytest.raises(OrderNotPayable):
        nexi_links.cancel_nexi_link(order, site=SITE)
    order = fresh(order)
    assert (order.state, order.method) == (OrderState.PAID, "PAYPAL")


def test_without_an_answer_the_link_stays_open(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made()
    gateway.fail_next(CANCELS)
    with pytest.raises(GatewayUnavailable):
        nexi_links.cancel_nexi_link(order, site=SITE)
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
    assert not link_of(order).is_closed
    assert nexi_links.cancel_nexi_link(order, site=SITE).state == OrderState.FAILED


# -- closed, when the payment was made otherwise, or is given up -----------------------


def test_paid_on_our_page_the_link_is_cancelled(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made()
    paid = shopper.act(shopper.go(order, "PAYPAL"))
    assert paid.pk != order.pk
    assert paid.state == OrderState.PAID
    assert fresh(order).reason == Reason.SUPERSEDED

    reconcile_after(1)

    assert link_of(order).is_closed
    assert gateway.count(CANCELS) == 1
    with pytest.raises(ValueError, match="takes no payment"):
        gateway.hosted.pay(order.order_id)


def test_a_cancelled_payment_closes_its_link(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made()
    flows.cancel(order, "changed")
    assert link_closing.close_due() == 1
    assert link_closing.close_due() == 0
    assert gateway.count(CANCELS) == 1


def test_a_link_that_cannot_be_closed_is_tried_again(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made()
    flows.cancel(order, "changed")
    gateway.fail_next(CANCELS)
    assert link_closing.close_due() == 0
    assert link_closing.close_due() == 0  # not at once
    link = link_of(order)
    assert (link.tries, link.is_closed) == (1, False)
    assert link.next_try_at > timezone.now()
    NexiLink.objects.update(next_try_at=timezone.now())
    assert link_closing.close_due() == 1


def test_money_that_comes_before_it_is_closed_is_found(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made()
    flows.cancel(order, "changed")
    gateway.hosted.pay(order.order_id, method="PAYPAL", notify="never")
    assert link_closing.close_due() == 1  # PS0045
    reconcile_after(1)
    order = fresh(order)
    assert order.state == OrderState.REVIEW
    assert order.authorized_amount == 1250


def test_the_last_day_ends_it(shopper: HostedShopper, gateway: Simulator) -> None:
    order = made(2)
    reconcile_after(1.5 * DAY)
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
    reconcile_after(3.1 * DAY)
    order = fresh(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.EXPIRED)
    [operation] = Operation.objects.filter(order=order)
    assert operation.outcome == OperationOutcome.DECLINED
    assert order.watch_until is not None
    assert order.watch_until - order.expires_at >= timedelta(days=9)
    assert link_of(order).is_closed


def test_a_bank_that_needs_days_to_confirm_is_no_discrepancy(
    shopper: HostedShopper, gateway: Simulator
) -> None:
    order = made(10)
    reconcile_after(6 * DAY)
    with time_travel(6 * DAY):
        gateway.hosted.pay(
            order.order_id, method="MYBANK", ending="pending", notify="before"
        )
    reconcile_after(6 * DAY + 10)
    order = fresh(order)
    assert (order.state, order.gateway_pending) == (
        OrderState.AWAITING_HOSTED_PAGE,
        True,
    )
    assert not order.discrepancies.exists()


def test_a_removed_terminal_is_named(
    shopper: HostedShopper, settings: Any, caplog: Any
) -> None:
    order = made()
    flows.cancel(order, "changed")
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    kept = {name: one for name, one in terminals.items() if name != "links"}
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "TERMINALS": kept}
    assert link_closing.close_due() == 0
    assert f"payment link of order {order.order_id}" in caplog.text
    assert not link_of(order).is_closed
    assert "links" not in conf.current().terminals
