"""People with and without ceilings, and what they ask for."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from nexi_payments import flows
from nexi_payments.enums import OperationKind
from nexi_payments.exceptions import ApprovalRequired
from nexi_payments.flows.ledger import approvals
from nexi_payments.models import Approval, PaymentOrder
from tests.support.clerk import staff_user

#: Refunds above 5.00 EUR and phone orders above 10.00 EUR need an approval; managers
#: may refund any amount.
CEILINGS: dict[str, Any] = {
    "refund_payment": {"*": {"EUR": 500}, "Managers": {"EUR": None}},
    "take_moto": {"*": {"EUR": 1000}},
}


def actor(name: str, *permissions: str, groups: tuple[str, ...] = ()) -> flows.Actor:
    """A new person with these permissions, at an address of their own."""
    user = staff_user(name, *permissions)
    for group in groups:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return flows.Actor(user, f"10.0.0.{user.pk % 250 + 1}", request_id=f"req-{name}")


def new_approval(order: PaymentOrder, name: str = "asker") -> Approval:
    """A refund of 6.00 that somebody else has asked for."""
    by = actor(name, "refund_payment")
    remaining = flows.available(order).refund
    return approvals.get_or_add(
        order, OperationKind.REFUND, 600, by, expected_remaining=remaining
    )


def asked(call: Any, *args: Any, **kwargs: Any) -> Approval:
    """The request that is stored instead of doing it."""
    try:
        call(*args, **kwargs)
    except ApprovalRequired as error:
        return error.approval
    raise AssertionError("no approval was required")
