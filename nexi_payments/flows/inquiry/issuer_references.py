"""Authorization codes and retrieval reference numbers that a status inquiry shows.

A chargeback names them. The answer to a charge may lack them, and the answer to a
capture or refund always does.
"""

from __future__ import annotations

from collections.abc import Iterable

from nexi_payments.enums import OperationKind
from nexi_payments.flows.ledger import outcomes
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import PaymentOrder


def store(order: PaymentOrder, listed: Iterable[OperationResult]) -> None:
    """Fills what operations of the order lack, matched by Nexi's id. Idempotent."""
    rows = order.operations.exclude(gateway_operation_id="").exclude(
        # 3-D Secure has the id of its charge, and no reference of its own
        kind__in=(OperationKind.AUTHENTICATION, OperationKind.VALIDATION)
    )
    for one in listed:
        for column, value in outcomes.issuer_references(one).items():
            lacking = rows.filter(
                gateway_operation_id=one.operation_id[:64], **{column: ""}
            )
            lacking.update(**{column: value})
