"""Notifications and returns: they only make us ask, whatever they say and whenever
they come."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from nexi_payments import conf, flows, sealed_cards
from nexi_payments.enums import OrderState, Reason
from nexi_payments.flows.inquiry import sweeps
from nexi_payments.models import PaymentOrder
from nexi_payments.models.bookkeeping import SweepCursor
from nexi_payments.models.hosted_page import HostedPage
from nexi_payments.simulator import Reply
from tests.flows.hosted.test_money_safety import page_reply, while_asked
from tests.support.concurrency import run_concurrently
from tests.support.hosted import HostedShopper
from tests.support.in_doubt import DAY, HOUR, MINUTE, reconcile_after, time_travel
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "t" * 43


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def asked(shopper: HostedShopper, order: PaymentOrder) -> int:
    """How many status inquiries of the order there were."""
    path = f"/orders/{order.order_id}"
    return sum(
        (call.method, call.path.endswith(path)) == ("GET", True)
        for call in shopper.gateway.calls
    )


def picture(order: PaymentOrder) -> dict[str, Any]:
    row = PaymentOrder.objects.filter(pk=order.pk).values().get()
    return row | HostedPage.objects.filter(order=order).values().get()


@pytest.fixture
def order(shopper: HostedShopper) -> PaymentOrder:
    return shopper.go(new_order(terminal="methods", reference="A-1"))


def with_token(order: PaymentOrder) -> None:
    """Makes ``TOKEN`` the one of the notification's URL."""
    digest = sealed_cards.hash_token(TOKEN)
    HostedPage.objects.filter(order=order).update(notify_hash=digest)


def is_due(order: PaymentOrder) -> bool:
    due = fresh(order).next_poll_at
    return due is not None and due <= timezone.now()


# -- when they come --------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["before", "after", "twice", "never"])
@pytest.mark.parametrize("comes_back", [True, False])
def test_whenever_it_comes_it_is_paid_once(
    shopper: HostedShopper, order: PaymentOrder, mode: str, comes_back: bool
) -> None:
    shopper.act(order, notify=mode, comes_back=comes_back)
    shopper.gateway.hosted.deliver_due()
    statuses = [one.status for one in shopper.gateway.hosted.deliveries]
    assert statuses == [200] * {"never": 0, "twice": 2}.get(mode, 1)
    assert fresh(order).triggers == len(statuses) + comes_back
    if statuses and not comes_back:
        # a notification settles nothing
        assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
        assert is_due(order)
    reconcile_after(0 if statuses else 90)
    reconcile_after(100)
    assert (fresh(order).state, fresh(order).reason) == (OrderState.PAID, "")
    kinds = list(order.events.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["awaiting_hosted_page", "paid"]
    assert shopper.gateway.charge_count(order.order_id) == 1


def test_one_that_comes_late_finds_what_it_speaks_of(
    shopper: HostedShopper, order: PaymentOrder
) -> None:
    shopper.act(order, notify="late", comes_back=False)
    shopper.gateway.hosted.deliver_due()
    assert shopper.gateway.hosted.deliveries == ()
    with time_travel(DAY):
        shopper.gateway.hosted.deliver_due()
        assert [one.status for one in shopper.gateway.hosted.deliveries] == [200]
        flows.reconcile()
    assert fresh(order).state == OrderState.PAID


@pytest.mark.parametrize("mode", ["forged", "foreign"])
def test_a_false_one_settles_nothing(
    shopper: HostedShopper, order: PaymentOrder, mode: str, caplog: Any
) -> None:
    """It says "paid", and nobody has paid."""
    shopper.gateway.hosted.pay(
        order.order_id, method="PAYPAL", ending="close", notify=mode
    )
    shopper.gateway.hosted.deliver_due()
    assert [one.status for one in shopper.gateway.hosted.deliveries] == [200]
    reason = {"forged": "without its token", "foreign": "about another order"}[mode]
    [line] = [one for one in caplog.messages if "notification" in one]
    assert line == f"order {order.order_id}: a notification {reason}"
    assert is_due(order)
    flows.reconcile()
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
    assert fresh(order).authorized_amount == 0


def test_a_wrong_token_changes_nothing(
    shopper: HostedShopper, order: PaymentOrder
) -> None:
    shopper.act(order, comes_back=False)
    before, calls = picture(order), len(shopper.gateway.calls)
    for token in ("", "x", TOKEN, "é" * 43, fresh(order).token_hash):
        assert not flows.receive_notification(fresh(order), token, {})
        flows.return_from_hosted_page(fresh(order), token)
    assert (picture(order), len(shopper.gateway.calls)) == (before, calls)


def test_the_tokens_of_return_and_notification_do_not_serve_for_each_other(
    shopper: HostedShopper, order: PaymentOrder
) -> None:
    visit = shopper.gateway.hosted.pay(order.order_id, method="PAYPAL", notify="never")
    token = urlsplit(visit.return_url).path.split("/")[-2]
    before = picture(order)
    assert not flows.receive_notification(fresh(order), token, {})
    assert picture(order) == before
    flows.return_from_hosted_page(fresh(order), token)
    assert fresh(order).state == OrderState.PAID


# -- what it names ---------------------------------------------------------------------


@pytest.mark.parametrize("own", [True, False])
def test_an_unknown_order_makes_the_search_due_if_it_has_our_prefix(
    shopper: HostedShopper, order: PaymentOrder, own: bool, caplog: Any
) -> None:
    with_token(order)
    swept_at = timezone.now() - timedelta(minutes=5)
    SweepCursor.objects.create(terminal="methods", swept_at=swept_at)
    prefix = conf.current().order_prefix if own else "XYZ"
    body = {"operation": {"orderId": f"{prefix}000000000000000"}}
    assert flows.receive_notification(order, TOKEN, body)
    cursor = SweepCursor.objects.get(terminal="methods")
    due = timezone.now() - sweeps.interval()
    assert (cursor.swept_at <= due) == own
    assert (cursor.swept_at == swept_at) == (not own)
    assert f"order {order.order_id}: a notification about another order" in (
        caplog.messages
    )
    assert "000000000000000" not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operation": None},
        {"operation": []},
        {"operation": {"orderId": None}},
        {"operation": {"orderId": 7}},
        {"operation": {"orderId": "PGN\x00"}},
        {"operation": {"orderId": "PGN" + "é" * 10}},
        {"operation": {"orderId": "PGN" * 9999}},
        {"securityToken": None},
        {"securityToken": ["x"]},
        {"securityToken": "é"},
        {"securityToken": ""},
    ],
)
def test_odd_bodies_only_trigger(order: PaymentOrder, body: dict[str, Any]) -> None:
    with_token(order)
    assert flows.receive_notification(order, TOKEN, body)
    assert fresh(order).triggers == 1
    assert is_due(order)
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE


