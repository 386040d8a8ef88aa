"""Authorization codes and retrieval reference numbers that a status inquiry shows.

A chargeback names them. The answer to a charge may lack them, and the answer to a
capture or refund always does.
"""

from __future__ import annotations

from collections.abc import Iterable

from nexi_payments.flows.ledger import outcomes
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import Operation


def store(rows: Iterable[Operation], listed: Iterable[OperationResult]) -> None:
    """Fills what ``rows`` lack, matched by Nexi's id. Idempotent."""
    by_id = {row.gateway_operation_id: row for row in rows if row.gateway_operation_id}
    for one in listed:
        row = by_id.get(one.operation_id[:64])
        if row is None:
            continue
        lacking = {
            column: value
            for column, value in outcomes.issuer_references(one).items()
            if not getattr(row, column)
        }
        if lacking:
            Operation.objects.filter(pk=row.pk).update(**lacking)
