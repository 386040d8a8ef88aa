"""Table C: when an operation that Nexi does not show was not executed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from nexi_payments.enums import DiscrepancyKind, OperationKind, OperationOutcome
from nexi_payments.flows.inquiry.reading import OperationFacts
from tests.support.readings import (
    LAG,
    WATCH,
    Ledger,
    authorization,
    charge,
    entry,
    operation,
)

CAPTURED = entry("CAPTURE", "EXECUTED", 1000, "cap")
CAPTURE = operation(
    2, OperationKind.CAPTURE, 1000, outcome=OperationOutcome.DONE, operation_id="cap"
)


def outcomes_at(minutes: Sequence[float], **sent: Any) -> list[tuple[str, int]]:
    """Outcome and number of sends of a refund after inquiries without it."""
    ledger = Ledger.of(charge(), CAPTURE, refund(**sent), state="paid")
    seen = []
    for minute in minutes:
        ledger.see(authorization(), CAPTURED, after=timedelta(minutes=minute))
        seen.append((str(ledger.rows[2].outcome), ledger.rows[2].send_count))
    return seen


def refund(**sent: Any) -> OperationFacts:
    return operation(3, OperationKind.REFUND, 300, **sent)


def test_a_rejected_request_needs_two_late_inquiries() -> None:
    seen = outcomes_at([0.02, 0.05, 0.9, 1, 1.5, 2], rejected=True)
    assert seen == [("in_doubt", 1)] * 5 + [("rejected", 1)]


def test_a_lost_answer_is_sent_once_more_after_settling() -> None:
    seen = outcomes_at([1, 2, 3, 10, 13.9, 15, 16, 17, 18, 29, 30])
    assert seen[:5] == [("in_doubt", 1)] * 5
    assert seen[5:10] == [("in_doubt", 2)] * 5
    assert seen[10] == ("declined", 2)


def test_it_is_not_sent_once_more_after_the_life_of_its_key() -> None:
    """No inquiry was made for twelve hours: Nexi may have forgotten the key."""
    hours = 12 * 60
    assert outcomes_at([1, 2, hours - 0.1])[-1] == ("in_doubt", 2)
    assert outcomes_at([1, 2, hours])[-1] == ("declined", 1)


def test_one_inquiry_past_settling_proves_nothing() -> None:
    seen = outcomes_at([15, 16, 17])
    assert seen == [("in_doubt", 1), ("in_doubt", 1), ("in_doubt", 2)]


def test_a_rejected_repetition_proves_nothing_about_the_first_send() -> None:
    seen = outcomes_at([1, 2, 3, 14], rejected=True, send_count=2)
    assert seen == [("in_doubt", 2)] * 4
    assert outcomes_at([1, 2, 15], rejected=True, send_count=2)[-1] == ("declined", 2)


def test_a_cancel_is_never_sent_again() -> None:
    cancel = operation(3, OperationKind.CANCEL, 1000, target_id="cap", parent=2)
    ledger = Ledger.of(charge(), CAPTURE, cancel, state="paid")
    for minute in (1, 2, 15):
        ledger.see(authorization(), CAPTURED, after=timedelta(minutes=minute))
    assert (ledger.rows[2].outcome, ledger.rows[2].send_count) == ("declined", 1)


@pytest.mark.parametrize(
    "sent",
    [
        {"operation_id": "r"},
        {"operation_id": "r", "outcome": OperationOutcome.ACCEPTED},
        {"send_ended_at": None},
        {"adopted": True},
    ],
)
def test_it_is_never_absent(sent: dict[str, Any]) -> None:
    """Nexi knows its id, it may still be under way, or it is not ours to judge."""
    outcome = sent.get("outcome", "in_doubt")
    seen = outcomes_at([1, 2, 3, 20, 40, 70 * 60], **sent)
    assert seen == [(str(outcome), 1)] * 6


def test_an_accepted_operation_without_an_end_needs_a_person() -> None:
    sent = refund(operation_id="r", outcome=OperationOutcome.ACCEPTED)
    ledger = Ledger.of(charge(), CAPTURE, sent, state="paid")
    ledger.see(authorization(), CAPTURED, after=timedelta(hours=71))
    assert ledger.kinds == []
    ledger.see(authorization(), CAPTURED, after=timedelta(hours=72))
    assert ledger.kinds == [DiscrepancyKind.STILL_PENDING]
    assert ledger.order.state == "paid"


@pytest.mark.parametrize(
    "list_",
    [
        # what was shown before is missing
        [authorization()],
        # an entry that could be ours cannot be read
        [
            authorization(),
            CAPTURED,
            entry("REFUND", "REFUNDED", None, "x", invalid_members=("amount",)),
        ],
        [authorization(), CAPTURED, entry("INCREMENTAL", "EXECUTED", 300, "x")],
        [authorization(), CAPTURED, entry("", "EXECUTED", 300, "x")],
    ],
)
def test_an_incomplete_list_proves_nothing(list_: list[Any]) -> None:
    ledger = Ledger.of(charge(), CAPTURE, refund(rejected=True), state="paid")
    ledger.see(authorization(), CAPTURED)
    for minute in (1, 2, 3, 20):
        ledger.see(*list_, after=timedelta(minutes=minute))
    assert ledger.rows[2].outcome == OperationOutcome.IN_DOUBT


def test_an_unreadable_list_proves_nothing() -> None:
    ledger = Ledger.of(charge(), CAPTURE, refund(rejected=True), state="paid")
    for minute in (1, 2, 3):
        ledger.see(after=timedelta(minutes=minute), readable=False)
    assert ledger.rows[2].outcome == OperationOutcome.IN_DOUBT


def test_what_no_list_can_prove_absent_needs_a_person_in_the_end() -> None:
    """The list lacks what it once showed, and stays so."""
    refund = operation(2, OperationKind.REFUND, 300)
    gone = frozenset({"gone"})
    ledger = Ledger.of(charge("EXECUTED"), refund, state="paid", shown_ids=gone)
    ledger.see(authorization("EXECUTED"), after=WATCH - LAG)
    assert ledger.kinds == []
    ledger.see(authorization("EXECUTED"), after=WATCH)
    assert ledger.kinds == [DiscrepancyKind.STILL_PENDING]
    assert ledger.outcomes == [("refund", "in_doubt", 300)]
