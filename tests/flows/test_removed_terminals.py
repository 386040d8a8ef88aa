"""A terminal that is no longer in the settings, while payments name it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.utils import timezone

from nexi_payments import doctor, flows
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import TerminalNotConfigured
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.simulator import Simulator
from tests.support.api_clients import (
    ALL_PERMISSIONS,
    PayerClient,
    ShopServer,
    assert_problem,
)
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    PHONE_ORDERS_URL,
    Clerk,
    action_url,
    card_url,
    confirm_action,
    follow_redirect,
    order_from_redirect,
    order_url,
    result_url,
)
from tests.support.contracts import Clock, make_contract
from tests.support.in_doubt import (
    DAY,
    HOUR,
    LAG,
    MINUTE,
    payment_in_doubt,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

GONE = "is no longer in the settings of the shop. Nothing was sent."


@pytest.fixture
def remove(settings: Any, change_settings: Any) -> Callable[..., None]:
    """Removes terminals from the settings; without names, restores all."""
    original = settings.NEXI_PAYMENTS["TERMINALS"]

    def change(*names: str) -> None:
        left = {name: one for name, one in original.items() if name not in names}
        change_settings(TERMINALS=left)

    return change


def reconciler_log(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    loggers = ("nexi_payments.reconcile", "nexi_payments.inquiry")
    ours = [one for one in caplog.records if one.name in loggers]
    return [(one.levelno, one.getMessage()) for one in ours]


def test_orders_wait_by_the_schedule_and_are_logged_once_a_pass(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    remove: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    orders = [payment_in_doubt(shopper, terminal="two") for _ in range(3)]
    other = payment_in_doubt(shopper)
    remove("two")
    clock.advance(MINUTE + 30)
    caplog.clear()
    sent = len(gateway.calls)
    counts = flows.reconcile()
    assert (counts.inquired, counts.unanswered) == (1, 3)
    assert reconciler_log(caplog) == [
        (
            logging.CRITICAL,
            "terminal two is not in the settings: no inquiry about 3 payments",
        )
    ]
    assert len(gateway.calls) == sent + 1
    for order in orders:
        order.refresh_from_db()
        assert (order.state, order.poll_count) == (OrderState.PAYING, 1)
        assert order.next_poll_at is not None
        wait = order.next_poll_at - timezone.now()
        assert timedelta(seconds=115) < wait <= timedelta(minutes=2)
    assert flows.reconcile().unanswered == 0  # not in every pass

    # daily in the end, and found once the terminal is back
    for _ in range(40):
        clock.advance(HOUR)
        flows.reconcile()
    orders[0].refresh_from_db()
    assert orders[0].state == OrderState.PAYING
    assert orders[0].next_poll_at is not None
    assert orders[0].next_poll_at - timezone.now() > timedelta(hours=2)
    remove()
    for wait in (DAY, LAG + 1, LAG + 1):
        clock.advance(wait)
        flows.reconcile()
    for order in (*orders, other):
        order.refresh_from_db()
        assert order.state == OrderState.FAILED


def test_an_order_without_a_card_expires_all_the_same(
    shopper: Shopper, remove: Callable[..., None]
) -> None:
    order = new_order(terminal="two")
    remove("two")
    with time_travel(HOUR):
        counts = flows.reconcile()
    assert (counts.failed, counts.unanswered) == (1, 0)
    order.refresh_from_db()
    assert order.reason == "expired"


def test_pages_of_staff(
    shopper: Shopper, gateway: Simulator, remove: Callable[..., None]
) -> None:
    clerk = Clerk(*PERMISSIONS)
    paid = shopper.pay(new_order(terminal="manual"))
    flows.capture(paid, Decimal("2.50"))
    doubt = payment_in_doubt(shopper, terminal="manual")
    contract = make_contract(shopper, terminal="manual")
    remove("manual")
    sent = len(gateway.calls)
    for order in (paid, doubt):
        page = clerk.get_text(order_url(order))
        assert "manual ()" in page
        assert "Real cards are charged." in page  # it may have been a live one
    for action, fields in (
        ("capture", {"amount": "1.00", "expected_remaining": "10.00"}),
        ("refund", {"amount": "1.00", "expected_remaining": "2.50"}),
    ):
        page = follow_redirect(clerk, clerk.post(action_url(paid, action), **fields))
        assert f"Terminal manual {GONE}" in page
    answer = clerk.post(action_url(doubt, "inquire"))
    assert f"Terminal manual {GONE}" in follow_redirect(clerk, answer)
    PaymentOrder.objects.filter(pk=paid.pk).update(
        state=OrderState.REVIEW, unsettled_since=timezone.now()
    )
    resolution = {"state": "paid", "reason": "seen at Nexi"}
    answer = clerk.post(action_url(paid, "resolve"), **resolution)
    assert f"Terminal manual {GONE}" in follow_redirect(clerk, answer)
    with time_travel(HOUR):
        clerk.browser.force_login(clerk.user)
        assert doubt.order_id in clerk.get_text(ORDERS_URL + "review-queue/")

    contract_url = f"/admin/nexi_payments/contract/{contract.pk}/"
    assert "Real cards are charged." in clerk.get_text(contract_url + "change/")
    charge = {"amount": "5.00", "reference": "C-1"}
    answer = clerk.post(contract_url + "charge/", **charge)
    assert f"Terminal manual {GONE}" in follow_redirect(clerk, answer)
    answer = clerk.post(contract_url + "end/", confirmed="1")
    assert "has not confirmed the end yet" in follow_redirect(clerk, answer)
    assert len(gateway.calls) == sent


def test_a_confirmed_action_is_refused_too(
    shopper: Shopper, gateway: Simulator, remove: Callable[..., None]
) -> None:
    """The terminal goes between the two pages of an action."""
    clerk = Clerk(*PERMISSIONS)
    paid = shopper.pay(new_order(terminal="two"))
    remove("two")
    answer = clerk.post(
        action_url(paid, "refund"),
        amount="1.00",
        expected_remaining="12.50",
        nonce="n" * 32,
        confirmed="1",
    )
    assert f"Terminal two {GONE}" in follow_redirect(clerk, answer)
    assert not paid.operations.filter(kind="refund").exists()
    remove()
    answer = confirm_action(
        clerk, paid, "refund", amount="1.00", expected_remaining="12.50"
    )
    assert answer.status_code == 302
    assert paid.operations.filter(kind="refund").exists()


def test_the_phone_order_desk(
    gateway: Simulator, remove: Callable[..., None], change_settings: Any
) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = order_from_redirect(clerk.create_order())
    done = clerk.take_phone_order(reference="R-2")
    terminals = {"default": {"ENVIRONMENT": "simulator", "MOTO": True}}
    change_settings(TERMINALS=terminals)
    answer = clerk.get(card_url(order))
    assert answer["Location"] == PHONE_ORDERS_URL
    assert f"Terminal moto {GONE}" in follow_redirect(clerk, answer)
    answer = clerk.submit_card(order)
    assert answer["Location"] == PHONE_ORDERS_URL
    answer = clerk.post(f"{result_url(order)}link/")
    assert answer["Location"] == card_url(order)
    assert "Real cards are charged." in clerk.get_text(result_url(done))
    order.refresh_from_db()
    assert order.state == OrderState.INIT


def test_pages_of_shoppers(
    shopper: Shopper, gateway: Simulator, remove: Callable[..., None]
) -> None:
    fresh = new_order(terminal="two")
    away = new_order(terminal="two")
    form = shopper.start(away)
    doubt = payment_in_doubt(shopper, terminal="two")
    remove("two")
    browser = Client(HTTP_HOST="127.0.0.1:8000")
    page = browser.get(fresh.page_url())
    assert page.status_code == 200
    assert "no real money moves" not in page.content.decode()
    assert shopper.submit_card(fresh).status_code == 503
    response = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert response.status_code == 303
    assert browser.get(response["Location"]).status_code == 200
    away.refresh_from_db()
    assert (away.state, away.claimed_at) == (OrderState.AWAITING_3DS, None)
    assert browser.get(doubt.page_url(), follow=True).status_code == 200


def test_the_api(
    shopper: Shopper, gateway: Simulator, remove: Callable[..., None]
) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    paid = shopper.pay(new_order(terminal="manual"))
    flows.capture(paid, Decimal("2.50"))
    doubt = payment_in_doubt(shopper, terminal="manual")
    fresh = new_order(terminal="manual")
    contract = make_contract(shopper, terminal="manual")
    remove("manual")
    sent = len(gateway.calls)
    assert server.get(f"orders/{paid.order_id}/").status_code == 200
    code = "terminal_not_configured"
    for order, action in (
        (paid, "capture"),
        (paid, "refund"),
        (doubt, "reconcile"),
    ):
        answer = server.post(f"orders/{order.order_id}/{action}/")
        assert_problem(answer, 503, code)
    charge = {"amount": "5.00", "currency": "EUR", "reference": "C-1"}
    path = f"contracts/{contract.contract_id}/"
    assert_problem(server.post(path + "charge/", charge), 503, code)
    assert_problem(server.post(path + "end/"), 503, "contract_end_unconfirmed")
    assert_problem(PayerClient(fresh).pay(), 503, code)
    assert len(gateway.calls) == sent


def test_a_person_who_reconciles_is_told(
    shopper: Shopper, remove: Callable[..., None]
) -> None:
    order = payment_in_doubt(shopper, terminal="two")
    remove("two")
    with pytest.raises(TerminalNotConfigured) as caught:
        flows.reconcile(order)
    assert caught.value.terminal == "two"


def database_errors() -> list[tuple[str, str]]:
    found = run_checks(tags=["database"], databases=["default"])
    return [(str(one.id), one.msg) for one in found if one.level >= 40]


def test_the_check_and_the_doctor_count_what_names_it(
    shopper: Shopper, gateway: Simulator, remove: Callable[..., None]
) -> None:
    settled = shopper.pay(new_order(terminal="two"))
    remove("two")
    assert settled.next_poll_at is None
    assert database_errors() == []  # nothing is open
    remove()
    payment_in_doubt(shopper, terminal="two")
    shopper.start(new_order(terminal="two"))
    make_contract(shopper, terminal="two")
    refunded = shopper.pay(new_order(terminal="two"), "refund_pending")
    flows.refund(refunded, Decimal("2.00"))
    # under review, and no longer polled
    PaymentOrder.objects.filter(pk=settled.pk).update(
        state=OrderState.REVIEW, unsettled_since=timezone.now()
    )
    TerminalOutage.objects.create(terminal="two", since=timezone.now(), status=401)
    TerminalOutage.objects.create(terminal="manual", since=timezone.now(), status=401)
    new_order(terminal="manual")
    assert database_errors() == []
    remove("two", "manual")
    two = (
        "Terminal two is not in NEXI_PAYMENTS['TERMINALS']:"
        " payments 4, operations 2, contracts 1, outages 1"
    )
    manual = (
        "Terminal manual is not in NEXI_PAYMENTS['TERMINALS']: payments 1, outages 1"
    )
    assert database_errors() == [
        ("nexi_payments.E023", f"{manual}."),
        ("nexi_payments.E023", f"{two}."),
    ]
    found = [
        (one.section, one.level, one.message, one.data)
        for one in doctor.diagnose(contact_gateways=False)
        if "is not in NEXI_PAYMENTS" in one.message
    ]
    assert found == [
        ("terminal manual", doctor.WARNING, manual, {"payments": 1, "outages": 1}),
        (
            "terminal two",
            doctor.WARNING,
            two,
            {"payments": 4, "operations": 2, "contracts": 1, "outages": 1},
        ),
    ]


def test_settings_that_cannot_be_read_are_one_error_of_their_own(
    order: PaymentOrder, change_settings: Any
) -> None:
    change_settings(SEALED_CARD_TLL=1)
    assert database_errors() == []


def test_an_outage_that_nothing_needs_ends(
    shopper: Shopper, remove: Callable[..., None]
) -> None:
    new_order(terminal="two")
    for name in ("two", "manual"):
        TerminalOutage.objects.create(terminal=name, since=timezone.now(), status=401)
    remove("two", "manual")
    assert terminal_outages.probe() == 0
    assert [one.terminal for one in TerminalOutage.objects.all()] == ["two"]
