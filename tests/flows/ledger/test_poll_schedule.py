"""Until when an order is inquired about because of what followed its charge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.flows.ledger import poll_schedule
from nexi_payments.flows.ledger.facts import OperationFacts
from nexi_payments.flows.ledger.poll_schedule import Followed, PollState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
#: ``WATCH_FOR``
WATCH = timedelta(hours=72)


def paid(poll_count: int = 0) -> PollState:
    return PollState(
        OrderState.PAID,
        reason="",
        capture="automatic",
        claimed_at=NOON - WATCH,
        charging_since=NOON - WATCH,
        expires_at=NOON - WATCH,
        gateway_pending=False,
        poll_count=poll_count,
    )


def refund(outcome: str, **more: Any) -> OperationFacts:
    """A refund of ours that was sent at noon."""
    facts: dict[str, Any] = {"send_ended_at": NOON, "created_at": NOON, **more}
    return OperationFacts(2, OperationKind.REFUND, outcome, 300, **facts)


def due(
    row: OperationFacts, after: timedelta, *, answered: bool = True
) -> timedelta | None:
    """How long after noon the next inquiry is due, when the last one was ``after``."""
    now = NOON + after
    followed = poll_schedule.follow([row], now)
    at = poll_schedule.next_poll(paid(), now, answered=answered, followed=followed)
    return None if at is None else at - NOON


def test_a_failed_charge_is_watched_until_an_inquiry_is_answered_after_the_end() -> (
    None
):
    failed = paid()._replace(state=OrderState.FAILED, charging_since=NOON)
    end = NOON + WATCH
    before = end - timedelta(seconds=9)
    assert poll_schedule.next_poll(failed, before, answered=True) == end
    late = end + timedelta(minutes=1)
    assert poll_schedule.next_poll(failed, end, answered=False) == late
    assert poll_schedule.next_poll(failed, end, answered=True) is None


@pytest.mark.parametrize(
    "outcome", [OperationOutcome.DECLINED, OperationOutcome.REJECTED]
)
def test_what_was_given_up_or_rejected_is_watched(outcome: str) -> None:
    row = refund(outcome)
    assert due(row, timedelta()) == timedelta(minutes=1)
    assert due(row, WATCH - timedelta(seconds=9)) == WATCH
    assert due(row, WATCH, answered=False) == WATCH + timedelta(minutes=1)
    assert due(row, WATCH) is None


@pytest.mark.parametrize(
    "row",
    [
        refund(OperationOutcome.DECLINED, result="FAILED"),
        refund(OperationOutcome.DECLINED, adopted=True),
        refund(OperationOutcome.NOT_SENT),
        refund(OperationOutcome.DONE),
    ],
)
def test_what_is_final_is_not(row: OperationFacts) -> None:
    assert poll_schedule.follow([row], NOON) == Followed()
    assert due(row, timedelta()) is None


@pytest.mark.parametrize(
    "outcome",
    [OperationOutcome.OPEN, OperationOutcome.IN_DOUBT, OperationOutcome.ACCEPTED],
)
def test_what_is_on_its_way_is_inquired_about_without_an_end(outcome: str) -> None:
    assert due(refund(outcome), 9 * WATCH) == 9 * WATCH + timedelta(minutes=1)


def test_a_proof_that_needs_only_an_inquiry_comes_one_lag_later() -> None:
    row = refund(OperationOutcome.IN_DOUBT)
    followed = poll_schedule.follow([row], NOON, soon=True)
    for answered, minutes in ((True, 1), (False, 5)):
        at = poll_schedule.next_poll(
            paid(poll_count=2), NOON, answered=answered, followed=followed
        )
        assert at == NOON + timedelta(minutes=minutes)


def test_an_authorization_is_asked_about_daily_again_after_a_watch() -> None:
    """One capture was given up: its watch must not go on as steps for ever."""
    held = paid(poll_count=5)._replace(state=OrderState.AUTHORIZED, capture="manual")
    end = NOON + WATCH
    row = refund(OperationOutcome.DECLINED)
    followed = poll_schedule.follow([row], end)
    assert followed.until == end
    before = end - timedelta(minutes=1)
    at = poll_schedule.next_poll(held, before, answered=True, followed=followed)
    assert at == end
    at = poll_schedule.next_poll(held, end, answered=True, followed=followed)
    assert at == end + timedelta(days=1)


def looks(order: PollState) -> list[timedelta]:
    """How long after noon Nexi is asked, if the order stays as it is at noon."""
    found: list[timedelta] = []
    at: datetime | None = NOON
    while at is not None and len(found) < 20:
        found.append(at - NOON)
        at = poll_schedule.next_poll(order, at, answered=True)
    return found[1:]


@pytest.mark.parametrize(
    "state", [OrderState.PAID, OrderState.VOIDED, OrderState.REFUNDED]
)
def test_a_paid_page_is_asked_about_now_and_then(state: str) -> None:
    """Nothing closes it: somebody may pay once more."""
    page = paid()._replace(
        state=state,
        method="PAYPAL",
        charging_since=NOON,
        expires_at=NOON + timedelta(hours=1),
    )
    minutes, hours, days = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
    assert looks(page) == [
        15 * minutes,
        hours,
        hours + days,
        hours + 2 * days,
        hours + 3 * days,
        hours + 4 * days,
        5 * days,
        7 * days,
        14 * days,
        30 * days,
    ]
    assert looks(page._replace(method="CARDS"))[-5:] == [
        hours + 2 * days,
        3 * days,
        7 * days,
        14 * days,
        30 * days,
    ]
    assert looks(page._replace(method="")) == []
    end = NOON + 30 * days
    assert poll_schedule.next_poll(page, end, answered=False) == end + days
