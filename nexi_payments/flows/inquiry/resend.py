"""Sends a capture, void or refund once more, with the same key and body.

Only after inquiries have shown that the first send was not executed (docs/states.md,
"Absence"): Nexi executes one key once, but it forgets keys, and does not say when.
"""

from __future__ import annotations

from nexi_payments.exceptions import GatewayError
from nexi_payments.flows.ledger import operations, post_charge, terminal_outages
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Operation, PaymentOrder


def resend(
    order: PaymentOrder, operation: Operation, client: Client, deadline: Deadline
) -> None:
    """Claims and sends. Does nothing when another process settled or sent it.

    A repetition that was not sent, or refused, says nothing about the first send: the
    operation stays in doubt.
    """
    if not operations.claim_resend(operation):
        return
    call = post_charge.Repetition(order, client, deadline, operation)
    try:
        operations.send_and_settle(call)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, client, deadline)
