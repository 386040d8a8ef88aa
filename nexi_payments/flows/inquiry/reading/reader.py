"""Reads one response: matches, judges, adopts, adds up, derives the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from nexi_payments import enums
from nexi_payments.enums import (
    DiscrepancyKind,
    OperationKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.flows.inquiry.reading import adoption, judgement
from nexi_payments.flows.inquiry.reading.adoption import NewOperation, with_new
from nexi_payments.flows.inquiry.reading.charge import ChargeReading, read_charge
from nexi_payments.flows.inquiry.reading.draft import Draft, OperationChange
from nexi_payments.flows.inquiry.reading.matching import Finding, Matching, match
from nexi_payments.flows.ledger import books
from nexi_payments.flows.ledger.books import Books
from nexi_payments.flows.ledger.facts import (
    Dispute,
    InquiryTimes,
    OperationFacts,
    OrderFacts,
)
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OrderResult


@dataclass(frozen=True)
class Reading:
    """What is to be written. ``state`` is ``None`` if it does not change."""

    charge: ChargeReading
    books: Books
    state: str | None = None
    reason: str = ""
    changes: tuple[OperationChange, ...] = ()
    adopted: tuple[NewOperation, ...] = ()
    findings: tuple[Finding, ...] = ()
    shown_ids: frozenset[str] = frozenset()
    dispute: Dispute | None = None
    #: the list could be read, and shows everything that it showed before
    complete: bool = False
    #: a proof of absence needs only another inquiry
    soon: bool = False
    #: all operations afterwards; adopted ones have negative keys
    operations: tuple[OperationFacts, ...] = ()


def read(
    order: OrderFacts,
    rows: Sequence[OperationFacts],
    response: OrderResult,
    times: InquiryTimes,
) -> Reading:
    """Reads ``response``. ``order`` and ``rows`` are as before the inquiry was sent."""
    shown = frozenset(
        one.operation_id[:64]
        for one in response.operations
        if one.operation_id and one.order_id in ("", order.order_id)
    )
    complete = response.readable and order.shown_ids <= shown
    draft = Draft(order, rows, times, complete)
    matching = match(order, rows, response.operations)
    draft.findings += matching.findings
    charge = read_charge(order, rows, matching, response)
    adopted = judgement.judge_charge(draft, charge, response)
    adopted += judgement.judge_post_charge(draft, matching)
    adopted += _adopt(draft, matching, adopted)
    _give_way(draft, adopted, response.captured)
    after = with_new(draft.rows_after(), adopted)
    dispute = _dispute(order, books.sum_up(after), response.captured, times.asked_at)
    if dispute is not None and not shown <= order.shown_ids:
        # a new entry may have explained the old dispute: this is another one
        dispute = replace(dispute, since=times.asked_at)
    adopted += _apply_dispute(draft, after, dispute)
    after = with_new(draft.rows_after(), adopted)
    sums = books.sum_up(after)
    state, reason = state_after(draft, sums, after)
    return Reading(
        charge=charge,
        books=sums,
        state=state,
        reason=reason,
        changes=tuple(draft.changes.values()),
        adopted=tuple(adopted),
        findings=tuple(dict.fromkeys(draft.findings)),
        shown_ids=order.shown_ids | shown,
        dispute=dispute,
        complete=complete,
        soon=draft.soon,
        operations=tuple(after),
    )


def _adopt(
    draft: Draft, matching: Matching, before: Sequence[NewOperation]
) -> list[NewOperation]:
    """The entries that no row explains."""
    rows = draft.rows_after()
    found = adoption.adopt(rows, before, matching.unbound, matching.by_totals)
    draft.findings += found.findings
    by_key = {row.key: row for row in draft.rows}
    for key, entry in found.replaced.items():
        draft.change(by_key[key], OperationOutcome.DONE, entry, entry.amount)
    return found.adopted


def _give_way(draft: Draft, adopted: Sequence[NewOperation], total: int | None) -> None:
    """Captures made at Nexi that are listed as done now, and that the total showed
    before, count once.
    """
    row = adoption.row_of_total(draft.rows)
    if row is None or row.key in draft.changes:
        return
    after = with_new(draft.rows_after(), adopted)
    before = {one.key for one in draft.rows if one.done}
    listed = sum(
        one.amount or 0
        for one in after
        if one.kind == OperationKind.CAPTURE
        and one.done
        and one.adopted
        and one.key not in before
    )
    sums = books.sum_up(after)
    excess = sums.captured - (sums.authorized if total is None else total)
    amount = row.amount or 0
    if (less := min(listed, excess, amount)) > 0:
        draft.change(row, row.outcome, amount=amount - less)


def _dispute(
    order: OrderFacts, sums: Books, total: int | None, now: datetime
) -> Dispute | None:
    """Whether Nexi's total differs from our sums in a way that operations in flight do
    not explain. It may be counted before or after refunds.
    """
    if total is None or not sums.authorized:
        return None
    most = sums.captured + sums.capturing
    least = sums.kept - sums.refunding - sums.voiding
    if least <= total <= most:
        return None
    found = Dispute(total, most if total > most else least, now)
    known = order.dispute
    same = known is not None and (known.total, known.ours) == (total, found.ours)
    return known if same else found


def _apply_dispute(
    draft: Draft, rows: Sequence[OperationFacts], dispute: Dispute | None
) -> list[NewOperation]:
    """A dispute that lasts is a capture that only the total shows, or a discrepancy.

    Totals run ahead of the list, so one inquiry proves nothing.
    """
    if dispute is None or draft.times.asked_at < dispute.since + draft.times.lag:
        return []
    row = adoption.row_of_total(rows)
    known = row.amount or 0 if row else 0
    amount = known + dispute.difference
    # less than the total showed before: that was no evidence, whatever else is listed
    takes_back = row is not None and 0 <= amount < known
    if amount < 0 or not (takes_back or adoption.total_may_speak(rows)):
        ours, theirs = str(dispute.ours), str(dispute.total)
        draft.find(DiscrepancyKind.TOTALS, ours, theirs)
        return []
    if row is None:
        return [NewOperation.by_totals(amount)]
    draft.change(row, row.outcome, amount=amount)
    return []


def state_after(
    draft: Draft, sums: Books, rows: Sequence[OperationFacts]
) -> tuple[str | None, str]:
    """The order's next state, ``None`` if it does not change, and the reason."""
    blocking = next((one for one in draft.findings if one.blocks), None)
    charges = [row for row in rows if row.kind in enums.CHARGING]
    decided = charges and not any(row.in_flight for row in charges)
    state = books.state_of(
        sums,
        draft.order.amount,
        undecided=blocking is None and not decided,
        blocked=blocking is not None or draft.order.blocked,
    )
    if state is None or state == draft.order.state:
        return None, ""
    if state == OrderState.REVIEW:
        return state, blocking.kind if blocking else DiscrepancyKind.MADE_AT_NEXI
    if state == OrderState.FAILED:
        return state, _failure(charges[-1])
    return state, _reason(draft.order.state, state, rows)


def _reason(before: str, state: str, rows: Sequence[OperationFacts]) -> str:
    if before == OrderState.FAILED:
        return Reason.LATE_CHARGE
    voided = any(row.kind == OperationKind.VOID and row.done for row in rows)
    if state == OrderState.VOIDED and not voided:
        return Reason.LAPSED
    if (before, state) == (OrderState.PAID, OrderState.AUTHORIZED):
        return Reason.CAPTURE_CANCELLED
    return ""


def _end_of_page(row: OperationFacts) -> str:
    if row.result in result_codes.CANCELLED:
        return Reason.CANCELLED_BY_PAYER
    return Reason.EXPIRED if row.result in ("", result_codes.EXPIRED) else ""


def _failure(row: OperationFacts) -> str:
    if row.outcome == OperationOutcome.REJECTED:
        return Reason.BUSY if row.busy else Reason.REJECTED
    if row.result in result_codes.NOT_AUTHENTICATED:
        return Reason.NOT_AUTHENTICATED
    if row.kind == OperationKind.HOSTED and (reason := _end_of_page(row)):
        return reason
    if row.result in result_codes.UNSUCCESSFUL:
        return Reason.DECLINED
    return Reason.UNCONFIRMED
