"""When to poll an order next. Pure arithmetic on settings and the order's own times.

After a charge in doubt: 1, 2, 5 and 15 minutes, hourly for a day, then daily. A minute
is a fifteenth of ``SETTLE_AFTER``: a shop, or a test, that settles sooner also polls
sooner. No interval skips the moment of settling or the end of the watch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from nexi_payments import enums, payment_methods
from nexi_payments.conf import current
from nexi_payments.enums import CaptureMode, OrderState, Reason
from nexi_payments.flows.ledger.facts import OperationFacts
from nexi_payments.models import PaymentOrder

_STEPS = (1, 2, 5, 15)
_HOURLY, _DAILY, _FIRST_DAY = 60, 1440, 24
_AFTER_CONFIRMATION: Final = timedelta(days=2)
_SLOWEST_METHOD: Final = timedelta(days=7)
#: Days after the hosted page was opened.
_LATE_LOOKS: Final = (7, 14, 30)
#: Of a payment on Nexi's hosted page, which may be paid once more.
_MADE: Final = (OrderState.PAID, OrderState.VOIDED, OrderState.REFUNDED)


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
    watch_until: datetime | None = None
    method: str = ""

    @classmethod
    def of(cls, order: PaymentOrder, **changes: Any) -> PollState:
        """Reads the order, with ``changes`` applied."""
        return cls(*(changes.get(name, getattr(order, name)) for name in cls._fields))


def scaled_minutes(count: float) -> timedelta:
    """``count`` minutes, scaled by ``SETTLE_AFTER`` (default: 900 s, no scaling)."""
    return timedelta(seconds=count * current().settle_after / 15)


def retry_delay(attempts: int) -> timedelta:
    """The pause after so many failed attempts (1 or more): 1, 2, 5 and 15 minutes, then
    hourly.
    """
    within = attempts <= len(_STEPS)
    return scaled_minutes(_STEPS[attempts - 1] if within else _HOURLY)


def settle_at(order: PollState | PaymentOrder) -> datetime | None:
    """When inquiries without a charge begin to prove "not charged"."""
    since = _watched_since(order)
    if since is None:
        return None
    return since + timedelta(seconds=current().settle_after)


def watch_for(order: PollState | PaymentOrder) -> timedelta:
    """How long a late charge is looked for: ``WATCH_FOR``, on the hosted page at least
    two days longer than the method may need to confirm.
    """
    settings = current()
    usual = timedelta(seconds=settings.watch_for)
    if order.method == payment_methods.LINK and order.charging_since is not None:
        # it can be paid to its last day, by any method
        open_for = order.expires_at - order.charging_since
        return open_for + max(usual, _SLOWEST_METHOD + _AFTER_CONFIRMATION)
    method = payment_methods.find(order.method, settings.method_overrides)
    if method is None or method.confirms_within is None:
        return usual
    return max(usual, method.confirms_within + _AFTER_CONFIRMATION)


def watch_end(order: PollState | PaymentOrder) -> datetime | None:
    """Until when a late charge is looked for regularly."""
    since = _watched_since(order)
    return None if since is None else since + watch_for(order)


def _late_looks(order: PollState) -> list[datetime]:
    """After the watch: nothing closes a hosted page, so that it may be paid later."""
    end = watch_end(order)
    if end is None or order.charging_since is None or not order.method:
        return []
    looks = (order.charging_since + timedelta(days=days) for days in _LATE_LOOKS)
    return [look for look in looks if look > end]


def _watched_since(order: PollState | PaymentOrder) -> datetime | None:
    """When the charge was sent. An attempt that was cancelled before it is watched from
    its end: ``watch_until`` is set.
    """
    if order.charging_since is not None or order.watch_until is None:
        return order.charging_since
    return order.watch_until - timedelta(seconds=current().watch_for)


class Followed(NamedTuple):
    """What inquiries still look for among an order's captures, voids, refunds and
    cancels.

    ``since``: the oldest one in flight. ``until``: the end of the watch of those that
    were given up or rejected. ``soon``: only another inquiry is missing, to prove an
    absence or to believe a total.
    """

    since: datetime | None = None
    until: datetime | None = None
    soon: bool = False


NOTHING: Final = Followed()


def follow(
    rows: Iterable[OperationFacts], now: datetime, *, soon: bool = False
) -> Followed:
    """What is to be followed among ``rows``. One found just now has no time yet."""
    rows = [row for row in rows if row.kind in enums.POST_CHARGE]
    waiting = [row.created_at or now for row in rows if row.in_flight]
    watched = [row.send_ended_at for row in rows if row.is_watched]
    ends = [
        end + timedelta(seconds=current().watch_for)
        for end in watched
        if end is not None
    ]
    return Followed(min(waiting, default=None), max(ends, default=None), soon)


def next_poll(
    order: PollState, now: datetime, *, answered: bool, followed: Followed = NOTHING
) -> datetime | None:
    """The next ``next_poll_at``; ``None`` when nothing is looked for any more.

    A watch ends only with an answered inquiry after its end.
    """
    settled, end = settle_at(order), watch_end(order)
    if answered and followed.until is not None and now >= followed.until:
        followed = followed._replace(until=None)  # this inquiry was the last
    if order.state in enums.FINAL and not _is_looked_for(
        order, now, answered=answered, followed=followed
    ):
        return None
    if answered and followed.soon:
        return now + scaled_minutes(1)
    waiting = order.state in (OrderState.INIT, OrderState.AWAITING_3DS)
    if waiting and order.claimed_at is None and now < order.expires_at:
        return order.expires_at
    watched = end is not None and now >= end
    late = [look for look in _late_looks(order) if look > now]
    rests = order.state == OrderState.FAILED or _may_come_twice(order, followed)
    if rests and watched and answered and late:
        return late[0]
    due = now + _interval(order, followed, watch_ended=watched)
    marks = [settled, end, followed.until]
    if order.method and order.state != OrderState.FAILED:
        marks.append(order.expires_at)
    if followed.since is not None:
        marks.append(followed.since + timedelta(seconds=current().settle_after))
    return min([due, *(mark for mark in marks if mark and now < mark < due)])


def _is_looked_for(
    order: PollState, now: datetime, *, answered: bool, followed: Followed
) -> bool:
    """Whether an order that the shopper need not wait for is polled."""
    if followed.since is not None or (followed.soon and answered):
        return True
    if followed.until is not None:
        return True
    if order.state == OrderState.FAILED or _may_come_twice(order):
        ends = [watch_end(order), *_late_looks(order)]
        return ends[-1] is not None and not (answered and now >= ends[-1])
    if order.state == OrderState.REVIEW:
        return not _is_polled_enough(order, now)
    return order.state == OrderState.AUTHORIZED


def _may_come_twice(order: PollState, followed: Followed = NOTHING) -> bool:
    """Whether only a second payment on Nexi's hosted page is looked for. Nothing closes
    the page, and no notification need come.
    """
    idle = followed.since is None and followed.until is None
    return bool(order.method) and order.state in _MADE and idle


def _is_polled_enough(order: PollState, now: datetime) -> bool:
    """Whether a review needs no more polls. Staff decide a review; polls only
    record captures and refunds, and start again after each operation on it.
    """
    end = watch_end(order)
    return order.poll_count >= len(_STEPS) + _FIRST_DAY and (end is None or now >= end)


def _interval(order: PollState, followed: Followed, *, watch_ended: bool) -> timedelta:
    idle = followed.since is None and followed.until is None
    manual = order.capture == CaptureMode.MANUAL
    if order.state == OrderState.AUTHORIZED and manual and idle:
        return timedelta(days=1)
    if _may_come_twice(order, followed):
        return timedelta(days=1)  # and when the page is settled, or expires
    if _is_hardly_charged(order) and not watch_ended:
        # poll once at settling and once at the watch's end
        return timedelta(seconds=current().watch_for)
    if order.poll_count < len(_STEPS):
        return scaled_minutes(_STEPS[order.poll_count])
    return scaled_minutes(
        _HOURLY if order.poll_count < len(_STEPS) + _FIRST_DAY else _DAILY
    )


def _is_hardly_charged(order: PollState) -> bool:
    """Whether Nexi gave a final result, or no charge was sent at all. The hosted page
    may let the shopper try again.
    """
    card = order.state == OrderState.FAILED and not order.method
    return card and order.reason in (
        Reason.DECLINED,
        Reason.NOT_AUTHENTICATED,
        Reason.CANCELLED,
    )


def transition_columns(
    order: PaymentOrder, changes: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The columns of the schedule that go with a new state."""
    since = _unsettled_since(order, changes, now)
    new = PollState.of(order, **changes)
    if new.state == OrderState.FAILED and _watched_since(new) is not None:
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
        due = next_poll(new, now, answered=False)
        return {"next_poll_at": due, "unsettled_since": since}
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
