"""What Nexi leaves open for a person: a refund without an end, an unexplained total."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F

from nexi_payments import flows
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.gateway.client import Client
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    MINUTE,
    operation_body,
    order_reply,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

#: Seconds after which a person may decide about an operation.
SETTLED = 15 * MINUTE + 1


def entry(order: PaymentOrder, kind: str, result: str, minor: int, id_: str) -> Any:
    return {
        **operation_body(order, result),
        "operationType": kind,
        "operationId": id_,
        "operationAmount": str(minor),
    }


def show(
    gateway: Simulator,
    order: PaymentOrder,
    *entries: dict[str, Any],
    charge: str = "EXECUTED",
    total: int | None = None,
) -> None:
    """The next inquiry shows the charge, these entries, and this total."""
    more = {} if total is None else {"capturedAmount": str(total)}
    reply = order_reply(order, operation_body(order, charge), *entries, **more)
    gateway.next_reply(f"/orders/{order.order_id}", reply)


def accept(gateway: Simulator, path: str, id_: str) -> None:
    gateway.next_reply(path, Reply(200, b'{"operationId": "%s"}' % id_.encode()))


def pending_refund(shopper: Shopper, **facts: Any) -> Operation:
    """2.00 of 12.50, accepted; Nexi says PENDING."""
    gateway = shopper.gateway
    order = shopper.pay(new_order(**facts))
    show(gateway, order)
    accept(gateway, "/refunds", "r-1")
    show_pending(gateway, order)
    operation = flows.refund(order, Decimal("2.00"))
    assert operation.outcome == OperationOutcome.ACCEPTED
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 200)
    return operation


def show_pending(gateway: Simulator, order: PaymentOrder) -> None:
    show(gateway, order, entry(order, "REFUND", "PENDING", 200, "r-1"))


def disputed_total(shopper: Shopper, **facts: Any) -> PaymentOrder:
    """3.00 of 12.50 captured here; Nexi's total says 5.00, twice."""
    gateway = shopper.gateway
    order = shopper.pay(new_order(terminal="manual", **facts))
    show(gateway, order, charge="AUTHORIZED", total=0)
    accept(gateway, "/captures", "c-1")
    show_total(gateway, order, 300)
    flows.capture(order, Decimal("3.00"))
    for seconds in (0, 2 * MINUTE):
        with time_travel(seconds):
            show_total(gateway, order, 500)
            flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.PAID, 300, 0, 0, 0)
    found = order.discrepancies.get()
    assert (found.kind, found.ours, found.theirs) == ("totals", "300", "500")
    return order


def show_total(gateway: Simulator, order: PaymentOrder, total: int) -> None:
    done = entry(order, "CAPTURE", "EXECUTED", 300, "c-1")
    show(gateway, order, done, charge="AUTHORIZED", total=total)


def change_while_asked(monkeypatch: pytest.MonkeyPatch, order: PaymentOrder) -> None:
    """Something else writes the order while Nexi answers."""
    real = Client.order

    def ask(self: Client, *args: Any, **kwargs: Any) -> Any:
        PaymentOrder.objects.filter(pk=order.pk).update(version=F("version") + 1)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Client, "order", ask)
