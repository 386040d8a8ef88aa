"""A known card goes through the phone order desk, and is searched for where it must
not be."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail

from nexi_payments.simulator import TEST_CARDS, Simulator
from tests.support import canary
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    Clerk,
    order_from_redirect,
    order_url,
    result_url,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]


@canary.EVERY_CARD
def test_every_ending(
    gateway: Simulator, ears: io.StringIO, capsys: Any, card: Any
) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = order_from_redirect(clerk.create_order())
    fields = {"card_number": card.number, "expiry": card.expiry}
    pages = [clerk.submit_card(order, **fields, security_code=canary.wrong_code(card))]
    assert pages[0].status_code == 400
    pages.append(clerk.submit_card(order, **fields, security_code=card.cvv))
    pages.append(clerk.submit_card(order, **fields, security_code=card.cvv))
    pages.append(clerk.get(result_url(order)))
    pages.append(clerk.get(result_url(order) + "status/"))
    clerk.post(result_url(order) + "email/", email="g@example.com", language="it")
    order.refresh_from_db()
    if order.captured_amount:
        fields = {"amount": "1.00", "expected_remaining": "12.50", "confirmed": "1"}
        pages.append(clerk.post(f"{ORDERS_URL}{order.pk}/refund/", **fields))
        assert len(mail.outbox) == 1
        assert LogEntry.objects.count() >= 3
    for path in (
        ORDERS_URL,
        order_url(order),
        f"{ORDERS_URL}{order.pk}/history/",
        "/admin/",
    ):
        pages.append(clerk.get(path))
    canary.assert_card_nowhere(card, pages, ears, capsys)
    assert "django_admin_log" in ears.getvalue()  # the ears were open


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("nexi_payments.gateway.responses", "parse_payment"),
        ("nexi_payments.flows.ledger.outcomes", "of_charge"),
        ("nexi_payments.flows.ledger.transitions", "write_event"),
        ("nexi_payments.flows.ledger.operations", "_claim"),
        ("nexi_payments.flows.ledger.operations", "_write_settlement"),
        ("nexi_payments.flows.orders.create", "build_purchase"),
        ("nexi_payments.flows.moto", "possible_duplicates"),
        ("nexi_payments.admin.staff_texts", "advice"),
    ],
)
def test_a_defect_anywhere_shows_no_card(
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    ears: io.StringIO,
    failures: canary.Failures,
    module: str,
    name: str,
    debug: bool,
) -> None:
    settings.DEBUG = debug
    clerk = Clerk("take_moto", raise_request_exception=False)
    order = order_from_redirect(clerk.create_order())
    canary.break_at(monkeypatch, f"{module}.{name}")
    pages = [clerk.submit_card(order), clerk.get(result_url(order))]
    assert {page.status_code for page in pages} & {500}
    assert failures.seen
    canary.assert_number_nowhere(TEST_CARDS[0], pages, ears, failures)
    assert gateway.count("POST /orders/moto") <= 1


def test_a_card_number_keyed_into_the_order(
    gateway: Simulator, ears: io.StringIO
) -> None:
    clerk = Clerk("take_moto")
    card = TEST_CARDS[0]
    for field in ("reference", "description", "customer_name", "customer_email"):
        page = clerk.create_order(**{field: f"card {card.number}"})
        assert page.status_code == 400
        assert canary.number_in(page.content.decode(), card) == []
    assert canary.number_in(canary.everything_stored(), card) == []
    assert canary.number_in(ears.getvalue(), card) == []
