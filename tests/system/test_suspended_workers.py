"""A worker is suspended between its claim and its call, and resumes much later."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.exceptions import ExceedsRemaining, NotSent
from nexi_payments.flows.capture_refund import _PostChargeCall
from nexi_payments.flows.inquiry import confirmations
from nexi_payments.flows.ledger import operations, totals
from nexi_payments.flows.ledger.transitions import NO_ACTOR
from nexi_payments.gateway.client import Client
from nexi_payments.models import Operation, PaymentOrder, db_transactions
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import state_and_amounts, time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def settle_as_not_sent(operation: Operation) -> bool:
    """As a process that wakes up with no time left to send it."""
    order, nowhere = operation.order, cast(Any, None)
    call = _PostChargeCall(
        order, nowhere, nowhere, NO_ACTOR, operation.kind, order.state, {}, {}
    )
    call.operation = operation
    return operations.settle(call, call.on_error(NotSent("no time left")))


def test_not_sent_is_not_written_over_a_repetition(
    paid: PaymentOrder, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reconciler resends the request. Meanwhile the suspended process resumes, has
    no time left, and settles "not sent".
    """
    sleeper: list[Any] = []
    send = confirmations.send

    def asleep(order: Any, operation: Any, client: Any, deadline: Any) -> str:
        sleeper.append(Operation.objects.get(pk=operation.pk))
        with time_travel(60):
            flows.reconcile(PaymentOrder.objects.get(pk=order.pk))
        raise NotSent("no time left")

    def repeated(self: Client, *args: Any) -> str:
        new_id = refund(self, *args)
        # the resend has reached Nexi, its outcome is not written yet
        assert not settle_as_not_sent(sleeper[0])
        return new_id

    refund = Client.refund
    monkeypatch.setattr(Client, "refund", repeated)
    monkeypatch.setattr(
        confirmations,
        "send",
        lambda *args: asleep(*args) if not sleeper else send(*args),
    )
    row = flows.refund(paid, Decimal("8.00"))
    assert (row.outcome, row.send_count) == (OperationOutcome.ACCEPTED, 2)
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 0, 800)
    with time_travel(60):
        flows.reconcile(paid)
        charge = gateway.charge_of(paid.order_id)
    assert charge is not None
    assert charge.refunded == 800
    assert state_and_amounts(paid) == (OrderState.PAID, 1250, 0, 800, 0)
    with pytest.raises(ExceedsRemaining):
        flows.refund(paid, Decimal("8.00"))


@pytest.fixture
def doubtful(paid: PaymentOrder, gateway: Simulator) -> Operation:
    """Two lost requests: in doubt, with nothing at Nexi."""
    for _ in range(2):
        gateway.next_reply("/refunds", Reply(0, fault="cut"))
    row = flows.refund(paid, Decimal("8.00"))
    assert (row.outcome, row.send_count) == (OperationOutcome.IN_DOUBT, 2)
    return row


def test_one_process_repeats(doubtful: Operation) -> None:
    mine, other = (Operation.objects.get(pk=doubtful.pk) for _ in range(2))
    assert operations.claim_resend(mine) == mine.correlation_id
    assert operations.claim_resend(other) == ""
    doubtful.refresh_from_db()
    assert (doubtful.send_count, doubtful.correlation_id) == (3, mine.correlation_id)


def test_what_is_settled_is_not_repeated(
    doubtful: Operation, gateway: Simulator
) -> None:
    mine = Operation.objects.get(pk=doubtful.pk)
    assert settle_as_not_sent(Operation.objects.get(pk=doubtful.pk))
    assert operations.claim_resend(mine) == ""
    doubtful.refresh_from_db()
    assert (doubtful.outcome, doubtful.send_count) == (OperationOutcome.NOT_SENT, 2)


def test_refused_is_concluded_of_the_last_send_only(doubtful: Operation) -> None:
    stale = Operation.objects.get(pk=doubtful.pk)
    operations.claim_resend(Operation.objects.get(pk=doubtful.pk))
    settle = db_transactions.retried()(totals.settle_operation)
    assert not settle(stale, OperationOutcome.DECLINED)
    doubtful.refresh_from_db()
    assert doubtful.outcome == OperationOutcome.IN_DOUBT
    # done is done, whichever send did it
    assert settle(stale, OperationOutcome.DONE, gateway_operation_id="n-1")
    doubtful.refresh_from_db()
    assert (doubtful.outcome, doubtful.gateway_operation_id) == (
        OperationOutcome.DONE,
        "n-1",
    )
