"""The reason of a refund stays on its operation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationKind
from nexi_payments.exceptions import CardDataNotAllowed
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.approvals import CEILINGS, actor, asked
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order())


def test_a_code_or_words(paid: PaymentOrder) -> None:
    first = flows.refund(paid, Decimal("1.00"), reason="returned")
    second = flows.refund(paid, Decimal("2.00"), None, " The cup was cracked ")
    third = flows.refund(paid, Decimal("3.00"))
    reasons = [one.reason for one in (first, second, third)]
    assert reasons == ["returned", "The cup was cracked", ""]
    stored = paid.operations.filter(kind=OperationKind.REFUND).order_by("pk")
    assert list(stored.values_list("reason", flat=True)) == reasons


def test_of_a_queued_refund(paid: PaymentOrder) -> None:
    queued = flows.enqueue_refund(paid, Decimal("1.00"), reason="duplicate")
    queued.refresh_from_db()
    assert queued.operation is not None
    assert queued.operation.reason == "duplicate"


def test_of_a_refund_that_another_person_approves(
    paid: PaymentOrder, change_settings: Any
) -> None:
    change_settings(APPROVAL_CEILINGS=CEILINGS)
    asker = actor("anna", "refund_payment")
    six = Decimal("6.00")
    approval = asked(flows.refund, paid, six, reason="returned", actor=asker)
    assert approval.reason == "returned"
    flows.approve(approval, actor=actor("bruno", "approve_payment"))
    refund = paid.operations.get(kind=OperationKind.REFUND)
    assert (refund.reason, refund.outcome) == ("returned", "done")


def test_what_is_refused_sends_nothing(paid: PaymentOrder, gateway: Simulator) -> None:
    before = len(gateway.calls)
    with pytest.raises(CardDataNotAllowed):
        flows.refund(paid, reason=f"card {CARDS['challenge'].number}")
    with pytest.raises(ValueError, match="reason is longer than 300 characters"):
        flows.refund(paid, reason="x" * 301)
    assert len(gateway.calls) == before
    assert not paid.operations.filter(kind=OperationKind.REFUND).exists()
