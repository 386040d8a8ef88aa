"""When to look again. Pure arithmetic on the settings and an order's own times.

The rhythm after a doubtful charge is 1, 2, 5 and 15 minutes, hourly for a day, then
daily. A minute is a fifteenth of ``SETTLE_AFTER``, so that a shop, or a test, which
settles sooner also looks sooner. No step jumps over the moment of settling or the end
of the watch.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from nexi_payments import states
from nexi_payments.conf import current
from nexi_payments.models import PaymentOrder
from nexi_payments.states import Reason

_STEPS = (1, 2, 5, 15)
_HOURLY, _DAILY, _FIRST_DAY = 60, 1440, 24

#: So many good looks without a charge, and time, make silence evidence.
ENOUGH_LOOKS = 3
#: A complete 4xx ended the only send: two good looks are enough.
ENOUGH_AFTER_REFUSAL = 2


class Situation(NamedTuple):
    """What the schedule depends on; fields as on ``PaymentOrder``."""

    state: str
    reason: str
    capture: str
    claimed_at: datetime | None
    charging_since: datetime | None
    expires_at: datetime
    pending_at_nexi: bool
    looks: int
    good_looks: int
    unsettled_since: datetime | None

    @classmethod
    def of(cls, order: PaymentOrder, **changes: Any) -> Situation:
        """The order as it is, or as it will be with ``changes``."""
        return cls(*(changes.get(name, getattr(order, name)) for name in cls._fields))


def minutes(count: float) -> timedelta:
    return timedelta(seconds=count * current().settle_after / 15)


def settle_at(order: Situation | PaymentOrder) -> datetime | None:
    if order.charging_since is None:
        return None
    return order.charging_since + timedelta(seconds=current().settle_after)


def watch_end(order: Situation | PaymentOrder) -> datetime | None:
    if order.charging_since is None:
        return None
    return order.charging_since + timedelta(seconds=current().watch_for)


def next_look(order: Situation, now: datetime, *, good: bool) -> datetime | None:
    """The next ``due_at``; ``None`` when the watch is over.

    Not without an answer: what was said last must have been said by the gateway.
    """
    settled, end = settle_at(order), watch_end(order)
    if order.state == states.FAILED and (end is None or (good and now >= end)):
        return None
    if order.state == states.REVIEW and _seen_enough(order, now):
        return None
    over = settled is not None and now >= settled and order.state == states.PAYING
    if over and good and order.good_looks < ENOUGH_LOOKS and not order.pending_at_nexi:
        return now  # the time is over, only looks are lacking
    waiting = order.state in (states.INIT, states.AWAITING_3DS)
    if waiting and order.claimed_at is None and now < order.expires_at:
        return order.expires_at
    watched = end is not None and now >= end
    due = now + _wait(order, watched=watched)
    marks = (settled, end)
    return min([due, *(mark for mark in marks if mark and now < mark < due)])


def _seen_enough(order: Situation, now: datetime) -> bool:
    """A person decides a review. Until then, and after each thing that is done to it,
    Nexi is asked for a while: what it shows of the money is written down."""
    end = watch_end(order)
    return order.looks >= len(_STEPS) + _FIRST_DAY and (end is None or now >= end)


def _wait(order: Situation, *, watched: bool) -> timedelta:
    known = order.unsettled_since is None
    manual = order.capture == states.CAPTURE_MANUAL
    if order.state == states.AUTHORIZED and manual and known:
        return timedelta(days=1)
    if _was_answered(order) and not watched:
        # we were told the end; one look when all has settled and one when all is over
        return timedelta(seconds=current().watch_for)
    if order.looks < len(_STEPS):
        return minutes(_STEPS[order.looks])
    return minutes(_HOURLY if order.looks < len(_STEPS) + _FIRST_DAY else _DAILY)


def _was_answered(order: Situation) -> bool:
    return order.state == states.FAILED and order.reason in (
        Reason.DECLINED,
        Reason.NOT_AUTHENTICATED,
    )


def after_move(
    order: PaymentOrder, changes: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """``due_at``, the watch and ``unsettled_since`` that go with a new state."""
    since = _unsettled_since(order, changes, now)
    soon = Situation.of(order, **{**changes, "unsettled_since": since})
    if soon.state == states.FAILED and soon.charging_since is not None:
        due = next_look(soon, now, good=False)
        return {
            "watch_until": watch_end(soon),
            "due_at": due,
            "unsettled_since": since,
        }
    if soon.state in (states.AUTHORIZED, states.REVIEW):
        due = next_look(soon, now, good=False)
        return {"due_at": due, "unsettled_since": since}
    if soon.state in states.FINAL:
        return {"due_at": None, "unsettled_since": since}
    return {"unsettled_since": since}


def _unsettled_since(
    order: PaymentOrder, changes: Mapping[str, Any], now: datetime
) -> datetime | None:
    """Money may be on its way, or the evidence contradicts itself. What captures and
    refunds leave open is counted by ``tally``."""
    if changes["state"] == states.PAYING:
        return now
    if changes["state"] == states.REVIEW:
        return order.unsettled_since or now
    return None
