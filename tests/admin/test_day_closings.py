"""Closing a day in the admin: the form, the page, its files, and the follow-up."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from nexi_payments import flows
from nexi_payments.models import (
    ClosingDifference,
    DayClosing,
    Operation,
    PaymentOrder,
)
from nexi_payments.simulator import Reply, Simulator
from tests.support.backups import forget
from tests.support.clerk import PERMISSIONS, Clerk, order_url
from tests.support.closing_day import DAY, NOON, DayClock
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/nexi_payments/dayclosing/"
FORM = LIST + "close/"


@pytest.fixture
def bookkeeper(gateway: Simulator) -> Clerk:
    return Clerk("close_day", name="berta")


def page_of(closing: DayClosing) -> str:
    return f"{LIST}{closing.pk}/change/"


def text_of(response: Any) -> str:
    body = b"".join(response.streaming_content)
    return str(body.decode())


def test_a_bookkeeper_closes_a_day(
    shopper: Shopper, bookkeeper: Clerk, day_clock: DayClock
) -> None:
    shopper.pay(new_order(amount=Decimal("30.00")))
    paid = shopper.pay(new_order(amount=Decimal("5.00")))
    flows.refund(paid, Decimal("1.00"))
    day_clock.after_the_day()
    form = bookkeeper.get_text(FORM)
    assert 'value="2026-01-15"' in form  # the last day that can be closed
    assert "midnight in Europe/Rome. It can be closed 2 hours after its end." in form
    response = bookkeeper.post(FORM, day="2026-01-15")
    closing = DayClosing.objects.get()
    assert (response.status_code, response.url) == (302, page_of(closing))
    assert (closing.day, closing.closed_by) == (DAY, bookkeeper.user)
    page = bookkeeper.get_text(page_of(closing))
    assert "This shop and Nexi agree." in page
    assert "3 operations are the same on both sides." in page
    assert "The day in Europe/Rome: from" in page
    assert "Closing 1:" in page
    assert "berta" in page
    cells = re.findall(r'<td class="nexi-number">([^<]*)</td>', page)
    assert cells[:2] == ["34.00 EUR (3)", "34.00 EUR (3)"]
    (entry,) = LogEntry.objects.all()
    assert (entry.object_id, entry.change_message) == (
        *(str(closing.pk), "The day was closed."),
    )
    assert "Jan. 15, 2026" in bookkeeper.get_text(LIST)


def test_a_closed_day_is_not_closed_again_by_mistake(
    shopper: Shopper, bookkeeper: Clerk, day_clock: DayClock
) -> None:
    shopper.pay(new_order())
    day_clock.after_the_day()
    bookkeeper.post(FORM, day="2026-01-15")
    response = bookkeeper.post(FORM, day="2026-01-15")
    assert response.status_code == 409
    assert "This day was closed before." in response.content.decode()
    assert DayClosing.objects.count() == 1
    first = DayClosing.objects.get()
    bookkeeper.post(FORM, day="2026-01-15", again="on")
    second = DayClosing.objects.get(revision=2)
    assert page_of(second) in bookkeeper.get_text(page_of(first))
    assert page_of(first) not in bookkeeper.get_text(page_of(second))


@pytest.mark.parametrize("day", ["", "yesterday", "2026-02-30"])
def test_a_day_that_is_none(bookkeeper: Clerk, day_clock: DayClock, day: str) -> None:
    response = bookkeeper.post(FORM, day=day)
    assert response.status_code == 400
    assert DayClosing.objects.count() == 0


def test_today_is_not_closed(bookkeeper: Clerk, day_clock: DayClock) -> None:
    response = bookkeeper.post(FORM, day="2026-01-15")
    assert response.status_code == 409
    text = "This day is not over. It can be closed from 16 Jan 2026, 02:00 on."
    assert text in response.content.decode()
    assert DayClosing.objects.count() == 0


def test_nexi_does_not_answer(
    shopper: Shopper, bookkeeper: Clerk, gateway: Simulator, day_clock: DayClock
) -> None:
    shopper.pay(new_order())
    day_clock.after_the_day()
    gateway.next_reply("/operations", Reply(500))
    response = bookkeeper.post(FORM, day="2026-01-15")
    assert response.status_code == 503
    assert "so the day was not closed" in response.content.decode()
    assert DayClosing.objects.count() == 0
    assert LogEntry.objects.count() == 0


def test_the_page_has_one_time_limit_for_all_calls(
    shopper: Shopper,
    bookkeeper: Clerk,
    gateway: Simulator,
    day_clock: DayClock,
    change_settings: Any,
) -> None:
    shopper.pay(new_order())
    day_clock.after_the_day()
    change_settings(TOTAL_TIMEOUT=0.001)
    assert bookkeeper.post(FORM, day="2026-01-15").status_code == 503
    assert DayClosing.objects.count() == 0


@pytest.fixture
def different(shopper: Shopper, day_clock: DayClock) -> DayClosing:
    """A closing of a day with an unknown payment, and one of another amount."""
    lost = shopper.pay(new_order(reference="R-1", amount=Decimal("9.00")))
    shopper.pay(new_order(reference="R-2"))
    forget(lost)
    Operation.objects.filter(kind="payment").update(amount=1000)
    day_clock.after_the_day()
    return flows.close_day(DAY)


def test_each_difference_leads_to_its_payment(
    different: DayClosing, bookkeeper: Clerk
) -> None:
    order = PaymentOrder.objects.get()
    page = bookkeeper.get_text(page_of(different))
    assert "2 differences between this shop and Nexi." in page
    assert "<strong>missing here</strong>" in page
    assert "<strong>different</strong>: amount" in page
    assert "10.00 EUR" in page
    assert "AUTHORIZATION · EXECUTED · 9.00 EUR" in page
    assert order_url(order) not in page  # may not see payments
    assert "follow-up" not in page
    reader = Clerk("view_dayclosing", "view_paymentorder", name="reader")
    assert order_url(order) in reader.get_text(page_of(different))


def test_the_files(different: DayClosing, bookkeeper: Clerk) -> None:
    order = PaymentOrder.objects.get()
    response = bookkeeper.get(f"{LIST}{different.pk}/csv/")
    assert response["Content-Disposition"] == (
        'attachment; filename="closed-day-2026-01-15-1.csv"'
    )
    rows = list(csv.DictReader(io.StringIO(text_of(response).lstrip("\ufeff"))))
    totals = [row for row in rows if row["record"] == "total"]
    assert [
        (row["channel"], row["amount"], row["amount_at_nexi"]) for row in totals
    ] == [("", "0.00", "9.00"), ("shop", "10.00", "12.50")]
    (one,) = [row for row in rows if row["kind"] == "different"]
    assert (one["order_id"], one["reference"], one["aspects"]) == (
        *(order.order_id, "R-2", "amount"),
    )
    assert (one["amount"], one["amount_at_nexi"]) == ("10.00", "12.50")
    response = bookkeeper.get(f"{LIST}{different.pk}/json/")
    assert response["Cache-Control"].startswith("private, no-store")
    lines = [json.loads(line) for line in text_of(response).splitlines()]
    assert [line["record"] for line in lines] == [
        *("closing", "total", "total", "difference", "difference"),
    ]
    assert {line.get("their_amount") for line in lines} == {None, 900, 1250}


def test_a_difference_is_followed_up(
    different: DayClosing, gateway: Simulator, day_clock: DayClock
) -> None:
    anna = Clerk("view_dayclosing", "reconcile_payment", name="anna")
    unknown = different.differences.get(kind="missing_here")
    url = f"{LIST}difference/{unknown.pk}/follow-up/"
    assert url in anna.get_text(page_of(different))
    assert anna.get(url).status_code == 302  # only a POST asks
    assert PaymentOrder.objects.count() == 1
    gateway.next_reply(f"/orders/{unknown.order_id}", Reply(500))
    anna.post(url)
    assert "Nexi does not answer." in anna.get_text(page_of(different))
    assert PaymentOrder.objects.count() == 1
    response = anna.post(url)
    assert (response.status_code, response.url) == (302, page_of(different))
    order = PaymentOrder.objects.get(order_id=unknown.order_id)
    assert (order.state, order.captured_amount) == ("review", 900)
    assert "Nexi was asked." in anna.get_text(page_of(different))
    assert list(different.differences.values_list("kind", flat=True)) == [
        *ClosingDifference.objects.values_list("kind", flat=True)
    ]


def test_what_cannot_be_taken_over(different: DayClosing) -> None:
    anna = Clerk("view_dayclosing", "reconcile_payment", name="anna")
    unknown = different.differences.get(kind="missing_here")
    ClosingDifference.objects.filter(pk=unknown.pk).update(order_id="OTHERS-1")
    anna.post(f"{LIST}difference/{unknown.pk}/follow-up/")
    assert "Nexi shows no money of this order" in anna.get_text(page_of(different))
    assert PaymentOrder.objects.count() == 1


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("view_dayclosing", {"list", "page", "csv", "json"}),
        ("close_day", {"list", "page", "csv", "json", "form", "close"}),
        *(
            (permission, set())
            for permission in PERMISSIONS
            if permission != "reconcile_payment"
        ),
        ("reconcile_payment", {"follow-up"}),
    ],
)
def test_who_may_do_what(
    different: DayClosing, permission: str, allowed: set[str]
) -> None:
    clerk = Clerk(permission, name="someone")
    one = different.differences.get(kind="missing_here")
    pages = {
        "list": lambda: clerk.get(LIST),
        "page": lambda: clerk.get(page_of(different)),
        "csv": lambda: clerk.get(f"{LIST}{different.pk}/csv/"),
        "json": lambda: clerk.get(f"{LIST}{different.pk}/json/"),
        "form": lambda: clerk.get(FORM),
        "close": lambda: clerk.post(FORM, day="2026-01-15", again="on"),
        "follow-up": lambda: clerk.post(f"{LIST}difference/{one.pk}/follow-up/"),
    }
    for name, ask in pages.items():
        assert (ask().status_code != 403) == (name in allowed), name
    assert DayClosing.objects.count() == 1 + ("close" in allowed)
    assert PaymentOrder.objects.count() == 1 + ("follow-up" in allowed)


def test_a_day_in_the_zone_of_the_shop_whoever_looks(
    shopper: Shopper, bookkeeper: Clerk, day_clock: DayClock, settings: Any
) -> None:
    shopper.pay(new_order())
    day_clock.move_to(NOON + timedelta(days=1))
    settings.TIME_ZONE = "Asia/Tokyo"
    bookkeeper.post(FORM, day="2026-01-15")
    closing = DayClosing.objects.get()
    page = bookkeeper.get_text(page_of(closing))
    assert "The day in Asia/Tokyo: from Jan. 15, 2026, midnight to" in page
