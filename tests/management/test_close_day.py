"""``nexi_close_day``: what it prints, keeps and refuses."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from nexi_payments.models import DayClosing, Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.backups import forget
from tests.support.closing_day import DAY, DayClock
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def close_day(**options: Any) -> list[str]:
    out = io.StringIO()
    call_command("nexi_close_day", stdout=out, stderr=out, **options)
    return out.getvalue().splitlines()


def test_the_last_day_that_is_over(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    shopper.pay(new_order())
    day_clock.after_the_day()
    summary = "2026-01-15 Europe/Rome: {}matched=1 missing_here=0 missing_there=0"
    summary += " different=0"
    assert close_day(dry_run=True) == [summary.format("")]
    assert DayClosing.objects.count() == 0
    assert close_day() == [summary.format("revision=1 ")]
    asked = gateway.counts["GET /operations"]
    assert close_day() == [summary.format("revision=1 ")]  # kept, not asked again
    assert gateway.counts["GET /operations"] == asked
    assert close_day(again=True) == [summary.format("revision=2 ")]
    assert DayClosing.objects.count() == 2


def test_differences_and_what_they_lead_to(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    lost = shopper.pay(new_order())
    order = shopper.pay(new_order())
    forget(lost)
    Operation.objects.filter(order=order, kind="payment").update(amount=1249)
    day_clock.after_the_day()
    lines = close_day(follow_up=True)
    assert set(lines) == {
        f"missing_here default {lost.order_id} {lost.gateway_operation_id} here: -;"
        " at Nexi: AUTHORIZATION EXECUTED 1250 EUR",
        f"different amount default {order.order_id} {order.gateway_operation_id} here:"
        " payment done 1249 EUR; at Nexi: AUTHORIZATION EXECUTED 1250 EUR",
        "2026-01-15 Europe/Rome: revision=1 matched=0 missing_here=1 missing_there=0"
        " different=1",
        f"{lost.order_id} → review",
        f"{order.order_id} → paid",
    }
    assert PaymentOrder.objects.get(order_id=lost.order_id).captured_amount == 1250


def test_lines_for_scripts(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    lost = shopper.pay(new_order())
    forget(lost)
    day_clock.after_the_day()
    head, total, difference = map(json.loads, close_day(json=True))
    assert head == {
        "record": "closing",
        "day": "2026-01-15",
        "revision": 1,
        "zone": "Europe/Rome",
        "starts_at": "2026-01-14T23:00:00Z",
        "ends_at": "2026-01-15T23:00:00Z",
        "closed_at": head["closed_at"],
        "closed_by_name": "",
        "terminals": ["default", "two", "manual", "moto"],
        "matched": 0,
        "missing_here": 1,
        "missing_there": 0,
        "different": 0,
        "without_money": 0,
        "of_others": 0,
        "omitted": 0,
    }
    assert total == {
        "record": "total",
        "terminal": "default",
        "channel": "",
        "method": "",
        "circuit": "VISA",
        "currency": "EUR",
        "clerk": "",
        "movement": "charge",
        "count": 0,
        "amount": 0,
        "count_at_nexi": 1,
        "amount_at_nexi": 1250,
    }
    assert difference == {
        "record": "difference",
        "kind": "missing_here",
        "aspects": [],
        "terminal": "default",
        "order_id": lost.order_id,
        "reference": "",
        "operation_id": lost.gateway_operation_id,
        "our_kind": "",
        "our_outcome": "",
        "our_amount": None,
        "our_currency": "",
        "their_type": "AUTHORIZATION",
        "their_result": "EXECUTED",
        "their_amount": 1250,
        "their_currency": "EUR",
        "at": difference["at"],
    }


def test_what_is_refused(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    with pytest.raises(CommandError) as caught:
        close_day(date=DAY)
    text = "2026-01-15 cannot be closed before 2026-01-16T01:00:00+00:00"
    assert str(caught.value) == text
    day_clock.after_the_day()
    gateway.next_reply("/operations", Reply(500))
    with pytest.raises(CommandError) as caught:
        close_day(date=DAY)
    assert str(caught.value).startswith("Nexi did not answer: unexpected status")
    with pytest.raises(CommandError) as caught:
        call_command("nexi_close_day", "--date", "15.1.2026")
    assert "a date like 2026-01-31" in str(caught.value)
    assert DayClosing.objects.count() == 0


def test_a_follow_up_without_an_answer(
    shopper: Shopper, gateway: Simulator, day_clock: DayClock
) -> None:
    lost = shopper.pay(new_order())
    forget(lost)
    day_clock.after_the_day()
    gateway.next_reply(f"/orders/{lost.order_id}", Reply(500))
    lines = close_day(follow_up=True)
    assert lines[-1].startswith(f"{lost.order_id}: unexpected status")
    assert PaymentOrder.objects.count() == 0
