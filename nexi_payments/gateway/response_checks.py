"""Checks that a response is about our payment and is complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nexi_payments.exceptions import MismatchedResponse, UnknownOutcome
from nexi_payments.gateway import responses
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.transport import Reply


@dataclass(frozen=True)
class CallContext:
    """Data of every call: our correlation id, and the request's time budget."""

    correlation_id: str
    deadline: Deadline


def error_ids(reply: Reply, context: CallContext) -> dict[str, Any]:
    return {
        "correlation_id": context.correlation_id,
        "cid": reply.cid,
        "status": reply.status,
    }


def missing_member(member: str, reply: Reply, context: CallContext) -> UnknownOutcome:
    return UnknownOutcome(f"no {member}", **error_ids(reply, context))


def require_match(
    answer: responses.OperationResult,
    purchase: Purchase,
    operation_id: str,
    reply: Reply,
    context: CallContext,
) -> None:
    """Raise ``MismatchedResponse`` if a member is present and is not ours."""
    for member, theirs, ours in (
        ("orderId", answer.order_id, purchase.order_id),
        ("operationId", answer.operation_id, operation_id),
        ("operationCurrency", answer.currency, purchase.currency),
    ):
        if theirs and ours and theirs != ours:
            raise MismatchedResponse(member, **error_ids(reply, context))
    different = answer.amount is not None and answer.amount != purchase.amount
    if different or "amount" in answer.invalid_members:
        raise MismatchedResponse("operationAmount", **error_ids(reply, context))


def require_complete(
    answer: responses.OperationResult, reply: Reply, context: CallContext
) -> None:
    """Raise ``UnknownOutcome`` if a charge response lacks ids, amount or currency."""
    for member, theirs in (
        ("orderId", answer.order_id),
        ("operationId", answer.operation_id),
        ("operationAmount", answer.amount),
        ("operationCurrency", answer.currency),
    ):
        if theirs is None or theirs == "":
            raise missing_member(member, reply, context)
