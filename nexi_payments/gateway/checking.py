"""Whether an answer is about our payment, and says enough of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nexi_payments.exceptions import BadAnswer, UnknownOutcome
from nexi_payments.gateway import results
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.transport import Reply


@dataclass(frozen=True)
class Trace:
    """What every call carries: our id for its log line, and its share of the time."""

    correlation_id: str
    deadline: Deadline


def ids(reply: Reply, trace: Trace) -> dict[str, Any]:
    return {
        "correlation_id": trace.correlation_id,
        "cid": reply.cid,
        "status": reply.status,
    }


def lacking(member: str, reply: Reply, trace: Trace) -> UnknownOutcome:
    return UnknownOutcome(f"no {member}", **ids(reply, trace))


def matches(
    answer: results.OperationResult,
    purchase: Purchase,
    operation_id: str,
    reply: Reply,
    trace: Trace,
) -> None:
    """Raises ``BadAnswer`` when a member is there and is not ours."""
    for member, theirs, ours in (
        ("orderId", answer.order_id, purchase.order_id),
        ("operationId", answer.operation_id, operation_id),
        ("operationCurrency", answer.currency, purchase.currency),
    ):
        if theirs and ours and theirs != ours:
            raise BadAnswer(member, **ids(reply, trace))
    different = answer.amount is not None and answer.amount != purchase.amount
    if different or "amount" in answer.unreadable:
        raise BadAnswer("operationAmount", **ids(reply, trace))


def complete(answer: results.OperationResult, reply: Reply, trace: Trace) -> None:
    """Raises ``UnknownOutcome`` when "charged" does not say what was charged."""
    for member, theirs in (
        ("orderId", answer.order_id),
        ("operationId", answer.operation_id),
        ("operationAmount", answer.amount),
        ("operationCurrency", answer.currency),
    ):
        if theirs is None or theirs == "":
            raise lacking(member, reply, trace)
