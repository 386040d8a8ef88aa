"""Table B: which listed operation is which of ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from nexi_payments.enums import DiscrepancyKind, OperationKind, OperationOutcome
from nexi_payments.gateway.responses import OperationResult
from tests.support.readings import (
    NOON,
    Ledger,
    authorization,
    charge,
    entry,
    operation,
)

CAPTURED = operation(
    2, OperationKind.CAPTURE, 1000, outcome=OperationOutcome.DONE, operation_id="cap"
)


def paid(*more: Any) -> Ledger:
    """An order whose whole amount is captured, and further operations."""
    return Ledger.of(charge(), CAPTURED, *more, state="paid")


def listed(*more: Any) -> tuple[OperationResult, ...]:
    return (authorization(), entry("CAPTURE", "EXECUTED", 1000, "cap"), *more)


def kinds_after(ledger: Ledger, *more: Any, **facts: Any) -> list[str]:
    ledger.see(*listed(*more), **facts)
    return ledger.kinds


@pytest.mark.parametrize(
    ("other", "member"),
    [
        (
            entry("REFUND", "REFUNDED", 300, "r", order_id="PAB2"),
            "orderId of REFUND r",
        ),
        (
            entry("REFUND", "REFUNDED", 300, "r", currency="USD"),
            "operationCurrency of REFUND r",
        ),
        (
            entry("REFUND", "REFUNDED", None, "r", invalid_members=("amount",)),
            "operationAmount of REFUND r",
        ),
    ],
)
def test_a_refund_of_something_else_is_never_bound(
    other: OperationResult, member: str
) -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300))
    reading = ledger.read(*listed(other))
    [finding] = reading.findings
    assert (finding.kind, finding.theirs) == (DiscrepancyKind.MISMATCH, member)
    assert not reading.changes
    assert not reading.adopted
    assert reading.books.refunded == 0


def test_an_absent_currency_and_order_id_count_as_ours() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300))
    ledger.see(*listed(entry("REFUND", "REFUNDED", 300, "r")))
    assert ledger.rows[2].outcome == OperationOutcome.DONE
    assert ledger.rows[2].operation_id == "r"


def test_equal_refunds_are_matched_oldest_first() -> None:
    ledger = paid(
        operation(3, OperationKind.REFUND, 300),
        operation(4, OperationKind.REFUND, 300),
    )
    kinds_after(ledger, entry("REFUND", "REFUNDED", 300, "r"))
    assert [row.outcome for row in ledger.rows[2:]] == ["done", "in_doubt"]
    kinds_after(
        ledger,
        entry("REFUND", "REFUNDED", 300, "r"),
        entry("REFUND", "REFUNDED", 300, "s"),
    )
    assert [row.operation_id for row in ledger.rows[2:]] == ["r", "s"]


def test_an_answered_id_displaces_a_match_by_amount() -> None:
    """The first row was matched with the operation that the second one made."""
    first = operation(3, OperationKind.REFUND, 300, operation_id="r")
    second = operation(
        4, OperationKind.REFUND, 300, operation_id="r", id_is_answered=True
    )
    ledger = paid(first, second)
    kinds_after(
        ledger,
        entry("REFUND", "REFUNDED", 300, "r"),
        entry("REFUND", "REFUNDED", 300, "s"),
    )
    assert [row.operation_id for row in ledger.rows[2:]] == ["s", "r"]
    assert ledger.read(*listed()).books.refunded == 600


def test_an_id_that_was_shown_before_the_request_is_not_its() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300))
    ledger.order = replace(ledger.order, shown_ids=frozenset({"old"}))
    ledger.see(*listed(entry("REFUND", "REFUNDED", 300, "old")))
    assert ledger.rows[2].outcome == OperationOutcome.IN_DOUBT
    assert ledger.outcomes[-1] == ("refund", "done", 300)  # adopted


def test_a_failed_operation_is_matched_by_its_id_only() -> None:
    by_id = operation(3, OperationKind.REFUND, 300, operation_id="r")
    ledger = paid(by_id, operation(4, OperationKind.REFUND, 300))
    failed = [entry("REFUND", "FAILED", 300, id_) for id_ in ("r", "s")]
    kinds_after(ledger, *failed)
    assert [row.outcome for row in ledger.rows[2:]] == ["declined", "in_doubt"]


def test_one_id_twice_final_beats_open() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300, operation_id="r"))
    words = [entry("REFUND", word, 300, "r") for word in ("PENDING", "REFUNDED")]
    assert kinds_after(ledger, *words) == []
    assert ledger.rows[2].outcome == OperationOutcome.DONE


def test_one_id_with_two_final_words_proves_nothing() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300, operation_id="r"))
    words = [entry("REFUND", word, 300, "r") for word in ("FAILED", "REFUNDED")]
    assert kinds_after(ledger, *words) == [DiscrepancyKind.SAME_ID]
    assert ledger.rows[2].outcome == OperationOutcome.IN_DOUBT


def test_our_id_with_another_amount_proves_nothing() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300, operation_id="r"))
    entry_ = entry("REFUND", "REFUNDED", 500, "r")
    assert kinds_after(ledger, entry_) == [DiscrepancyKind.MISMATCH]
    assert ledger.outcomes == [("capture", "done", 1000), ("refund", "in_doubt", 300)]


def test_a_cancel_names_its_capture() -> None:
    two = operation(
        3, OperationKind.CAPTURE, 400, outcome=OperationOutcome.DONE, operation_id="c2"
    )
    one = operation(
        2, OperationKind.CAPTURE, 600, outcome=OperationOutcome.DONE, operation_id="c1"
    )
    cancel = operation(4, OperationKind.CANCEL, 400, target_id="c2", parent=3)
    ledger = Ledger.of(charge(), one, two, cancel, state="paid")
    captures = [
        entry("CAPTURE", "EXECUTED", 600, "c1"),
        entry("CAPTURE", "EXECUTED", 400, "c2"),
    ]
    other = entry("CANCEL", "EXECUTED", 400, "x", cancelled_operation_id="c1")
    ledger.see(authorization(), *captures, other)
    assert ledger.rows[3].outcome == OperationOutcome.IN_DOUBT
    assert ledger.outcomes[-1] == ("cancel", "done", 600)  # of c1, made at Nexi
    mine = entry("CANCEL", "CANCELED", None, "y", cancelled_operation_id="c2")
    reading = ledger.see(authorization(), *captures, other, mine)
    assert ledger.rows[3].outcome == OperationOutcome.DONE
    assert (reading.books.captured, reading.state) == (0, "authorized")


@pytest.mark.parametrize("word", ["VOIDED", "CANCELED", "CANCELLED", "REVERSED"])
def test_a_capture_that_is_taken_back_says_so_itself(word: str) -> None:
    ledger = paid()
    ledger.see(authorization(), entry("CAPTURE", word, 1000, "cap"))
    assert ledger.outcomes == [("capture", "done", 1000), ("cancel", "done", 1000)]
    assert ledger.order.state == "authorized"
    # its CANCEL appears, too: counted once
    also = entry("CANCEL", "EXECUTED", 1000, "x", cancelled_operation_id="cap")
    ledger.see(authorization(), entry("CAPTURE", word, 1000, "cap"), also)
    assert len(ledger.rows) == 3


def test_our_cancel_is_done_when_its_capture_says_so() -> None:
    ledger = paid(operation(3, OperationKind.CANCEL, 1000, target_id="cap", parent=2))
    ledger.see(authorization(), entry("CAPTURE", "VOIDED", 1000, "cap"))
    assert ledger.outcomes == [("capture", "done", 1000), ("cancel", "done", 1000)]


def test_a_refund_that_was_cancelled_gives_the_money_back_to_the_shop() -> None:
    refund = operation(
        3, OperationKind.REFUND, 300, outcome=OperationOutcome.DONE, operation_id="r"
    )
    ledger = paid(refund)
    reading = ledger.see(*listed(entry("REFUND", "CANCELED", 300, "r")))
    assert reading.books.refunded == 0
    assert ledger.outcomes[-1] == ("cancel", "done", 300)


def test_what_others_made_is_adopted_and_reserved() -> None:
    ledger = paid()
    pending = entry("REFUND", "PENDING", 300, "r")
    assert kinds_after(ledger, pending) == []
    assert ledger.outcomes[-1] == ("refund", "accepted", 300)
    assert ledger.read(*listed(pending)).books.refunding == 300
    kinds_after(ledger, entry("REFUND", "FAILED", 300, "r"))
    assert ledger.outcomes[-1] == ("refund", "declined", 300)


def test_a_second_execution_of_our_repetition_is_named() -> None:
    ours = operation(
        3,
        OperationKind.REFUND,
        300,
        outcome=OperationOutcome.DONE,
        operation_id="r",
        send_count=2,
    )
    ledger = paid(ours)
    both = [entry("REFUND", "REFUNDED", 300, id_) for id_ in ("r", "s")]
    assert kinds_after(ledger, *both) == [DiscrepancyKind.EXECUTED_TWICE]
    assert ledger.read(*listed(*both)).books.refunded == 600


@pytest.mark.parametrize(
    "odd",
    [
        entry("REFUND", "REFUNDED", 300),
        entry("REFUND", "REFUNDED", None, "r"),
        entry("CAPTURE", "EXECUTED", 0, "c"),
        entry("CANCEL", "EXECUTED", 300, "x"),
    ],
)
def test_what_cannot_be_counted_is_a_discrepancy(odd: OperationResult) -> None:
    ledger = paid()
    assert kinds_after(ledger, odd) == [DiscrepancyKind.MADE_AT_NEXI]
    assert len(ledger.rows) == 2


def test_more_than_was_captured_is_taken_over_and_reviewed() -> None:
    ledger = paid()
    refund = entry("REFUND", "REFUNDED", 1500, "r")
    assert kinds_after(ledger, refund) == [DiscrepancyKind.MADE_AT_NEXI]
    assert ledger.order.state == "review"


def test_what_was_refused_and_executed_later_is_found() -> None:
    refused = operation(3, OperationKind.REFUND, 300, outcome=OperationOutcome.REJECTED)
    ledger = paid(refused)
    found = kinds_after(
        ledger, entry("REFUND", "REFUNDED", 300, "r"), after=timedelta(hours=20)
    )
    assert found == [DiscrepancyKind.LATE_EXECUTION]
    assert ledger.outcomes[-1] == ("refund", "done", 300)


def test_a_contrary_final_word_counts_when_it_is_said_twice() -> None:
    done = operation(
        3, OperationKind.REFUND, 300, outcome=OperationOutcome.DONE, operation_id="r"
    )
    ledger = paid(done)
    failed = entry("REFUND", "FAILED", 300, "r")
    for minutes, outcome in ((2, "done"), (2.5, "done"), (4, "declined")):
        kinds_after(ledger, failed, after=timedelta(minutes=minutes))
        assert ledger.rows[2].outcome == outcome
    assert set(ledger.kinds) == {DiscrepancyKind.CONTRADICTION}
    assert ledger.rows[2].missed_at == NOON + timedelta(minutes=2)
    assert ledger.read(*listed(failed)).books.refunded == 0


def test_a_contrary_word_between_two_confirmations_changes_nothing() -> None:
    done = operation(
        3, OperationKind.REFUND, 300, outcome=OperationOutcome.DONE, operation_id="r"
    )
    ledger = paid(done)
    for minutes, word in ((2, "FAILED"), (4, "REFUNDED"), (6, "FAILED")):
        entry_ = entry("REFUND", word, 300, "r")
        kinds_after(ledger, entry_, after=timedelta(minutes=minutes))
    assert (ledger.rows[2].outcome, ledger.rows[2].misses) == ("done", 1)


def test_a_refused_operation_stays_refused() -> None:
    refused = operation(
        3,
        OperationKind.REFUND,
        300,
        outcome=OperationOutcome.DECLINED,
        operation_id="r",
    )
    ledger = paid(refused)
    reading = ledger.see(*listed(entry("REFUND", "FAILED", 300, "r")))
    assert (reading.changes, reading.findings) == ((), ())


def test_a_pending_operation_needs_a_person_in_the_end() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300, operation_id="r"))
    pending = entry("REFUND", "PENDING", 300, "r")
    assert kinds_after(ledger, pending, after=timedelta(hours=71)) == []
    found = kinds_after(ledger, pending, after=timedelta(hours=72))
    assert found == [DiscrepancyKind.STILL_PENDING]
    assert ledger.order.state == "paid"
    # Nexi may still say how it ended
    kinds_after(ledger, entry("REFUND", "REFUNDED", 300, "r"), after=timedelta(days=9))
    assert ledger.rows[2].outcome == OperationOutcome.DONE


def test_a_word_without_a_meaning_proves_nothing() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300, operation_id="r"))
    assert kinds_after(ledger, entry("REFUND", "ODD", 300, "r")) == ["unknown_result"]
    assert ledger.rows[2].outcome == OperationOutcome.IN_DOUBT
    ledger = paid()
    assert kinds_after(ledger, entry("REFUND", "ODD", 300, "r")) == ["unknown_result"]
    assert len(ledger.rows) == 2


def test_what_was_made_and_taken_back_moves_nothing() -> None:
    ledger = paid()
    assert kinds_after(ledger, entry("REFUND", "CANCELED", 300, "r")) == []
    assert len(ledger.rows) == 2


def test_a_contradiction_of_others_is_one_discrepancy() -> None:
    words = [entry("REFUND", word, 300, "r") for word in ("FAILED", "REFUNDED")]
    ledger = paid()
    assert kinds_after(ledger, *words) == [DiscrepancyKind.SAME_ID]
    assert len(ledger.rows) == 2


def test_what_moves_no_money_hides_nothing() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300, rejected=True))
    for minute in (1, 2):
        kinds_after(
            ledger,
            entry("CARD_VERIFICATION", "EXECUTED", 0, "v"),
            after=timedelta(minutes=minute),
        )
    assert ledger.rows[2].outcome == OperationOutcome.REJECTED


def test_one_id_twice_open_after_final_is_the_final_one() -> None:
    ledger = paid(operation(3, OperationKind.REFUND, 300, operation_id="r"))
    words = [entry("REFUND", word, 300, "r") for word in ("REFUNDED", "PENDING")]
    assert kinds_after(ledger, *words) == []
    assert ledger.rows[2].outcome == OperationOutcome.DONE


def test_what_a_person_decided_as_done_is_listed_later_and_counts_once() -> None:
    decided = operation(3, OperationKind.REFUND, 300, outcome=OperationOutcome.DONE)
    ledger = paid(decided, operation(4, OperationKind.REFUND, 300))
    assert kinds_after(ledger, entry("REFUND", "REFUNDED", 300, "r")) == []
    assert ledger.outcomes[-2:] == [
        ("refund", "done", 300),
        ("refund", "in_doubt", 300),
    ]
    assert ledger.rows[2].operation_id == "r"
