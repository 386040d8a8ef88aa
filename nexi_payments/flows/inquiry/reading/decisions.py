"""What staff decide, as a reading: it is written by the same road. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nexi_payments.flows.inquiry.reading import adoption
from nexi_payments.flows.inquiry.reading.adoption import NewOperation, with_new
from nexi_payments.flows.inquiry.reading.charge import ChargeReading, Verdict
from nexi_payments.flows.inquiry.reading.draft import Draft
from nexi_payments.flows.inquiry.reading.reader import Reading, state_after
from nexi_payments.flows.ledger import books
from nexi_payments.flows.ledger.facts import InquiryTimes, OperationFacts, OrderFacts


def decide_operation(
    order: OrderFacts,
    rows: Sequence[OperationFacts],
    times: InquiryTimes,
    key: int,
    outcome: str,
) -> Reading:
    """One operation has ``outcome``, because a person says so."""
    draft = Draft(order, rows, times, complete=False)
    row = next(row for row in rows if row.key == key)
    draft.change(row, outcome)
    draft.changes[key] = replace(draft.changes[key], error="resolved")
    return _reading(draft, ())


def accept_total(
    order: OrderFacts, rows: Sequence[OperationFacts], times: InquiryTimes
) -> Reading | None:
    """What Nexi's total shows beyond the operations is a capture, because a person
    says so. ``None`` if the total does not exceed them, or has done so for less than a
    lag: totals run ahead of the list.
    """
    dispute = order.dispute
    if dispute is None or dispute.difference <= 0:
        return None
    if times.asked_at < dispute.since + times.lag:
        return None
    draft = Draft(replace(order, dispute=None), rows, times, complete=False)
    row = adoption.row_of_total(rows)
    if row is None:
        return _reading(draft, (NewOperation.by_totals(dispute.difference),))
    amount = (row.amount or 0) + dispute.difference
    draft.change(row, row.outcome, amount=amount)
    return _reading(draft, ())


def _reading(draft: Draft, adopted: tuple[NewOperation, ...]) -> Reading:
    after = with_new(draft.rows_after(), adopted)
    sums = books.sum_up(after)
    state, reason = state_after(draft, sums, after)
    return Reading(
        charge=ChargeReading(Verdict.NO_CHARGE),
        books=sums,
        state=state,
        reason=reason,
        changes=tuple(draft.changes.values()),
        adopted=adopted,
        shown_ids=draft.order.shown_ids,
        dispute=draft.order.dispute,
        operations=tuple(after),
    )
