"""The requests that follow a charge: capture, void, refund, cancel."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nexi_payments.enums import OperationKind, OperationOutcome
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
        return outcomes.of_acceptance(answer)

    def on_error(self, error: BaseException) -> OperationUpdate:
        return outcomes.of_post_charge_error(error)

    def on_settle(self, update: OperationUpdate) -> None:
        update_totals(self.order)
        queued_refunds.follow(self.order, [self.operation])


@dataclass(repr=False, eq=False)
class Repetition(PostChargeRequest):
    """The same request again. Whatever becomes of it, its first send stays in doubt."""

    operation: Operation

    def on_error(self, error: BaseException) -> OperationUpdate:
        return replace(super().on_error(error), outcome=OperationOutcome.IN_DOUBT)
