"""Days are those of the shop for every reader, and where clocks change at midnight."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from nexi_payments import flows, shop_time
from nexi_payments.admin import changelist
from nexi_payments.emails import receipts
from nexi_payments.models import Operation, PaymentOrder
from tests.support.clerk import ORDERS_URL, Clerk
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.seen_on("sqlite")
TILL = ORDERS_URL + "daily-report/"


class InTokyo:
    """A middleware of the host that activates the zone of each user."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        with timezone.override("Asia/Tokyo"):
            return self.get_response(request)


def csv_rows(answer: Any) -> list[list[str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))[1:]


@pytest.mark.django_db(transaction=True)
def test_a_day_is_the_same_for_every_reader(settings: Any, shopper: Shopper) -> None:
    """23:30 in Rome, where the shop is, is the next morning in Tokyo."""
    order = shopper.pay(new_order(reference="R-1"))
    evening = datetime(2026, 3, 10, 22, 30, tzinfo=UTC)
    Operation.objects.filter(kind="payment").update(settled_at=evening)
    PaymentOrder.objects.filter(pk=order.pk).update(created_at=evening)
    reader = Clerk("view_paymentorder")
    for middleware in ([], [f"{__name__}.InTokyo"]):
        settings.MIDDLEWARE = [*middleware, *settings.MIDDLEWARE]
        with time_machine.travel(evening + timedelta(minutes=5), tick=False):
            report = csv_rows(reader.get(TILL, format="csv"))
            listed = csv_rows(reader.get(ORDERS_URL + "export/", created="today"))
        assert [(row[0], row[-1]) for row in report] == [("2026-03-10", "12.50")]
        assert [(row[0], row[2]) for row in listed] == [
            ("2026-03-10 23:30:00+01:00", "R-1")
        ]


@pytest.mark.django_db(transaction=True)
def test_a_receipt_has_the_shops_time(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    at = datetime(2026, 3, 10, 22, 30, tzinfo=UTC)
    PaymentOrder.objects.filter(pk=order.pk).update(charging_since=at)
    order.refresh_from_db()
    with timezone.override("Asia/Tokyo"):
        assert receipts.send(order, "c@example.org", "en")
    assert "March 10, 2026, 11:30 p.m." in mail.outbox[0].body


@pytest.mark.django_db(transaction=True)
def test_the_last_day_of_a_contract_is_the_shops(settings: Any) -> None:
    """It is still 30 June in Rome where it is 1 July for who activates Tokyo."""
    terms = flows.ContractTerms(interval_days=30, until=date(2026, 6, 30))
    moment = datetime(2026, 6, 30, 20, tzinfo=UTC)
    with time_machine.travel(moment, tick=False), timezone.override("Asia/Tokyo"):
        order = new_order(contract=terms)
    assert order.contract is not None


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("Europe/Rome", date(2026, 3, 29), "2026-03-28T23:00:00"),
        ("Europe/Rome", date(2026, 3, 30), "2026-03-29T22:00:00"),
        ("Europe/Rome", date(2026, 10, 25), "2026-10-24T22:00:00"),
        ("Europe/Rome", date(2026, 10, 26), "2026-10-25T23:00:00"),
        # no midnight: the clock goes from 00:00 to 01:00
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00:00"),
        # midnight twice: the clock goes from 01:00 to 00:00
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00"),
    ],
)
def test_where_a_day_begins(settings: Any, zone: str, day: date, begins: str) -> None:
    settings.TIME_ZONE = zone
    found = shop_time.start_of_day(day).astimezone(UTC)
    assert found.replace(tzinfo=None).isoformat() == begins
    # the days of a year have neither gap nor overlap
    ends = shop_time.start_of_day(day + timedelta(days=1)).astimezone(UTC)
    assert timedelta(hours=23) <= ends - found <= timedelta(hours=25)


def test_today_in_the_hour_that_comes_twice(settings: Any) -> None:
    """Havana, 00:30 for the second time: today began at the first midnight."""
    settings.TIME_ZONE = "America/Havana"
    second = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    with time_machine.travel(second, tick=False):
        assert shop_time.today() == date(2026, 11, 1)
        found = changelist._date_range("today")
    assert found is not None
    first_midnight = datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert found == (first_midnight, first_midnight + timedelta(hours=25))


def test_a_day_that_is_over_everywhere() -> None:
    with time_machine.travel(datetime(2026, 5, 1, 11, 59, tzinfo=UTC), tick=False):
        assert shop_time.earliest_day_on_earth() == date(2026, 4, 30)
