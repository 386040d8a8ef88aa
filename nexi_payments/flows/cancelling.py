"""A capture is rolled back, the day it was made: ``cancel_capture``.

There is no key for this call. It is sent once; what became of it is seen in look-ups.
"""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import F
from django.utils import timezone

from nexi_payments import states
from nexi_payments.exceptions import CaptureNotNamed, MoreThanLeft, WrongState
from nexi_payments.flows import postauth
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.models import Operation, PaymentOrder

#: Nexi's days begin at midnight there.
_ROME: Final = ZoneInfo("Europe/Rome")


def cancel_capture(
    order: PaymentOrder,
    capture: Operation | None = None,
    *,
    nonce: str | None = None,
    actor: Actor = NOBODY,
) -> Operation:
    """Rolls ``capture`` back, all of it: the amount is reserved again, and may be
    captured anew or released. Only on the day of the capture, as Nexi counts days, and
    while nothing of it was refunded; a payment that was booked at once is refunded.

    Without ``capture`` the only one is meant, ``CaptureNotNamed`` when there are
    several. ``nonce`` as in ``capture``. Raises ``WrongState``, ``MoreThanLeft`` (a
    part of it was given back), ``OrderBusy``, ``TerminalUnavailable``: nothing was sent
    then. Otherwise the operation, whose outcome is "accepted" until Nexi confirms,
    "done", "refused" (too late, for example), "not sent" or "in doubt".
    """
    order.refresh_from_db()
    if earlier := postauth.again(order, nonce):
        return earlier
    of = capture or _the_only(order)
    known = of.order_id == order.pk and of.kind == states.CAPTURE
    if order.state != states.PAID or not known or of.outcome != states.DONE:
        raise WrongState(order)
    if not of.gateway_operation_id:
        raise WrongState(order)  # booked by itself: Nexi has no capture to roll back
    left = postauth.left_of(of)
    if left != of.amount:
        raise MoreThanLeft(order, left)
    guard = {
        "captured_amount": F("refunded_amount")
        + F("refunding_amount")
        + order.left_to_refund
    }
    return postauth.ask(
        order,
        states.CANCEL,
        left,
        target=of.gateway_operation_id,
        of=of,
        guard=guard,
        nonce=nonce,
        actor=actor,
    )


def cancellable(order: PaymentOrder) -> list[Operation]:
    """The captures that may still be rolled back today, oldest first."""
    if order.state != states.PAID:
        return []
    return [
        one
        for one in postauth.captures(order)
        if one.gateway_operation_id and is_of_today(one) and _untouched(one)
    ]


def is_of_today(capture: Operation) -> bool:
    """Made on this day, in Nexi's time zone."""
    today = timezone.now().astimezone(_ROME).date()
    return capture.created_at.astimezone(_ROME).date() == today


def _untouched(capture: Operation) -> bool:
    return postauth.left_of(capture) == capture.amount


def _the_only(order: PaymentOrder) -> Operation:
    made = postauth.captures(order)
    if not made:
        raise WrongState(order)
    if len(made) > 1:
        raise CaptureNotNamed(order)
    return made[0]
