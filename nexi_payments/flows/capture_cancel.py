"""Cancels a capture on the day it was made: ``cancel_capture``.

Nexi requires an idempotency key. The request is sent once all the same: it is not
documented that the key prevents a second execution. Status inquiries show the result.
"""

from __future__ import annotations

from nexi_payments.enums import OperationKind
from nexi_payments.exceptions import ExceedsRemaining, InvalidState
from nexi_payments.flows import capture_refund
from nexi_payments.flows.availability import available
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.models import Operation, PaymentOrder


def cancel_capture(
    order: PaymentOrder,
    capture: Operation | None = None,
    *,
    nonce: str | None = None,
    actor: Actor = NO_ACTOR,
) -> Operation:
    """Cancels the whole of ``capture``: its amount is only authorized again, and may be
    captured again or voided.

    Possible on the day of the capture (Italian time) and while nothing of it was
    refunded. A payment that was captured with its charge can only be refunded. Without
    ``capture`` the only one is cancelled; ``AmbiguousCapture`` if there are several.
    ``nonce`` as in ``flows.capture``. Raises ``InvalidState``, ``ExceedsRemaining`` (a
    part of it was refunded), ``OrderBusy`` and ``TerminalUnavailable``; nothing was
    sent then. Returns the operation. Its outcome is ``accepted`` until Nexi confirms,
    ``done``, ``declined``, ``rejected`` (too late, for example), ``not_sent`` or
    ``in_doubt``.
    """
    order.refresh_from_db()
    now = available(order)
    _ = now.captures  # before the nonce, as in flows.refund
    if earlier := capture_refund.find_existing(order, nonce):
        return earlier
    chosen = now.capture_to_cancel(capture)
    if chosen.cancel is None:
        raise InvalidState(order)
    if not chosen.cancel:
        raise ExceedsRemaining(order, chosen.remaining)
    return capture_refund.submit(
        order,
        OperationKind.CANCEL,
        chosen.cancel,
        target_operation_id=chosen.operation.gateway_operation_id,
        capture=chosen.operation,
        conditions=capture_refund.unrefunded_condition(now),
        nonce=nonce,
        actor=actor,
    )
