"""Cancels a capture on the day it was made: ``cancel_capture``.

Nexi requires an idempotency key. The request is sent once all the same: it is not
documented that the key prevents a second execution. Status inquiries show the result.
"""

from __future__ import annotations

from nexi_payments.enums import OperationKind
from nexi_payments.exceptions import ExceedsRemaining, InvalidState
from nexi_payments.flows import capture_refund
from nexi_payments.flows.availability import Available
from nexi_payments.flows.capture_refund import PostChargeCall
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
    call = _Cancel.of(order, actor, nonce)
    call.capture = capture
    return capture_refund.submit(call)


class _Cancel(PostChargeCall):
    kind = OperationKind.CANCEL

    def prepare(self, now: Available) -> None:
        now.require_allowed(self.kind)
        chosen = now.capture_to_cancel(self.capture)
        if chosen.cancel is None:
            raise InvalidState(self.order)
        if not chosen.cancel:
            raise ExceedsRemaining(self.order, chosen.remaining)
        self.set_details(
            chosen.cancel, chosen.operation.gateway_operation_id, chosen.operation
        )
