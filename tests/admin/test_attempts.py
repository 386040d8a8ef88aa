"""The list has one line for each purchase: failed attempts are folded or hidden."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nexi_payments import flows
from nexi_payments.admin import attempts
from nexi_payments.models import PaymentOrder
from tests.support.clerk import ORDERS_URL, Clerk, order_url
from tests.support.in_doubt import payment_in_doubt
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def listed(clerk: Clerk, **query: str) -> list[int]:
    """The payments of the list, newest first."""
    page = clerk.get(ORDERS_URL, **query)
    return [one.pk for one in page.context["cl"].result_list]


def failed(reference: str | None, reason: str, **columns: Any) -> PaymentOrder:
    order = new_order(reference=reference)
    PaymentOrder.objects.filter(pk=order.pk).update(
        state="failed", reason=reason, live_reference=None, **columns
    )
    return order


def test_attempts_on_hidden_terminals_are_neither_shown_nor_hide(
    clerk: Clerk, shopper: Shopper, change_settings: Any
) -> None:
    first = shopper.pay(new_order(reference="R-1"), "declined")
    second = shopper.pay(new_order(reference="R-1", terminal="manual"))
    assert listed(clerk) == [second.pk]
    change_settings(TERMINAL_RIGHTS={"Branch": {"default": ["see"]}})
    clerk.user.groups.add(Group.objects.create(name="Branch"))
    assert listed(clerk) == [first.pk]
    page = clerk.get_text(ORDERS_URL)
    assert "attempts</summary>" not in page
    assert second.order_id not in page


def test_attempts_are_folded_under_the_newest(clerk: Clerk, shopper: Shopper) -> None:
    first = shopper.pay(new_order(reference="R-1"), "declined")
    second = shopper.pay(new_order(reference="R-1"), "declined")
    paid = shopper.pay(new_order(reference="R-1"))
    other = new_order(reference="R-2")
    assert listed(clerk) == [other.pk, paid.pk]
    page = clerk.get_text(ORDERS_URL)
    assert page.count("<summary>3 attempts</summary>") == 1
    folded = re.search(r'<details class="nexi-attempts">.*?</details>', page, re.S)
    assert folded
    for one in (first, second):
        assert f'href="{order_url(one)}"' in folded[0]
    assert "declined" in folded[0]
    assert listed(clerk, attempts="all") == [other.pk, paid.pk, second.pk, first.pk]
    assert "attempts</summary>" not in clerk.get_text(ORDERS_URL, attempts="all")
    # who searches sees what there is
    assert listed(clerk, q="R-1") == [paid.pk, second.pk, first.pk]


def test_the_newest_alone_is_shown_of_failed_ones(
    clerk: Clerk, shopper: Shopper
) -> None:
    shopper.pay(new_order(reference="R-1"), "declined")
    last = shopper.pay(new_order(reference="R-1"), "declined")
    assert listed(clerk) == [last.pk]
    page = clerk.get_text(ORDERS_URL)
    assert "<summary>2 attempts</summary>" in page
    assert "<small>not enough money (116)</small>" in page


def test_money_is_never_folded(clerk: Clerk, shopper: Shopper) -> None:
    refunded = shopper.pay(new_order(reference="R-1"))
    flows.refund(refunded)
    late = shopper.pay(new_order(reference="R-1"), "declined")
    assert listed(clerk) == [late.pk, refunded.pk]
    unknown = payment_in_doubt(shopper, reference="R-2")
    PaymentOrder.objects.filter(pk=unknown.pk).update(
        state="failed", reason="superseded", live_reference=None
    )
    assert unknown.pk in listed(clerk)


def test_what_was_replaced_or_never_started_is_hidden(clerk: Clerk) -> None:
    failed("R-1", "superseded")
    failed("R-2", "expired")
    failed(None, "expired")
    came_back_late = failed("R-3", "expired", gateway_operation_id="op-1")
    nobody_yet = new_order(reference="R-4")
    assert listed(clerk) == [nobody_yet.pk, came_back_late.pk]
    page = clerk.get_text(ORDERS_URL, attempts="all")
    assert page.count("nexi-quiet") == 4  # and the one that waits for a card
    assert "replaced by another attempt" in page


def test_attempts_are_one_bounded_question(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(40):
        failed(f"R-{place % 4}", "declined")
    for place in range(4):
        new_order(reference=f"R-{place}")
    clerk.get_text(ORDERS_URL)
    with CaptureQueriesContext(connection) as asked:
        page = clerk.get_text(ORDERS_URL, created="today")
    about = [
        one["sql"]
        for one in asked.captured_queries
        if "reference" in one["sql"]
        and " IN (" in one["sql"]
        and "LIMIT 501" in one["sql"]
    ]
    assert len(about) == 1
    assert page.count("<summary>11 attempts</summary>") == 4
    monkeypatch.setattr(attempts, "MAX_ATTEMPTS", 12)
    page = clerk.get_text(ORDERS_URL)
    assert "attempts or more</summary>" in page
    assert "11 attempts</summary>" not in page
