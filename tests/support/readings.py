"""Facts of an order, its operations and Nexi's list, and what a reading makes of them.

``Ledger.apply`` writes a reading into facts, as ``flows`` would into rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.flows.inquiry.reading import (
    InquiryTimes,
    OperationFacts,
    OrderFacts,
    Reading,
    read,
)
from nexi_payments.gateway.responses import OperationResult, OrderResult

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAG = timedelta(minutes=1)
SETTLE = timedelta(minutes=15)
WATCH = timedelta(hours=72)
TOTAL = 1000


def times(after: timedelta = timedelta()) -> InquiryTimes:
    """An inquiry that was sent so long after noon."""
    return InquiryTimes(NOON + after, LAG, SETTLE, WATCH)


def charge(result: str = "AUTHORIZED", **more: Any) -> OperationFacts:
    """Our charge of 10.00, authorized at noon."""
    given: dict[str, Any] = {
        "outcome": OperationOutcome.DONE,
        "amount": TOTAL,
        "operation_id": "charge",
        "id_is_answered": True,
        "result": result,
        "send_ended_at": NOON,
    }
    return OperationFacts(1, OperationKind.PAYMENT, **(given | more))


def operation(key: int, kind: str, amount: int, **more: Any) -> OperationFacts:
    """An operation of ours that was sent at noon and got no answer."""
    given: dict[str, Any] = {
        "outcome": OperationOutcome.IN_DOUBT,
        "amount": amount,
        "send_ended_at": NOON,
    }
    return OperationFacts(key, kind, **(given | more))


def entry(
    type_: str, result: str, amount: int | None = TOTAL, id_: str = "", **more: Any
) -> OperationResult:
    """One operation in Nexi's list."""
    return OperationResult(
        operation_id=id_, type=type_, result=result, amount=amount, **more
    )


def authorization(result: str = "AUTHORIZED", **more: Any) -> OperationResult:
    return entry("AUTHORIZATION", result, **({"id_": "charge"} | more))


def response(*operations: OperationResult, **more: Any) -> OrderResult:
    """Nexi's answer about the order. ``captured`` is absent unless given."""
    given: dict[str, Any] = {
        "order_id": "PAB1",
        "amount": TOTAL,
        "currency": "EUR",
        "operations": operations,
    }
    return OrderResult(**(given | more))


@dataclass
class Ledger:
    """One order of 10.00 EUR and its operations."""

    rows: list[OperationFacts] = field(default_factory=list)
    order: OrderFacts = field(
        default_factory=lambda: OrderFacts(
            "PAB1", OrderState.PAYING, TOTAL, "EUR", operation_id="charge"
        )
    )
    kinds: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, *rows: OperationFacts, **order: Any) -> Ledger:
        ledger = cls(list(rows))
        ledger.order = replace(ledger.order, **order)
        return ledger

    def read(
        self, *operations: OperationResult, after: timedelta = timedelta(), **more: Any
    ) -> Reading:
        return read(self.order, self.rows, response(*operations, **more), times(after))

    def see(
        self, *operations: OperationResult, after: timedelta = timedelta(), **more: Any
    ) -> Reading:
        """Reads and applies."""
        reading = self.read(*operations, after=after, **more)
        self.apply(reading, NOON + after)
        return reading

    def apply(self, reading: Reading, now: datetime) -> None:
        changes = {change.key: change for change in reading.changes}
        for place, row in enumerate(self.rows):
            if (change := changes.get(row.key)) is None:
                continue
            listed = change.entry
            self.rows[place] = replace(
                row,
                outcome=change.outcome,
                amount=row.amount if change.amount is None else change.amount,
                operation_id=(listed and listed.id) or row.operation_id,
                result=listed.source.result if listed else row.result,
                by_totals=row.by_totals and listed is None,
                misses=change.misses,
                missed_at=now if change.counted else row.missed_at,
                # a repetition was sent, and its answer was lost, too
                send_count=row.send_count + change.resend,
                send_ended_at=now if change.resend else row.send_ended_at,
            )
        first = max((row.key for row in self.rows), default=0) + 1
        keys = {-1 - place: first + place for place in range(len(reading.adopted))}
        for place, new in enumerate(reading.adopted):
            facts = new.as_facts(first + place)
            parent = facts.parent
            if parent is not None and parent < 0:
                facts = replace(facts, parent=keys[parent])
            self.rows.append(facts)
        self.kinds += [finding.kind for finding in reading.findings]
        charged = reading.charge.entry
        self.order = replace(
            self.order,
            state=reading.state or self.order.state,
            shown_ids=reading.shown_ids,
            blocked=self.order.blocked or any(one.blocks for one in reading.findings),
            operation_id=self.order.operation_id or (charged.id if charged else ""),
            dispute=reading.dispute,
        )

    @property
    def outcomes(self) -> list[tuple[str, str, int | None]]:
        return [(str(row.kind), str(row.outcome), row.amount) for row in self.rows[1:]]
