"""A day of several pages: exactly the planted differences are found."""

from __future__ import annotations

from datetime import date

import pytest

from nexi_payments import flows
from nexi_payments.flows.closing import days
from nexi_payments.simulator import Simulator
from tests.support import closing_day
from tests.support.closing_day import Planted

pytestmark = pytest.mark.django_db(transaction=True)

OPERATIONS = 3000
DAY = date(2026, 10, 25)  # of 25 hours


def found_in(comparison: flows.DayComparison) -> list[Planted]:
    return sorted(
        (
            Planted(one.kind, one.aspects, one.order_id)
            for one in comparison.differences
        ),
        key=lambda one: one.order_id,
    )


def test_ten_planted_differences_in_three_thousand(gateway: Simulator) -> None:
    closing_day.fill(gateway.store, days.of(DAY), OPERATIONS)
    clean = flows.compare_day(DAY)
    assert (clean.differences, clean.matched) == ([], OPERATIONS)
    assert (clean.without_money, clean.of_others, clean.omitted) == (0, 0, 0)
    assert {line["movement"]: line["amount"] for line in clean.lines} == {
        "charge": 2500 * 1250,
        "refund": 500 * 100,
    }
    assert all(
        (line["count"], line["amount"])
        == (line["count_at_nexi"], line["amount_at_nexi"])
        for line in clean.lines
    )
    assert gateway.counts["GET /operations"] > OPERATIONS / 500
    planted = closing_day.plant(gateway.store)
    found = flows.compare_day(DAY)
    assert found_in(found) == sorted(planted, key=lambda one: one.order_id)
    assert dict(found.counts) == {
        "missing_here": 2,
        "missing_there": 2,
        "different": 6,
    }
