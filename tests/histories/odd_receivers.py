"""Receivers that raise, hang, exit or refund inside the signal, as a shop's may.

What one does depends on the seed, the order's reference, the event and how often it was
delivered: a history does the same again. From the third attempt on all is well.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from nexi_payments import flows, signals
from nexi_payments.enums import EventKind
from nexi_payments.exceptions import NexiPaymentsError

#: What a receiver does → how often, of a hundred.
_WEIGHTS: Final = {"": 78, "raise": 6, "hang": 4, "exit": 4, "refund": 8}
#: Seconds: less than a delivery may take, and more.
_HANGS: Final = (0.4, 4.0)
#: On a virtual clock, it moves that.
wait: Callable[[float], None] = time.sleep
_MONEY: Final = (EventKind.PAID, EventKind.CAPTURED)
_SIGNALS: Final = (
    signals.payment_paid,
    signals.payment_authorized,
    signals.payment_captured,
    signals.payment_refunded,
    signals.payment_voided,
    signals.payment_failed,
    signals.payment_needs_review,
)


def connect() -> None:
    for signal in _SIGNALS:
        signal.connect(receive, dispatch_uid="histories")


def receive(sender: Any, order: Any, event: Any, **kwargs: Any) -> None:
    seed = os.environ.get("HISTORIES_RECEIVERS", "")
    if event.attempts > 1 or not seed:
        return
    words = (seed, order.reference, event.kind, event.attempts)
    dice = random.Random("/".join(str(word) for word in words))
    deed = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    if deed == "raise":
        raise RuntimeError("a receiver of the shop")
    if deed == "hang":
        wait(dice.choice(_HANGS))
    elif deed == "exit":
        raise SystemExit(1)
    elif deed == "refund" and event.kind in _MONEY:
        with suppress(NexiPaymentsError):
            flows.refund(order, Decimal("0.50"), nonce=f"receiver {event.pk}")