# -- any state, any age ----------------------------------------------------------------


def test_a_notification_makes_an_attempt_due_at_any_age(
    shopper: HostedShopper, order: PaymentOrder
) -> None:
    with_token(order)
    for days in (0.1, 1, 4, 8, 15, 31, 32):
        reconcile_after(days * DAY)
    assert (fresh(order).state, fresh(order).next_poll_at) == ("failed", None)
    with time_travel(60 * DAY):
        shopper.act(order, comes_back=False)
        assert flows.reconcile().inquired == 0
        assert flows.receive_notification(order, TOKEN, {})
        assert flows.reconcile().inquired == 1
    assert (fresh(order).state, fresh(order).reason) == ("paid", Reason.LATE_CHARGE)


def test_a_notification_about_a_paid_order_is_one_question(
    shopper: HostedShopper, order: PaymentOrder
) -> None:
    with_token(order)
    shopper.act(order)
    planned = fresh(order).next_poll_at
    assert planned is not None  # the page is watched
    assert planned > timezone.now() + timedelta(minutes=10)
    assert flows.receive_notification(order, TOKEN, {})
    before = asked(shopper, order)
    flows.reconcile()
    flows.reconcile()
    assert asked(shopper, order) == before + 1
    assert (fresh(order).state, fresh(order).next_poll_at) == ("paid", planned)


# -- at the same time as a question ----------------------------------------------------


@pytest.mark.parametrize("answered", [True, False])
def test_a_question_sent_before_a_notification_leaves_the_order_due(
    shopper: HostedShopper, order: PaymentOrder, answered: bool
) -> None:
    with_token(order)
    path = f"/orders/{order.order_id}"

    def pay_and_notify() -> None:
        shopper.act(order, comes_back=False)
        assert flows.receive_notification(order, TOKEN, {})

    if not answered:
        shopper.gateway.next_reply(path, Reply(503))
    while_asked(shopper, path, pay_and_notify)
    with time_travel(2 * MINUTE):
        flows.reconcile()
        assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
        assert is_due(order)
        flows.reconcile()
    assert fresh(order).state == OrderState.PAID


def test_return_and_notification_at_once(
    shopper: HostedShopper, order: PaymentOrder
) -> None:
    with_token(order)
    visit = shopper.gateway.hosted.pay(order.order_id, method="PAYPAL", notify="never")
    token = urlsplit(visit.return_url).path.split("/")[-2]

    def come(place: int) -> None:
        mine = PaymentOrder.objects.get(pk=order.pk)
        if place % 2:
            assert flows.receive_notification(mine, TOKEN, {})
        else:
            flows.return_from_hosted_page(mine, token)

    run_concurrently(4, come)
    reconcile_after(5)
    assert fresh(order).state == OrderState.PAID
    assert fresh(order).triggers == 4
    assert order.events.filter(kind="paid").count() == 1


def test_many_returns_are_one_question(
    shopper: HostedShopper, order: PaymentOrder, caplog: Any
) -> None:
    visit = shopper.gateway.hosted.pay(
        order.order_id, method="PAYPAL", ending="leave", notify="never"
    )
    path = urlsplit(visit.return_url).path
    with time_travel(HOUR / 2), caplog.at_level(logging.WARNING):
        before = asked(shopper, order)
        for _ in range(5):
            assert shopper.client.get(path).status_code == 303
        assert asked(shopper, order) == before + 1
        assert is_due(order)  # the others are left to the reconciler
    with time_travel(HOUR / 2 + 3):
        shopper.client.get(path)
        assert asked(shopper, order) == before + 2
    assert fresh(order).triggers == 6


def test_a_notification_during_a_decision_leaves_the_order_due(
    shopper: HostedShopper, order: PaymentOrder
) -> None:
    with_token(order)
    path = f"/orders/{order.order_id}"
    for word in ("EXECUTED", "REFUNDED"):
        reply = page_reply(order, word, operationAmount="1300")
        shopper.gateway.next_reply(path, reply)
        if word == "EXECUTED":
            reconcile_after(90)
    assert fresh(order).state == OrderState.REVIEW

    def notify() -> None:
        assert flows.receive_notification(order, TOKEN, {})

    while_asked(shopper, path, notify)
    flows.resolve(fresh(order), OrderState.FAILED, reason="refunded at Nexi")
    assert fresh(order).state == OrderState.FAILED
    assert is_due(order)
