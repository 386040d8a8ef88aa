"""The requests that follow a charge: capture, void, refund, cancel."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.exceptions import NotSent
from nexi_payments.flows.ledger import outcomes, queued_refunds
from nexi_payments.flows.ledger.operations import GatewayRequest, OperationUpdate
from nexi_payments.flows.ledger.totals import update_totals
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import Operation


class PostChargeRequest(GatewayRequest[str]):
    """Built from the operation's row alone. The answer is Nexi's id of it, and means
    "accepted": a status inquiry shows the result.
    """

    def send(self, operation: Operation) -> str:
        trace = self.context(operation)
        target, key = operation.target_operation_id, operation.idempotency_key
        if operation.kind == OperationKind.CANCEL:
            return self.client.cancel(target, key, trace)
        part = OperationAmount(operation.amount or 0, self.order.currency, key)
        if operation.kind == OperationKind.CAPTURE:
            return self.client.capture(target, part, trace)
        return self.client.refund(target, part, trace)

    def on_answer(self, answer: str) -> OperationUpdate:
        return of_acceptance(answer)

    def on_error(self, error: BaseException) -> OperationUpdate:
        return of_post_charge_error(error)

    def on_settle(self, update: OperationUpdate) -> None:
        update_totals(self.order)
        queued_refunds.follow(self.order, [self.operation])


@dataclass(repr=False, eq=False)
class Repetition(PostChargeRequest):
    """The same request again. Whatever becomes of it, its first send stays in doubt."""

    operation: Operation

    def on_error(self, error: BaseException) -> OperationUpdate:
        return replace(super().on_error(error), outcome=OperationOutcome.IN_DOUBT)


def of_acceptance(new_id: str) -> OperationUpdate:
    """Nexi accepted a capture, void, refund or cancel. A status inquiry shows its
    result. ``new_id`` is Nexi's id of the operation.
    """
    return OperationUpdate(
        OperationOutcome.ACCEPTED,
        operation={"gateway_operation_id": new_id, "http_status": 200},
    )


def of_post_charge_error(error: BaseException) -> OperationUpdate:
    """In doubt, unless nothing was sent. A complete 4xx is in doubt, too: it may mean
    that an earlier send was processed.
    """
    outcome = (
        OperationOutcome.NOT_SENT
        if isinstance(error, NotSent)
        else OperationOutcome.IN_DOUBT
    )
    return OperationUpdate(outcome, operation=outcomes.error_columns(error))
