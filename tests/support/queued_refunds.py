"""Refunds in the queue: put there without the attempt that follows the commit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import connections

from nexi_payments import conf, enums, flows
from nexi_payments.enums import OperationKind
from nexi_payments.flows import refund_worker
from nexi_payments.flows.ledger import queued_refunds
from nexi_payments.flows.ledger.totals import lock_order
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import PaymentOrder, QueuedRefund, db_transactions
from nexi_payments.simulator import Simulator

#: How long after its commit the worker may send a refund: the request that queued it
#: may try first.
DUE = 11


def refund_calls(gateway: Simulator) -> list[Any]:
    """The requests that refund or void."""
    return [call for call in gateway.calls if call.path.endswith("/refunds")]


def sent_amounts(order: PaymentOrder, gateway: Simulator) -> list[int | None]:
    """The amounts of the refunds and voids that were sent, each once."""
    rows = order.operations.filter(kind__in=enums.QUEUEABLE).order_by("pk")
    amounts = list(rows.values_list("amount", flat=True))
    assert len(refund_calls(gateway)) == len(amounts)
    return amounts


def enqueue_and_die(
    order: PaymentOrder, amount: str | None = None, **arguments: Any
) -> QueuedRefund:
    """Queues a refund; the process dies at the commit: nothing runs after it."""
    decimal = None if amount is None else Decimal(amount)
    with db_transactions.atomic():
        refund = flows.enqueue_refund(order, decimal, **arguments)
        connections[db_transactions.alias()].run_on_commit.clear()
    return refund


def enqueue_void(order: PaymentOrder, **arguments: Any) -> QueuedRefund:
    """Queues a void of all that is held, as a duplicate payment needs it."""
    with db_transactions.atomic():
        lock_order(order)
        return queued_refunds.add(
            order,
            OperationKind.VOID,
            order.authorized_amount,
            actor=flows.Actor(),
            first_attempt_at=refund_worker.first_attempt_at(),
            **arguments,
        )


def queue_of(order: PaymentOrder) -> list[tuple[str, int]]:
    """State and amount of each row of the queue, oldest first."""
    rows = order.queued_refunds.order_by("pk")
    return list(rows.values_list("state", "amount"))


def refund_at_nexi(order: PaymentOrder, minor: int) -> None:
    """Somebody refunds in Nexi's back office."""
    client = conf.client(conf.current().terminal(order.terminal))
    part = OperationAmount(minor, order.currency, f"back-office-{minor}")
    client.refund(order.gateway_operation_id, part, conf.call_context())
