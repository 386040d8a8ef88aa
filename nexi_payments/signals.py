"""Signals for the shop. The package itself connects no receivers.

Each signal but the last is sent with ``sender=PaymentOrder`` and the keyword arguments
``order`` (its current state) and ``event`` (the ``Event`` row; its ``pk`` identifies a
repetition). They are sent after the commit, at least once, in order for one order, and
repeated until no receiver raises.

``payment_failed``: this attempt ended without money. The shopper may try another card,
which makes a new order with the same reference. While the order is watched
(``WATCH_FOR``), a late charge may still lead to ``payment_paid``. It is also sent for
an attempt that ``flows.cancel`` ended: ``event.reason`` is "cancelled" then,
``event.note`` is the reason that was given, and ``event.actor`` who gave it.

``payment_superseded``: another attempt took this one's place before it was charged.
``event.successor`` is that attempt; it exists already. This is no failure, and
``payment_failed`` is not sent.

``payment_duplicate`` follows ``payment_needs_review``: an attempt that had failed was
charged after all, and another attempt of the same purchase took money or may take it,
or the shop had cancelled it.

The first partial capture sends ``payment_paid``, each later one ``payment_captured``.
``capture_cancelled``: a capture was cancelled; if it was the only one,
``payment_authorized`` follows.

``refund_failed``: a refund of ``flows.enqueue_refund`` was given up. Its row is
``event.queued_refund`` (amount, key, reason, failure). The money has not gone back.

The three signals of contracts come with ``order.contract``. ``order`` is the payment
that created the contract, or the charge that failed. ``contract_on_hold``: the contract
is suspended, and ``event.note`` says why (response code, reason or a sentence).

``discrepancy_found`` is sent with ``sender=Discrepancy`` and ``discrepancy``, the row:
Nexi's records and ours differ, and staff should check it. It is sent once."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from types import FrameType
from typing import Any, Final

from django.dispatch import Signal

from nexi_payments.enums import EventKind

payment_paid = Signal()
payment_authorized = Signal()
payment_failed = Signal()
payment_refunded = Signal()
payment_voided = Signal()
payment_needs_review = Signal()
payment_duplicate = Signal()
payment_superseded = Signal()
payment_captured = Signal()
capture_cancelled = Signal()
refund_failed = Signal()
contract_activated = Signal()
contract_on_hold = Signal()
contract_ended = Signal()
discrepancy_found = Signal()

#: ``Event.kind`` → the signal that is sent.
SIGNAL_BY_EVENT_KIND: Final[dict[str, Signal]] = {
    EventKind.PAID: payment_paid,
    EventKind.AUTHORIZED: payment_authorized,
    EventKind.FAILED: payment_failed,
    EventKind.REFUNDED: payment_refunded,
    EventKind.VOIDED: payment_voided,
    EventKind.REVIEW: payment_needs_review,
    EventKind.DUPLICATE: payment_duplicate,
    EventKind.SUPERSEDED: payment_superseded,
    EventKind.CAPTURED: payment_captured,
    EventKind.CAPTURE_CANCELLED: capture_cancelled,
    EventKind.REFUND_FAILED: refund_failed,
    EventKind.CONTRACT_ACTIVATED: contract_activated,
    EventKind.CONTRACT_SUSPENDED: contract_on_hold,
    EventKind.CONTRACT_ENDED: contract_ended,
}


def receiver_names(signal: Signal) -> list[str]:
    """Dotted names of the connected receivers that still exist."""
    names = []
    for entry in signal.receivers:
        receiver: Any = entry[1]
        if isinstance(receiver, weakref.ReferenceType):
            receiver = receiver()
        if receiver is not None:
            names.append(receiver_name(receiver))
    return names


def receiver_name(receiver: Any) -> str:
    """The dotted name of a receiver, for logs and pages of staff."""
    name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
    return f"{getattr(receiver, '__module__', '?')}.{name}"


def running_receiver(frames: Iterable[FrameType]) -> str:
    """The dotted name of the receiver that a stack is in, outermost frame first; "?" if
    there is none, or it is not written in Python.
    """
    in_dispatcher = False
    for frame in frames:
        module = str(frame.f_globals.get("__name__", "?"))
        if module == Signal.__module__:
            in_dispatcher = True
        elif in_dispatcher:
            return f"{module}.{frame.f_code.co_qualname}"
    return "?"
