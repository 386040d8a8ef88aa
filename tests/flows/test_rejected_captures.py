"""A capture that Nexi refuses as "already captured": an inquiry shows the truth."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import LAG, prove_rejected, state_and_amounts, time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

ALREADY_CAPTURED = Reply(400, b'{"errors": [{"code": "PS0023"}]}')
CAPTURES = "POST /operations/{id}/captures"


@pytest.fixture
def held(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1", terminal="manual"))


def execute_and_refuse(gateway: Simulator) -> None:
    """The capture is executed, and the response says that it was there already."""
    handle = gateway.handle

    def refusing(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        reply = handle(method, url, headers, body)
        return ALREADY_CAPTURED if url.endswith("/captures") else reply

    gateway.handle = refusing  # type: ignore[method-assign]


def test_it_was_executed(held: PaymentOrder, gateway: Simulator) -> None:
    execute_and_refuse(gateway)
    operation = flows.capture(held)
    assert (operation.outcome, operation.http_status) == (OperationOutcome.DONE, 400)
    assert operation.error == "Rejected rejected PS0023"
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)
    assert gateway.count(CAPTURES) == 1
    assert not held.discrepancies.exists()


def test_it_was_executed_and_is_listed_later(
    held: PaymentOrder, gateway: Simulator
) -> None:
    execute_and_refuse(gateway)
    operation = flows.capture(held, Decimal("5.00"))
    assert operation.outcome == OperationOutcome.DONE
    lagging = gateway.handle
    with gateway.store.edit_payment(held.gateway_operation_id) as record:
        hidden = list(record["post_charge"])

    def hiding(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if method == "GET":
            with gateway.store.edit_payment(held.gateway_operation_id) as record:
                record["post_charge"] = hidden
        return lagging(method, url, headers, body)

    gateway.handle = hiding  # type: ignore[method-assign]
    operation = flows.capture(held, Decimal("7.50"))
    assert operation.outcome == OperationOutcome.IN_DOUBT
    assert state_and_amounts(held) == (OrderState.PAID, 500, 750, 0, 0)


def test_nothing_was_captured(held: PaymentOrder, gateway: Simulator) -> None:
    gateway.next_reply("/captures", ALREADY_CAPTURED)
    operation = flows.capture(held)
    assert operation.outcome == OperationOutcome.IN_DOUBT
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 1250, 0, 0)
    flows.reconcile(held)  # too soon: Nexi's list may lag
    with time_travel(LAG + 1):
        flows.reconcile(held)
        flows.reconcile(held)  # not a lag after the inquiry before it
    assert Operation.objects.get(pk=operation.pk).misses == 1
    prove_rejected(held)
    operation.refresh_from_db()
    assert (operation.outcome, operation.send_count) == (OperationOutcome.REJECTED, 1)
    assert state_and_amounts(held) == (OrderState.AUTHORIZED, 0, 0, 0, 0)
    assert flows.capture(held).outcome == OperationOutcome.DONE
    assert state_and_amounts(held) == (OrderState.PAID, 1250, 0, 0, 0)
    assert gateway.count(CAPTURES) == 2
