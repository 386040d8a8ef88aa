"""A worker is suspended between its claim and its call, and resumes much later."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.exceptions import ExceedsRemaining, NotSent
from nexi_payments.flows.ledger import operations
from nexi_payments.flows.ledger.post_charge import PostChargeRequest
from nexi_payments.gateway.client import Client
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    LAG,
    MINUTE,
    SETTLE,
    prove_absent,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

REFUNDS = "POST /operations/{id}/refunds"


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def request_of(operation: Operation) -> PostChargeRequest:
    """The request of a process that was suspended after its claim."""
    nowhere = cast(Any, None)
    call = PostChargeRequest(operation.order, nowhere, nowhere)
    call.operation = operation
    return call


def settle_as_not_sent(operation: Operation) -> bool:
    """As a process that wakes up with no time left to send it."""
    call = request_of(operation)
    return operations.settle(call, call.on_error(NotSent("no time left")))


def test_not_sent_is_not_written_over_a_repetition(
    paid: PaymentOrder, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reconciler resends the request. Meanwhile the suspended process resumes, has
    no time left, and settles "not sent".
    """
    sleeper: list[Operation] = []
    refund = Client.refund

    def send(self: Client, *args: Any) -> str:
        if not sleeper:
            sleeper.append(Operation.objects.get(amount=800))
            # its process counts as dead after 2 * TOTAL_TIMEOUT
            prove_absent(PaymentOrder.objects.get(pk=paid.pk), since=MINUTE)
            raise NotSent("no time left")
        new_id = refund(self, *args)
        # the resend has reached Nexi, its outcome is not written yet
        assert not settle_as_not_sent(sleeper[0])
        return new_id

    monkeypatch.setattr(Client, "refund", send)
    row = flows.refund(paid, Decimal("8.00"))
    assert (row.outcome, row.send_count) == (OperationOutcome.ACCEPTED, 2)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 800)
    with time_travel(2 * SETTLE):
        flows.reconcile(paid)
        charge = gateway.charge_of(paid.order_id)
    assert charge is not None
    assert charge.refunded == 800
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 800, 0)
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("8.00"))


@pytest.fixture
def doubtful(paid: PaymentOrder, gateway: Simulator) -> Operation:
    """A lost request: in doubt, with nothing at Nexi."""
    gateway.next_reply("/refunds", Reply(0, fault="cut"))
    row = flows.refund(paid, Decimal("8.00"))
    assert (row.outcome, row.send_count) == (OperationOutcome.IN_DOUBT, 1)
    return row


def test_one_process_repeats(doubtful: Operation) -> None:
    mine, other = (Operation.objects.get(pk=doubtful.pk) for _ in range(2))
    assert operations.claim_resend(mine) == mine.correlation_id
    assert operations.claim_resend(other) == ""
    doubtful.refresh_from_db()
    assert (doubtful.send_count, doubtful.correlation_id) == (2, mine.correlation_id)


def test_what_is_settled_is_not_repeated(doubtful: Operation) -> None:
    mine = Operation.objects.get(pk=doubtful.pk)
    assert settle_as_not_sent(Operation.objects.get(pk=doubtful.pk))
    assert operations.claim_resend(mine) == ""
    doubtful.refresh_from_db()
    assert (doubtful.outcome, doubtful.send_count) == (OperationOutcome.NOT_SENT, 1)


def test_it_is_repeated_once(
    paid: PaymentOrder, doubtful: Operation, gateway: Simulator
) -> None:
    gateway.next_reply("/refunds", Reply(0, fault="cut"))
    prove_absent(paid)
    doubtful.refresh_from_db()
    assert (doubtful.outcome, doubtful.send_count) == (OperationOutcome.IN_DOUBT, 2)
    prove_absent(paid, since=SETTLE + MINUTE)
    doubtful.refresh_from_db()
    assert (doubtful.outcome, doubtful.error) == ("declined", "unconfirmed")
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 0)
    assert gateway.count(REFUNDS) == 2


def test_an_inquiry_about_the_first_send_says_nothing_of_the_second(
    paid: PaymentOrder, doubtful: Operation, gateway: Simulator
) -> None:
    """Another process resends it while Nexi is asked."""
    for wait in (LAG + 1, 2 * LAG + 2):
        with time_travel(wait):
            flows.reconcile(paid)
    doubtful.refresh_from_db()
    assert doubtful.misses == 2
    handle = gateway.handle

    def resent(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        gateway.handle = handle  # type: ignore[method-assign]
        assert operations.claim_resend(Operation.objects.get(pk=doubtful.pk))
        return handle(method, url, headers, body)

    gateway.handle = resent  # type: ignore[method-assign]
    with time_travel(SETTLE + MINUTE):
        flows.reconcile(paid)
    doubtful.refresh_from_db()
    assert (doubtful.outcome, doubtful.send_count, doubtful.misses) == (
        OperationOutcome.IN_DOUBT,
        2,
        0,
    )
    assert gateway.count(REFUNDS) == 1  # it did not send it, too


def test_what_any_send_did_counts(doubtful: Operation) -> None:
    stale = Operation.objects.get(pk=doubtful.pk)
    operations.claim_resend(Operation.objects.get(pk=doubtful.pk))
    call = request_of(stale)
    assert operations.settle(call, call.on_answer("n-1"))
    doubtful.refresh_from_db()
    assert (doubtful.outcome, doubtful.gateway_operation_id) == (
        OperationOutcome.ACCEPTED,
        "n-1",
    )
