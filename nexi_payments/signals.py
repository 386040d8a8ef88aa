"""What the shop may listen to. We only send; nothing inside is wired with signals.

Each of them but the last is sent with ``sender=PaymentOrder`` and the keyword arguments
``order`` (the order as it is now) and ``event`` (the ``Event`` row; its ``pk`` is the
key to recognise a repetition by). They are sent after the commit, at least once, in
order for one order, and repeated until no receiver raises.

``payment_failed`` says that this attempt ended without money. The shopper may try
another card, which makes a new order with the same reference; and for as long as the
order is watched (``WATCH_FOR``) a late charge may turn it into ``payment_paid``.

The first capture in part is told as ``payment_paid``, each later one as
``payment_captured``. ``capture_cancelled`` tells that one was rolled back; when it was
the only one, ``payment_authorized`` follows.

The three of contracts come with ``order.contract``; ``order`` is the payment that made
it, or the charge that failed (``contract_on_hold``).

``gateway_break`` is sent with ``sender=Break`` and ``record``, the row: Nexi and we
disagree about something, and a person should look.
"""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

from nexi_payments import states

payment_paid = Signal()
payment_authorized = Signal()
payment_failed = Signal()
payment_refunded = Signal()
payment_voided = Signal()
payment_needs_review = Signal()
payment_captured = Signal()
capture_cancelled = Signal()
contract_activated = Signal()
contract_on_hold = Signal()
contract_ended = Signal()
gateway_break = Signal()

#: ``Event.kind`` → the signal that tells it.
BY_KIND: Final[dict[str, Signal]] = {
    states.PAID: payment_paid,
    states.AUTHORIZED: payment_authorized,
    states.FAILED: payment_failed,
    states.REFUNDED: payment_refunded,
    states.VOIDED: payment_voided,
    states.REVIEW: payment_needs_review,
    "captured": payment_captured,
    "cancelled": capture_cancelled,
    "contract_active": contract_activated,
    "contract_hold": contract_on_hold,
    "contract_ended": contract_ended,
}
