"""What the entries of a response say of our operations: outcomes and findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nexi_payments import enums
from nexi_payments.enums import DiscrepancyKind, OperationKind, OperationOutcome
from nexi_payments.flows.inquiry.reading import absence, adoption
from nexi_payments.flows.inquiry.reading.adoption import NewOperation
from nexi_payments.flows.inquiry.reading.charge import ChargeReading, Verdict
from nexi_payments.flows.inquiry.reading.draft import Draft
from nexi_payments.flows.inquiry.reading.matching import Entry, Matching
from nexi_payments.flows.inquiry.reading.vocabulary import ROLES, Status
from nexi_payments.flows.ledger.books import CAPTURED_WITH_CHARGE
from nexi_payments.flows.ledger.facts import OperationFacts
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OrderResult


def judge_charge(
    draft: Draft, charge: ChargeReading, response: OrderResult
) -> list[NewOperation]:
    """Judges the charge; returns charges that no operation of ours explains."""
    entry = charge.entry
    row = _charge_row(draft, entry)
    ours = f"{draft.order.amount} {draft.order.currency}"
    if entry is not None and charge.verdict is Verdict.CHARGED:
        return _judge_success(draft, row, charge, entry, response)
    if entry is not None and charge.verdict is Verdict.MISMATCH:
        theirs = f"{charge.detail}: {entry.text}"
        # returned already: staff have refunded or voided it
        blocks = not entry.is_returned
        draft.find(DiscrepancyKind.MISMATCH, ours, theirs, blocks=blocks)
    elif entry is not None and charge.verdict is Verdict.NO_DETAILS:
        theirs = f"{charge.detail}: {entry.text}"
        blocks = not entry.is_returned
        draft.find(DiscrepancyKind.NO_DETAILS, ours, theirs, blocks=blocks)
    elif entry is not None and charge.verdict is Verdict.UNKNOWN:
        draft.find(DiscrepancyKind.UNKNOWN_RESULT, "charge", charge.detail)
    elif entry is not None and charge.verdict is Verdict.DECLINED and row is not None:
        _judge_decline(draft, row, entry)
    if row is not None and row.in_flight:
        _judge_waiting_charge(draft, row, charge)
    return []


def _judge_decline(draft: Draft, row: OperationFacts, entry: Entry) -> None:
    if row.in_flight:
        if _may_pay_again(draft, row):
            return
        draft.change(row, OperationOutcome.DECLINED, entry)
    elif row.done and entry.source.result == result_codes.EXPIRED:
        # it was authorized, and what was not captured is not held any more
        if row.result != result_codes.EXPIRED:
            draft.change(row, OperationOutcome.DONE, entry)
    elif row.done:
        draft.contradict(row, entry)


def _charge_row(draft: Draft, entry: Entry | None) -> OperationFacts | None:
    """The charge that the response is about: the one with this id, else the one in
    flight, else the last.
    """
    rows = [row for row in draft.rows if row.kind in enums.CHARGING]
    with_id = [row for row in rows if entry and row.operation_id == entry.id]
    known = [row for row in with_id if row.done] or with_id
    waiting = [row for row in rows if row.in_flight]
    return next(iter(known or waiting or rows[-1:]), None)


def _judge_success(
    draft: Draft,
    row: OperationFacts | None,
    charge: ChargeReading,
    entry: Entry,
    response: OrderResult,
) -> list[NewOperation]:
    adopted = [
        NewOperation(OperationKind.PAYMENT, OperationOutcome.DONE, one)
        for one in charge.others
        if not _is_known_charge(draft, one)
    ]
    _judge_others(draft, charge.others)
    if adopted:
        theirs = ", ".join(one.text for one in charge.others)
        kind = DiscrepancyKind.TWO_AUTHORIZATIONS
        draft.find(kind, entry.text, theirs, blocks=True)
    if row is None:
        kind = DiscrepancyKind.UNEXPECTED_CHARGE
        draft.find(kind, "no charge was sent", entry.text, blocks=True)
        new = NewOperation(OperationKind.PAYMENT, OperationOutcome.DONE, entry)
        return [new, *adopted]
    # the hosted page takes several tries, each with an id of its own
    another_try = row.kind == OperationKind.HOSTED and row.operation_id != entry.id
    declined = row.outcome == OperationOutcome.DECLINED
    if declined and row.result in result_codes.UNSUCCESSFUL and not another_try:
        kind = DiscrepancyKind.CHARGED_AFTER_DECLINE
        draft.find(kind, row.result, entry.text, blocks=True)
    returned_unseen = (
        entry.source.result == result_codes.REFUNDED
        and row.result != result_codes.REFUNDED  # once: staff decide it
        and not _shows_returns(draft, response)
    )
    if returned_unseen:
        kind = DiscrepancyKind.NO_DETAILS
        draft.find(kind, "the amount returned", entry.text, blocks=True)
    if (
        row.in_flight
        and draft.order.manual_capture
        and _is_captured_unasked(entry, response)
    ):
        kind = DiscrepancyKind.CAPTURED_UNASKED
        draft.find(kind, "manual capture", entry.text)
    captured_or_released = (
        row.result == result_codes.AUTHORIZED and entry.status is not Status.HELD
    )
    if not row.done or captured_or_released or returned_unseen:
        draft.change(row, OperationOutcome.DONE, entry)
    elif _is_taken_back_unseen(draft, row, entry, response):
        draft.contradict(row, entry)
    else:
        draft.confirm(row)
    return adopted


def _is_taken_back_unseen(
    draft: Draft, row: OperationFacts, entry: Entry, response: OrderResult
) -> bool:
    """Whether a captured charge reads as released, and nothing that returned it is
    listed.
    """
    captured = row.result in CAPTURED_WITH_CHARGE
    reversed_ = captured and entry.status is Status.REVERSED
    return reversed_ and not _shows_returns(draft, response)


def _judge_others(draft: Draft, others: Sequence[Entry]) -> None:
    """Further charges that are known, and were captured or released since."""
    for one in others:
        for row in draft.rows:
            known = row.operation_id == one.id and row.kind in enums.CHARGING
            held = known and row.done and row.result == result_codes.AUTHORIZED
            if held and one.status is not Status.HELD:
                draft.change(row, OperationOutcome.DONE, one)


def _is_captured_unasked(entry: Entry, response: OrderResult) -> bool:
    listed = any(one.type == result_codes.CAPTURE for one in response.operations)
    return entry.source.result == result_codes.EXECUTED and not listed


def _is_known_charge(draft: Draft, entry: Entry) -> bool:
    return any(
        row.operation_id == entry.id and row.kind in enums.CHARGING and row.done
        for row in draft.rows
    )


def _shows_returns(draft: Draft, response: OrderResult) -> bool:
    kinds = enums.REFUNDING | {OperationKind.VOID}
    # one that is on its way may have been executed, and be listed later
    ours = any(row.kind in kinds and (row.done or row.in_flight) for row in draft.rows)
    return ours or any(
        one.type in result_codes.REFUND_OR_VOID for one in response.operations
    )


def _judge_waiting_charge(
    draft: Draft, row: OperationFacts, charge: ChargeReading
) -> None:
    if row.kind == OperationKind.HOSTED:
        _judge_open_page(draft, row, charge)
        return
    absent = charge.verdict is Verdict.NO_CHARGE
    pending = charge.verdict is Verdict.PENDING or (absent and draft.order.was_pending)
    if absent and not pending and draft.complete:
        # in three steps the charge has the id of its authentication
        nameless = replace(row, operation_id="")
        judged = absence.judge(nameless, draft.times, complete=True)
        draft.apply_absence(row, judged)
    elif draft.is_overdue(row) and not draft.is_decided(row):
        theirs = charge.entry.text if charge.entry and not pending else ""
        kind = DiscrepancyKind.STILL_PENDING
        draft.find(kind, "an end", theirs or result_codes.PENDING, blocks=True)


def _may_pay_again(draft: Draft, row: OperationFacts) -> bool:
    """Whether the shopper is still on the hosted page, which may take another try."""
    is_page = row.kind == OperationKind.HOSTED
    return is_page and not draft.order.is_back and not _is_page_over(draft)


def _is_page_over(draft: Draft) -> bool:
    end = draft.order.page_open_until
    return end is not None and draft.times.asked_at >= end


def _judge_open_page(draft: Draft, row: OperationFacts, charge: ChargeReading) -> None:
    """A hosted page without a charge. Nothing listed means that it was not used yet,
    never that it was not paid: only our own expiry ends it. It is watched afterwards.
    """
    if charge.verdict is Verdict.NO_CHARGE and draft.complete:
        if _is_page_over(draft):
            draft.change(row, OperationOutcome.DECLINED)
    elif draft.is_overdue(row) and not draft.is_decided(row):
        theirs = charge.entry.text if charge.entry else result_codes.PENDING
        draft.find(DiscrepancyKind.STILL_PENDING, "an end", theirs, blocks=True)


def judge_post_charge(draft: Draft, matching: Matching) -> list[NewOperation]:
    """Judges captures, voids, refunds and cancels; returns cancels that Nexi shows on
    their targets alone.
    """
    for row in draft.rows:
        if row.kind not in enums.POST_CHARGE or row.by_totals:
            continue
        entry = matching.bound.get(row.key)
        if entry is not None:
            _judge_listed(draft, row, entry)
        elif row.in_flight:
            _judge_absent(draft, row, matching)
    return [
        new
        for row in draft.rows
        if (new := _rollback_shown_on(draft, row, matching.bound.get(row.key)))
    ]


def _judge_listed(draft: Draft, row: OperationFacts, entry: Entry) -> None:
    if entry.status in (Status.DONE, Status.REVERSED):
        if row.outcome in enums.NEGATIVE_OUTCOMES:
            ours = f"{row.kind} {row.amount} {row.outcome}"
            draft.find(DiscrepancyKind.LATE_EXECUTION, ours, entry.text)
        if not row.done or not row.operation_id:
            draft.change(row, OperationOutcome.DONE, entry)
        else:
            draft.confirm(row)
    elif entry.status is Status.NEGATIVE:
        if row.in_flight:
            draft.change(row, OperationOutcome.DECLINED, entry)
        elif row.done:
            draft.contradict(row, entry)
    elif entry.status is Status.OPEN:
        _judge_open(draft, row, entry)
    elif not entry.contradictory:
        draft.find(DiscrepancyKind.UNKNOWN_RESULT, row.kind, entry.text)


def _judge_open(draft: Draft, row: OperationFacts, entry: Entry) -> None:
    # a person may have decided against the word that Nexi repeats
    news = row.result != entry.source.result or (
        row.in_flight and row.outcome != OperationOutcome.ACCEPTED
    )
    if not row.done and news:
        draft.change(row, OperationOutcome.ACCEPTED, entry)
    if draft.is_overdue(row) and not row.done and (row.in_flight or news):
        draft.find(DiscrepancyKind.STILL_PENDING, row.kind, entry.text)


def _judge_absent(draft: Draft, row: OperationFacts, matching: Matching) -> None:
    complete = draft.complete and ROLES[row.kind] not in matching.unclear
    if (row.operation_id or not complete) and draft.is_overdue(row):
        ours = f"{row.kind} {row.amount}"
        draft.find(DiscrepancyKind.STILL_PENDING, ours, "not listed")
    draft.apply_absence(row, absence.judge(row, draft.times, complete=complete))


def _rollback_shown_on(
    draft: Draft, row: OperationFacts, entry: Entry | None
) -> NewOperation | None:
    """The cancel that an entry shows by its own word. Ours is done then."""
    if entry is None or entry.status is not Status.REVERSED:
        return None
    if row.kind not in enums.POST_CHARGE:
        return None
    cancels = [
        one
        for one in draft.rows
        if one.kind == OperationKind.CANCEL and one.parent == row.key
    ]
    if any(draft.is_done_now(one) for one in cancels):
        return None
    waiting = next((one for one in cancels if one.in_flight), None)
    if waiting is None:
        new = NewOperation.rollback_of(row, OperationOutcome.DONE, None)
        if finding := adoption.cancelled_refund(new, draft.rows, entry):
            draft.findings.append(finding)
        return new
    draft.change(waiting, OperationOutcome.DONE)
    return None
