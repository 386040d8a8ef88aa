"""A reading in the making: changes of our operations, and findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nexi_payments import enums
from nexi_payments.enums import DiscrepancyKind, OperationKind, OperationOutcome
from nexi_payments.flows.inquiry.reading import absence
from nexi_payments.flows.inquiry.reading.absence import Absence, Proof
from nexi_payments.flows.inquiry.reading.matching import Entry, Finding
from nexi_payments.flows.ledger import books
from nexi_payments.flows.ledger.facts import (
    InquiryTimes,
    OperationFacts,
    OrderFacts,
)


@dataclass(frozen=True)
class OperationChange:
    """What becomes of one operation of ours. ``entry`` is its operation at Nexi.

    ``counted``: this inquiry is one of the ``misses``, which are stored with its time.
    """

    key: int
    outcome: str
    entry: Entry | None = None
    amount: int | None = None
    error: str = ""
    misses: int = 0
    counted: bool = False
    resend: bool = False


@dataclass
class Draft:
    order: OrderFacts
    rows: Sequence[OperationFacts]
    times: InquiryTimes
    #: the list could be read and shows everything that it showed before
    complete: bool
    changes: dict[int, OperationChange] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    #: a proof of absence needs only another inquiry
    soon: bool = False

    def change(
        self,
        row: OperationFacts,
        outcome: str,
        entry: Entry | None = None,
        amount: int | None = None,
    ) -> None:
        self.changes[row.key] = OperationChange(row.key, outcome, entry, amount)

    def find(self, kind: str, ours: str, theirs: str, *, blocks: bool = False) -> None:
        self.findings.append(Finding(kind, ours[:200], theirs[:200], blocks))

    def contradict(self, row: OperationFacts, entry: Entry) -> None:
        """A final word against another counts when it is said twice. About the charge,
        staff decide.
        """
        if not absence.counts(row, self.times):
            self.soon = True
            return
        misses = row.misses + 1
        twice = misses >= absence.ENOUGH_TO_CONTRADICT
        self.find(
            DiscrepancyKind.CONTRADICTION,
            f"{row.kind} done",
            entry.text,
            blocks=twice and row.kind in enums.CHARGING,
        )
        if twice:
            self.change(row, OperationOutcome.DECLINED, entry)
        else:
            self.changes[row.key] = OperationChange(
                row.key, row.outcome, misses=misses, counted=True
            )
            self.soon = True

    def confirm(self, row: OperationFacts) -> None:
        """What spoke against a final word is over when Nexi repeats the word."""
        if row.misses:
            self.changes[row.key] = OperationChange(row.key, row.outcome)

    def apply_absence(self, row: OperationFacts, judged: Absence) -> None:
        outcome = row.outcome
        self.soon |= judged.soon
        proof = judged.proof
        if proof is Proof.RESEND and self._is_pointless(row):
            proof = Proof.ABSENT
        resend = proof is Proof.RESEND
        if proof is Proof.REJECTED:
            outcome = OperationOutcome.REJECTED
        elif proof is Proof.ABSENT:
            outcome = OperationOutcome.DECLINED
        if judged.counted:
            self.changes[row.key] = OperationChange(
                row.key,
                outcome,
                error="unconfirmed" if proof is Proof.ABSENT else "",
                misses=0 if resend else judged.misses,  # about the new send now
                counted=True,
                resend=resend,
            )

    def _is_pointless(self, row: OperationFacts) -> bool:
        """Whether nothing is held any more that a capture or a void could take."""
        takes_held = row.kind in (OperationKind.CAPTURE, OperationKind.VOID)
        return takes_held and books.sum_up(self.rows_after()).held == 0

    def is_overdue(self, row: OperationFacts) -> bool:
        """Whether ``WATCH_FOR`` is over since the operation was sent."""
        end = row.send_ended_at
        return end is not None and self.times.asked_at >= end + self.times.watch_for

    def is_decided(self, row: OperationFacts) -> bool:
        """Whether this reading settles the row, or leaves it to a person."""
        return row.key in self.changes or any(one.blocks for one in self.findings)

    def is_done_now(self, row: OperationFacts) -> bool:
        change = self.changes.get(row.key)
        outcome = row.outcome if change is None else change.outcome
        return outcome == OperationOutcome.DONE

    def rows_after(self) -> list[OperationFacts]:
        """Our operations as they are after the changes."""
        return [self._after(row) for row in self.rows]

    def _after(self, row: OperationFacts) -> OperationFacts:
        change = self.changes.get(row.key)
        if change is None:
            return row
        entry = change.entry
        return replace(
            row,
            outcome=change.outcome,
            amount=row.amount if change.amount is None else change.amount,
            operation_id=(entry and entry.id) or row.operation_id,
            result=entry.source.result if entry else row.result,
            by_totals=row.by_totals and entry is None,
        )
