"""When Nexi's totals are a reason to inquire."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments.enums import OrderState
from nexi_payments.flows.inquiry.listing import Difference, differs
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import PaymentOrder

pytestmark = pytest.mark.seen_on("sqlite")

NOW = timezone.now()
MINUTES = timedelta(minutes=1)


def ours(state: str, held: int = 0, captured: int = 0, **more: int) -> PaymentOrder:
    return PaymentOrder(
        order_id="A1",
        state=state,
        authorized_amount=held,
        captured_amount=captured,
        **more,
    )


def theirs(held: int | None, captured: int | None, last: str = "") -> OrderResult:
    return OrderResult("A1", 100, "EUR", held, captured, last, NOW)


@pytest.mark.parametrize(
    ("order", "listed", "expected"),
    [
        # nothing happened
        (ours(OrderState.INIT), theirs(0, 0), False),
        (ours(OrderState.INIT), theirs(None, None), False),
        (ours(OrderState.FAILED), theirs(0, 0), False),
        (ours(OrderState.AUTHORIZED, 100), theirs(100, 0), False),
        (ours(OrderState.PAID, 100, 100), theirs(100, 100, "AUTHORIZATION"), False),
        (ours(OrderState.PAID, 100, 100), theirs(100, 100, "CAPTURE"), False),
        # paid since
        (ours(OrderState.INIT), theirs(100, 0), True),
        (ours(OrderState.INIT), theirs(None, 100), True),
        (ours(OrderState.AWAITING_3DS), theirs(100, 100), True),
        (ours(OrderState.FAILED), theirs(100, 100), True),
        (ours(OrderState.PAYING), theirs(100, 100), False),  # it is polled
        # captured, cancelled or released since
        (ours(OrderState.AUTHORIZED, 100), theirs(100, 60), True),
        (ours(OrderState.AUTHORIZED, 100), theirs(0, 0), True),
        (ours(OrderState.PAID, 100, 60), theirs(100, 100), True),
        (ours(OrderState.PAID, 100, 60), theirs(100, 0), True),
        (ours(OrderState.PAID, 100, 100), theirs(0, 0), True),
        # on its way, or refunded: totals may be counted before or after
        (ours(OrderState.PAID, 100, 60, capturing_amount=40), theirs(100, 100), False),
        (ours(OrderState.PAID, 100, 100, refunded_amount=30), theirs(100, 70), False),
        (ours(OrderState.PAID, 100, 100, refunded_amount=30), theirs(100, 60), True),
        (ours(OrderState.PAID, 100, 100, refunding_amount=30), theirs(100, 70), False),
        (ours(OrderState.PAID, 100, 60, disputed_total=80), theirs(100, 80), False),
        # all money went back: what totals show then is not published
        (ours(OrderState.REFUNDED, 100, 100), theirs(0, 0), False),
        (ours(OrderState.REFUNDED, 100, 100), theirs(100, 100), False),
        (ours(OrderState.VOIDED, 100), theirs(100, 0), False),
        (ours(OrderState.VOIDED, 100), theirs(100, 100), True),
    ],
)
def test_totals(order: PaymentOrder, listed: OrderResult, expected: bool) -> None:
    assert differs(order, listed) is expected


@pytest.mark.parametrize(
    ("last", "newest", "expected"),
    [
        ("REFUND", None, True),
        ("VOID", None, True),
        ("CANCEL", None, True),
        ("REFUND", NOW, False),
        ("REFUND", NOW - MINUTES, False),
        ("REFUND", NOW - 2 * MINUTES, True),
        ("REFUND", NOW + 60 * MINUTES, False),
        ("CAPTURE", None, False),
        ("AUTHORIZATION", None, False),
    ],
)
def test_a_newer_refund(last: str, newest: datetime | None, expected: bool) -> None:
    order = ours(OrderState.PAID, 100, 100, refunded_amount=10)
    assert differs(order, theirs(100, 100, last), newest) is expected


def test_what_is_printed() -> None:
    order: Any = ours(OrderState.PAID, 100, 60, refunded_amount=10)
    listed = theirs(100, 100, "CAPTURE")
    assert str(Difference(listed, order)) == (
        "A1 paid: authorized 100, captured 60, refunded 10;"
        " at Nexi authorized 100, captured 100, last CAPTURE"
    )
    assert str(Difference(theirs(100, None))) == (
        "A1 unknown; at Nexi EUR authorized 100, captured None"
    )
