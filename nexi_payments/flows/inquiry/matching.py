"""Matches the operations that Nexi lists after a charge with rows of ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from nexi_payments.enums import DiscrepancyKind, OperationKind
from nexi_payments.flows.inquiry import identity
from nexi_payments.flows.ledger import discrepancies
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OperationResult, OrderResult
from nexi_payments.models import Operation, PaymentOrder

#: Our kind → Nexi's operationType.
GATEWAY_TYPES: Final[dict[str, frozenset[str]]] = {
    OperationKind.CAPTURE: frozenset({result_codes.CAPTURE}),
    OperationKind.VOID: result_codes.REFUND_OR_VOID,
    OperationKind.REFUND: result_codes.REFUND_OR_VOID,
    OperationKind.CANCEL: frozenset({result_codes.CANCEL}),
}


@dataclass
class UnmatchedOperations:
    """Listed operations after the charge that are not matched with a row yet.

    ``unclear_types`` are the types of entries that cannot be attributed to this order
    or to another one: an operation of such a type does not count as absent.
    """

    unmatched: list[OperationResult] = field(default_factory=list)
    unclear_types: set[str] = field(default_factory=set)

    def discard(self, explained: Iterable[OperationResult]) -> None:
        for one in explained:
            self.unmatched.remove(one)

    def may_hide(self, operation: Operation) -> bool:
        """Whether an unreadable entry may be this operation."""
        return not self.unclear_types.isdisjoint(GATEWAY_TYPES[operation.kind])

    def match(self, operation: Operation) -> OperationResult | None:
        """Removes and returns the entry of this operation, if it is listed."""
        wanted = GATEWAY_TYPES[operation.kind]
        known = operation.gateway_operation_id
        for one in self.unmatched:
            if one.type not in wanted:
                continue
            by_id = one.operation_id == known
            alike = (
                _matches(one, operation) and one.result not in result_codes.UNSUCCESSFUL
            )
            if by_id if known else alike:
                self.unmatched.remove(one)
                return one
        return None


def _matches(one: OperationResult, operation: Operation) -> bool:
    """A cancel names the capture that it cancels; the others match by amount."""
    if operation.kind == OperationKind.CANCEL and one.cancelled_operation_id:
        return one.cancelled_operation_id == operation.target_operation_id
    return one.amount == operation.amount


def post_charge_operations(
    order: PaymentOrder, response: OrderResult
) -> UnmatchedOperations:
    """The listed operations after the charge. One that is not this order's is recorded
    as a discrepancy.
    """
    types = frozenset().union(*GATEWAY_TYPES.values())
    listed = UnmatchedOperations()
    for one in response.operations:
        if one.type not in types:
            continue
        if record_if_foreign(order, one):
            if not identity.belongs_to_other_order(order, one):
                listed.unclear_types.add(one.type)
            continue
        listed.unmatched.append(one)
    return listed


def record_if_foreign(order: PaymentOrder, one: OperationResult) -> bool:
    """Whether an entry cannot be this order's. Records a discrepancy then."""
    member = identity.mismatched_member(order, one)
    if member:
        theirs = f"{member} of {one.type} {one.operation_id}"
        discrepancies.record(
            order,
            DiscrepancyKind.MISMATCH,
            f"{order.order_id} {order.currency}",
            theirs,
        )
    return bool(member)


def may_be_ours(one: OperationResult, unidentified_kinds: Iterable[str]) -> bool:
    """Whether an entry may be an unsettled operation whose id we do not know."""
    return any(one.type in GATEWAY_TYPES[kind] for kind in unidentified_kinds)
