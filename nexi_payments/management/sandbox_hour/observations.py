"""What Nexi answers, reduced to what may be written down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.exceptions import GatewayError, NexiPaymentsError
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.management.sandbox_hour.notes import Facts
from nexi_payments.models import PaymentOrder
from nexi_payments.models.hosted_page import HostedPage

Answer = TypeVar("Answer")


def look(client: Client, order_id: str) -> Facts:
    """How Nexi lists the order: ``GET /orders/{orderId}``."""
    at = timestamp(timezone.now())
    try:
        found = client.order(order_id, conf.call_context())
    except GatewayError as error:
        return {"at": at, **refusal(error)}
    return {
        "at": at,
        "authorized": found.authorized,
        "captured": found.captured,
        "operations": [_operation(one) for one in found.operations],
    }


def _operation(one: OperationResult) -> Facts:
    return {
        "type": one.type,
        "result": one.result,
        "amount": one.amount,
        "payment_method": one.payment_method,
        "circuit": one.brand,
        "channel": one.channel,
        "has_id": bool(one.operation_id),
        "has_instrument": bool(one.instrument),
        "warnings": list(one.warnings),
        "unreadable": list(one.invalid_members),
    }


def attempt(order: PaymentOrder, client: Client) -> Facts:
    """How we hold the attempt, what came from Nexi's side, and how Nexi lists it."""
    order.refresh_from_db()
    back = HostedPage.objects.filter(order=order, back_at__isnull=False).exists()
    return {
        "state": order.state,
        "reason": order.reason,
        "method": order.method,
        "came_back": back,
        # a return is one of them, a notification too
        "returns_and_notifications": order.triggers,
        "nexi": look(client, order.order_id),
    }


def refusal(error: Exception) -> Facts:
    """An error by its class, status and codes. Its text may hold more."""
    facts: Facts = {"error": type(error).__name__}
    if isinstance(error, GatewayError):
        facts |= {"status": error.status, "codes": list(error.codes)}
    return facts


def tried(action: Callable[[], Answer]) -> tuple[Answer | None, Facts]:
    """The result of ``action``, and how it ended."""
    try:
        return action(), {"error": ""}
    except (GatewayError, NexiPaymentsError) as error:
        return None, refusal(error)


def refunded(order: PaymentOrder, client: Client) -> list[Facts]:
    """Refunds a part of a paid order, then the rest. What Nexi shows after each."""
    found = []
    for amount in (order.total / 2, None):
        order.refresh_from_db()
        operation, facts = tried(partial(flows.refund, order, amount))
        facts["part"] = amount is not None
        facts["outcome"] = operation.outcome if operation else ""
        found.append(facts | {"nexi": look(client, order.order_id)})
    return found


def timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
