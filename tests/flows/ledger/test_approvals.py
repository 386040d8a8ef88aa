"""The claim of an approval: one compare-and-swap, in the commit of an operation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.flows.ledger import approvals
from nexi_payments.models import Approval, Operation
from tests.support.approvals import actor, new_approval
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def approval(shopper: Shopper) -> Approval:
    return new_approval(shopper.pay(new_order(reference="R-1")))


@pytest.fixture
def chief(db: None) -> flows.Actor:
    return actor("bruno", "approve_payment")


def operation(approval: Approval, **changes: Any) -> Operation:
    columns = {"kind": "refund", "amount": 600, "outcome": "not_sent", **changes}
    return Operation.objects.create(
        **{
            "order": approval.order,
            "correlation_id": "c",
            "created_at": timezone.now(),
            **columns,
        }
    )


def test_it_is_used_once(approval: Approval, chief: flows.Actor) -> None:
    first, second = operation(approval), operation(approval)
    stale = Approval.objects.get(pk=approval.pk)
    assert approvals.claim(approval, first, chief)
    assert not approvals.claim(stale, second, chief)
    assert not approvals.claim(approval, second, chief)
    assert not approvals.claim(approval, second)
    approval.refresh_from_db()
    assert (approval.state, approval.operation) == ("used", first)


@pytest.mark.parametrize(
    "changes", [{"amount": 601}, {"amount": 599}, {"kind": "void"}]
)
def test_it_is_for_what_was_asked(
    changes: dict[str, Any], approval: Approval, chief: flows.Actor
) -> None:
    assert not approvals.claim(approval, operation(approval, **changes), chief)
    approval.refresh_from_db()
    assert (approval.state, approval.operation) == ("waiting", None)


def test_it_is_for_its_payment_and_terminal(
    approval: Approval, chief: flows.Actor, shopper: Shopper
) -> None:
    other = shopper.pay(new_order(reference="R-2"))
    assert not approvals.claim(approval, operation(approval, order=other), chief)
    Approval.objects.update(terminal="two")
    assert not approvals.claim(approval, operation(approval), chief)
    approval.refresh_from_db()
    assert approval.state == "waiting"


def test_it_must_be_in_time_and_approved(
    approval: Approval, chief: flows.Actor
) -> None:
    assert not approvals.claim(approval, operation(approval))  # nobody has approved it
    Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert not approvals.claim(approval, operation(approval), chief)
    approval.refresh_from_db()
    assert approval.state == "waiting"
