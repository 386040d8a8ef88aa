"""Operations that were made at Nexi, not by us. Pure.

Each becomes a row of ours, so that sums come from rows alone. One that is on its way
reserves its amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nexi_payments import enums
from nexi_payments.enums import (
    DiscrepancyKind,
    OperationKind,
    OperationOutcome,
)
from nexi_payments.flows.inquiry.reading.matching import Entry, Finding
from nexi_payments.flows.inquiry.reading.vocabulary import Role, Status
from nexi_payments.flows.ledger import books
from nexi_payments.flows.ledger.books import Books
from nexi_payments.flows.ledger.facts import OperationFacts
from nexi_payments.gateway import result_codes


@dataclass(frozen=True)
class NewOperation:
    """A row to insert. ``parent`` is the key of the capture or refund that it refunds
    or cancels. ``from_total``: Nexi's total alone shows it.
    """

    kind: str
    outcome: str
    entry: Entry | None = None
    amount: int | None = None
    parent: int | None = None
    from_total: bool = False

    @classmethod
    def by_totals(cls, amount: int) -> NewOperation:
        return cls(
            OperationKind.CAPTURE, OperationOutcome.DONE, amount=amount, from_total=True
        )

    @classmethod
    def rollback_of(
        cls, target: OperationFacts, outcome: str, entry: Entry | None
    ) -> NewOperation:
        return cls(
            OperationKind.CANCEL, outcome, entry, target.amount, parent=target.key
        )

    @property
    def minor(self) -> int | None:
        """The amount in minor units."""
        if self.amount is not None or self.entry is None:
            return self.amount
        return self.entry.amount

    def as_facts(self, key: int) -> OperationFacts:
        """As if it were stored. ``key`` is not the key of another operation."""
        entry = self.entry
        return OperationFacts(
            key,
            self.kind,
            self.outcome,
            self.minor,
            operation_id=entry.id if entry else "",
            result=entry.source.result if entry else "",
            parent=self.parent,
            adopted=True,
            by_totals=self.from_total,
        )


def with_new(
    rows: Sequence[OperationFacts], new: Sequence[NewOperation]
) -> list[OperationFacts]:
    """All operations, the new ones with negative keys."""
    return [*rows, *(one.as_facts(-1 - place) for place, one in enumerate(new))]


@dataclass
class Adoption:
    """``replaced``: the row that only the total showed → the capture that is listed
    for it now.
    """

    adopted: list[NewOperation] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    replaced: dict[int, Entry] = field(default_factory=dict)


def adopt(
    rows: Sequence[OperationFacts],
    before: Sequence[NewOperation],
    unbound: Sequence[Entry],
    in_total: Sequence[Entry],
) -> Adoption:
    """Adopts the entries that no operation of ours explains. ``before`` are adopted
    already, ``in_total`` are captures that Nexi's total showed before.
    """
    found = Adoption()
    total_row = row_of_total(rows)
    for entry in unbound:
        if entry.role is Role.CHARGE or entry.status is Status.NEGATIVE:
            continue
        if total_row is not None and entry in in_total:
            found.replaced[total_row.key] = entry
            total_row = None
            continue
        _adopt_entry(entry, with_new(rows, [*before, *found.adopted]), found)
    return found


def _adopt_entry(entry: Entry, rows: Sequence[OperationFacts], found: Adoption) -> None:
    if entry.status is Status.UNKNOWN:
        if entry.contradictory:
            return
        found.findings.append(
            Finding(DiscrepancyKind.UNKNOWN_RESULT, "no such operation", entry.text)
        )
        return
    if entry.status is Status.REVERSED:
        return  # made and taken back: no money moved
    new = _as_operation(entry, rows)
    if new is None:
        found.findings.append(
            Finding(DiscrepancyKind.MADE_AT_NEXI, "no such operation", entry.text)
        )
        return
    if new.kind == OperationKind.CANCEL and _is_rolled_back(new.parent, rows):
        return
    found.adopted.append(new)
    if finding := cancelled_refund(new, rows, entry):
        found.findings.append(finding)
    if not _fits(new, rows):
        found.findings.append(
            Finding(DiscrepancyKind.MADE_AT_NEXI, "less money", entry.text)
        )
    if _is_repetition(new, rows):
        found.findings.append(
            Finding(DiscrepancyKind.EXECUTED_TWICE, f"{new.kind} once", entry.text)
        )


def _as_operation(entry: Entry, rows: Sequence[OperationFacts]) -> NewOperation | None:
    """The row that an entry becomes; ``None`` if it cannot be counted: without an id it
    would be counted at each inquiry, without a charge it is not this order's money.
    """
    open_now = entry.status is Status.OPEN
    outcome = OperationOutcome.ACCEPTED if open_now else OperationOutcome.DONE
    sums = books.sum_up(rows)
    if not entry.id or not sums.authorized:
        return None
    if entry.role is Role.ROLLBACK:
        named = entry.source.cancelled_operation_id
        target = next(
            (row for row in rows if named and row.operation_id == named), None
        )
        if target is None:
            return None
        return NewOperation.rollback_of(target, outcome, entry)
    if not entry.amount:
        return None
    if entry.role is Role.CAPTURE:
        return NewOperation(OperationKind.CAPTURE, outcome, entry)
    if _releases(entry, sums):
        return NewOperation(OperationKind.VOID, outcome, entry)
    return NewOperation(
        OperationKind.REFUND, outcome, entry, parent=_only_capture(rows)
    )


def cancelled_refund(
    cancel: NewOperation, rows: Sequence[OperationFacts], entry: Entry
) -> Finding | None:
    """The discrepancy of a refund that somebody cancelled at Nexi: it was announced,
    and the shopper does not get the money.
    """
    target = next((row for row in rows if row.key == cancel.parent), None)
    if cancel.kind != OperationKind.CANCEL or target is None:
        return None
    if target.kind == OperationKind.CAPTURE:
        return None  # has a signal of its own
    ours = f"{target.kind} {target.amount} {target.operation_id}".rstrip()
    return Finding(DiscrepancyKind.MADE_AT_NEXI, ours, entry.text)


def _releases(entry: Entry, sums: Books) -> bool:
    """Whether an entry released what was held, and did not give captured money back.

    Nexi releases all that is held, and mostly says so. A capture in flight may have
    been executed before, or not be listed yet.
    """
    amount = entry.amount or 0
    if entry.is_release and sums.held:
        rest = (sums.held, sums.held - sums.capturing)
        return amount in rest or (entry.source.type == "VOID" and amount < sums.held)
    return amount == sums.held and amount > sums.kept - sums.refunding


def _is_rolled_back(key: int | None, rows: Sequence[OperationFacts]) -> bool:
    return any(
        row.kind == OperationKind.CANCEL and row.parent == key and row.done
        for row in rows
    )


def _fits(new: NewOperation, rows: Sequence[OperationFacts]) -> bool:
    sums = books.sum_up(rows)
    amount = new.minor or 0
    if new.kind == OperationKind.CAPTURE:
        listed = any(row.kind == OperationKind.CAPTURE for row in rows)
        # until a capture is listed, that of the charge itself counts
        at_once = 0 if listed else sums.captured
        of_total = row_of_total(rows)
        shown_before = (of_total.amount or 0) if of_total else 0
        return amount <= sums.held + at_once + shown_before - sums.capturing
    if new.kind == OperationKind.REFUND:
        return amount <= sums.kept + sums.capturing - sums.refunding
    return True


def _is_repetition(new: NewOperation, rows: Sequence[OperationFacts]) -> bool:
    """Whether it may be a second execution of a request that we sent twice."""
    return any(
        (row.kind, row.amount) == (new.kind, new.minor) and row.send_count > 1
        for row in rows
    )


def _only_capture(rows: Sequence[OperationFacts]) -> int | None:
    captures = [row for row in rows if row.kind == OperationKind.CAPTURE and row.done]
    return captures[0].key if len(captures) == 1 else None


def row_of_total(rows: Sequence[OperationFacts]) -> OperationFacts | None:
    """The capture that only Nexi's total shows: an order has one at most."""
    return next((row for row in rows if row.by_totals and row.done), None)


def total_may_speak(rows: Sequence[OperationFacts]) -> bool:
    """Whether Nexi's total may show a capture that is not listed.

    Only where we have sent no capture and none was taken back: otherwise a lagging
    total would count money twice.
    """
    captures = [row for row in rows if row.kind == OperationKind.CAPTURE]
    charges = [row for row in rows if row.kind in books.CHARGES and row.done]
    at_once = any(row.result == result_codes.EXECUTED for row in charges)
    return not at_once and all(
        row.adopted
        and row.outcome not in enums.NEGATIVE_OUTCOMES
        and not _is_rolled_back(row.key, rows)
        for row in captures
        if row.outcome != OperationOutcome.NOT_SENT
    )
