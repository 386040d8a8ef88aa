"""When to poll an order next. Pure arithmetic on settings and the order's own times.

After a charge in doubt: 1, 2, 5 and 15 minutes, hourly for a day, then daily. A minute
is a fifteenth of ``SETTLE_AFTER``: a shop, or a test, that settles sooner also polls
sooner. No interval skips the moment of settling or the end of the watch.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from nexi_payments import enums
from nexi_payments.conf import current
from nexi_payments.enums import CaptureMode, OrderState, Reason
from nexi_payments.models import PaymentOrder

_STEPS = (1, 2, 5, 15)
_HOURLY, _DAILY, _FIRST_DAY = 60, 1440, 24

#: Answered inquiries without a charge that prove "not charged", after ``SETTLE_AFTER``.
ENOUGH_ANSWERED_POLLS = 3
#: The same after a complete 4xx to the only send.
ENOUGH_AFTER_REJECTION = 2


class PollState(NamedTuple):
    """The schedule's input. Fields as on ``PaymentOrder``."""

    state: str
    reason: str
    capture: str
    claimed_at: datetime | None
    charging_since: datetime | None
    expires_at: datetime
    gateway_pending: bool
    poll_count: int
    answered_polls: int
    unsettled_since: datetime | None

    @classmethod
    def of(cls, order: PaymentOrder, **changes: Any) -> PollState:
        """Reads the order, with ``changes`` applied."""
        return cls(*(changes.get(name, getattr(order, name)) for name in cls._fields))


def scaled_minutes(count: float) -> timedelta:
    """``count`` minutes, scaled by ``SETTLE_AFTER`` (default: 900 s, no scaling)."""
    return timedelta(seconds=count * current().settle_after / 15)


def settle_at(order: PollState | PaymentOrder) -> datetime | None:
    """When inquiries without a charge begin to prove "not charged"."""
    if order.charging_since is None:
        return None
    return order.charging_since + timedelta(seconds=current().settle_after)


def watch_end(order: PollState | PaymentOrder) -> datetime | None:
    """Until when a late charge is looked for (``WATCH_FOR``)."""
    if order.charging_since is None:
        return None
    return order.charging_since + timedelta(seconds=current().watch_for)


def next_poll(order: PollState, now: datetime, *, answered: bool) -> datetime | None:
    """The next ``next_poll_at``; ``None`` when the watch is over.

    The watch ends only with an answered inquiry after its end.
    """
    settled, end = settle_at(order), watch_end(order)
    if order.state == OrderState.FAILED and (end is None or (answered and now >= end)):
        return None
    if order.state == OrderState.REVIEW and _is_polled_enough(order, now):
        return None
    over = settled is not None and now >= settled and order.state == OrderState.PAYING
    if (
        over
        and answered
        and order.answered_polls < ENOUGH_ANSWERED_POLLS
        and not order.gateway_pending
    ):
        return now  # the time has passed, only answered inquiries are missing
    waiting = order.state in (OrderState.INIT, OrderState.AWAITING_3DS)
    if waiting and order.claimed_at is None and now < order.expires_at:
        return order.expires_at
    watched = end is not None and now >= end
    due = now + _interval(order, watch_ended=watched)
    marks = (settled, end)
    return min([due, *(mark for mark in marks if mark and now < mark < due)])


def _is_polled_enough(order: PollState, now: datetime) -> bool:
    """Whether a review needs no more polls. A person decides a review; polls only
    record captures and refunds, and start again after each operation on it.
    """
    end = watch_end(order)
    return order.poll_count >= len(_STEPS) + _FIRST_DAY and (end is None or now >= end)


def _interval(order: PollState, *, watch_ended: bool) -> timedelta:
    known = order.unsettled_since is None
    manual = order.capture == CaptureMode.MANUAL
    if order.state == OrderState.AUTHORIZED and manual and known:
        return timedelta(days=1)
    if _was_declined(order) and not watch_ended:
        # Nexi gave a final result: poll once at settling and once at the watch's end
        return timedelta(seconds=current().watch_for)
    if order.poll_count < len(_STEPS):
        return scaled_minutes(_STEPS[order.poll_count])
    return scaled_minutes(
        _HOURLY if order.poll_count < len(_STEPS) + _FIRST_DAY else _DAILY
    )


def _was_declined(order: PollState) -> bool:
    return order.state == OrderState.FAILED and order.reason in (
        Reason.DECLINED,
        Reason.NOT_AUTHENTICATED,
    )


def transition_columns(
    order: PaymentOrder, changes: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The columns of the schedule that go with a new state."""
    since = _unsettled_since(order, changes, now)
    new = PollState.of(order, **{**changes, "unsettled_since": since})
    if new.state == OrderState.FAILED and new.charging_since is not None:
        due = next_poll(new, now, answered=False)
        return {
            "watch_until": watch_end(new),
            "next_poll_at": due,
            "unsettled_since": since,
        }
    if new.state in (OrderState.AUTHORIZED, OrderState.REVIEW):
        due = next_poll(new, now, answered=False)
        return {"next_poll_at": due, "unsettled_since": since}
    if new.state in enums.FINAL:
        return {"next_poll_at": None, "unsettled_since": since}
    return {"unsettled_since": since}


def _unsettled_since(
    order: PaymentOrder, changes: Mapping[str, Any], now: datetime
) -> datetime | None:
    """Set while a charge is in doubt or under review. ``totals`` sets it for captures
    and refunds.
    """
    if changes["state"] == OrderState.PAYING:
        return now
    if changes["state"] == OrderState.REVIEW:
        return order.unsettled_since or now
    return None
