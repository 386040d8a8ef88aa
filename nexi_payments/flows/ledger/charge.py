"""What every charge has in common: payment, MOTO, MIT."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.enums import CaptureMode, OperationOutcome, OrderState
from nexi_payments.exceptions import OrderBusy
from nexi_payments.flows.ledger import before_charge, operations, outcomes
from nexi_payments.flows.ledger.guards import Claim
from nexi_payments.flows.ledger.operations import GatewayCall, OperationUpdate
from nexi_payments.gateway.payloads import EXPLICIT, IMPLICIT
from nexi_payments.gateway.responses import OperationResult


class Charge(GatewayCall[OperationResult]):
    """A charge of the order's amount. Until its outcome is known, the order is
    ``paying``.
    """

    target = OrderState.PAYING

    def is_vetoed(self) -> bool:
        return is_vetoed(self)

    @property
    def capture_type(self) -> str:
        return EXPLICIT if self.order.capture == CaptureMode.MANUAL else IMPLICIT

    def claim(self) -> Claim:
        times = claim_columns() | {"charging_since": timezone.now()}
        return Claim(changes=times, details={"amount": self.order.amount})

    def on_answer(self, answer: OperationResult) -> OperationUpdate:
        return outcomes.of_charge(self.order, answer)

    def on_error(self, error: BaseException) -> OperationUpdate:
        return outcomes.of_charge_error(error)


def is_vetoed(call: GatewayCall[Any]) -> bool:
    """Asks ``BEFORE_CHARGE``. A veto fails the order and shreds its sealed card.

    Raises ``OrderBusy`` if another process claimed or changed the order meanwhile.
    """
    if not conf.current().before_charge:
        return False
    # what changes while the shop decides is not overwritten
    call.order.refresh_from_db(fields=["version"])
    veto = before_charge.ask(call.order)
    if veto is None:
        return False
    update = OperationUpdate(
        OperationOutcome.NOT_SENT,
        OrderState.FAILED,
        veto.reason,
        shreds_card=True,
        actor=call.actor,
        note=veto.sentence,
    )
    if call.order.state == call.source and operations.settle_order(call.order, update):
        return True
    raise OrderBusy(call.order)


def claim_columns() -> dict[str, Any]:
    """The order's columns that claim it for one request; then it is polled."""
    now = timezone.now()
    wait = timedelta(seconds=conf.current().claim_timeout)
    return {"claimed_at": now, "next_poll_at": now + wait}
