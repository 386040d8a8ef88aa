"""The rows of operations that a reading changes, and of those that it adopts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from nexi_payments import enums
from nexi_payments.enums import OperationOutcome
from nexi_payments.flows.inquiry.reading import OperationChange, Reading
from nexi_payments.flows.inquiry.reading.adoption import NewOperation
from nexi_payments.flows.inquiry.snapshot import Snapshot
from nexi_payments.flows.ledger import outcomes, transitions
from nexi_payments.flows.ledger.facts import OperationFacts
from nexi_payments.flows.ledger.operations import PreconditionFailed
from nexi_payments.gateway import communication
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import Operation, PaymentOrder, raw_sql


@dataclass
class Written:
    """The operations that a reading changed or adopted, and those to be sent again."""

    changed: list[Operation] = field(default_factory=list)
    resends: list[Operation] = field(default_factory=list)


def change(snapshot: Snapshot, reading: Reading) -> Written:
    """Changes the operations of ``reading``. Raises ``PreconditionFailed``."""
    rows = {row.pk: row for row in snapshot.rows}
    facts = {one.key: one for one in snapshot.operations}
    written = Written()
    for change in reading.changes:
        row, before = rows[change.key], facts[change.key]
        _change_operation(row, before, change, snapshot)
        if change.resend:
            written.resends.append(row)
        else:
            written.changed.append(row)
    return written


def _change_operation(
    row: Operation, before: OperationFacts, change: OperationChange, snapshot: Snapshot
) -> None:
    """Raises ``PreconditionFailed`` when it was settled or sent again meanwhile."""
    values: dict[str, Any] = {"misses": change.misses}
    if change.counted:
        values["missed_at"] = snapshot.asked_at
    if change.outcome != before.outcome or change.entry is not None:
        values |= _outcome_columns(before, change)
    if "ledger_id" in values and _is_taken(values["ledger_id"], row, snapshot.rows):
        values["ledger_id"] = None
    if change.amount is not None:
        values["amount"] = change.amount
    if change.error:
        values["error"] = change.error
    if change.outcome != before.outcome and snapshot.calls:
        values["calls"] = communication.appended(row.calls, snapshot.calls)
    where = {
        "pk": row.pk,
        "outcome": before.outcome,
        "send_count": before.send_count,
    }
    if not raw_sql.update(Operation, where, values):
        raise PreconditionFailed
    transitions.assign(row, values)


def _outcome_columns(before: OperationFacts, change: OperationChange) -> dict[str, Any]:
    final = change.outcome in enums.NEGATIVE_OUTCOMES | {OperationOutcome.DONE}
    values: dict[str, Any] = {
        "outcome": change.outcome,
        "unsettled_order_id": None,
        "settled_at": timezone.now() if final else None,
    }
    if change.entry is None:
        return values
    source = change.entry.source
    if before.kind in enums.CHARGING:
        values |= outcomes.operation_columns(source)
    else:
        values |= {"result": source.result, **outcomes.issuer_references(source)}
    id_ = change.entry.id or before.operation_id
    moves = change.outcome in (OperationOutcome.ACCEPTED, OperationOutcome.DONE)
    return values | {
        "gateway_operation_id": id_,
        "ledger_id": id_ if moves and id_ else None,
        "by_totals": False,
    }


def _is_taken(id_: str | None, row: Operation, rows: Iterable[Operation]) -> bool:
    """Whether another operation of the order has this id. It would be an error of the
    database at each inquiry: there is a discrepancy instead.
    """
    return any(one.ledger_id == id_ and one is not row for one in rows if id_)


def insert_adopted(
    order: PaymentOrder, snapshot: Snapshot, adopted: Sequence[NewOperation]
) -> list[Operation]:
    """Inserts what was made at Nexi. One of them may belong to an earlier one."""
    inserted: list[Operation] = []
    now = timezone.now()
    for new in adopted:
        source = new.entry.source if new.entry else OperationResult()
        parent = new.parent
        if parent is not None and parent < 0:
            parent = inserted[-1 - parent].pk
        id_ = new.entry.id if new.entry else ""
        row = Operation(
            order=order,
            kind=new.kind,
            outcome=new.outcome,
            amount=new.minor,
            capture_id=parent,
            gateway_operation_id=id_,
            ledger_id=id_ or None,
            by_totals=new.from_total,
            result=source.result,
            response_code=source.response_code,
            correlation_id="",
            created_at=now,
            settled_at=now if new.outcome == OperationOutcome.DONE else None,
            **outcomes.issuer_references(source),
        )
        if _is_taken(row.ledger_id, row, (*snapshot.rows, *inserted)):
            row.ledger_id = None
        raw_sql.insert(row)
        inserted.append(row)
    return inserted
