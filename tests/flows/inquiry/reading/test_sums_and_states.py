"""Table A: sums → state, and what Nexi's totals may say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from nexi_payments.enums import (
    DiscrepancyKind,
    OperationKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.flows.ledger.books import Books, state_of, sum_up
from tests.support.readings import Ledger, authorization, charge, entry, operation

DONE = {"outcome": OperationOutcome.DONE}
CAPTURE, VOID, REFUND = OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND


@pytest.mark.parametrize(
    ("books", "facts", "state"),
    [
        (Books(), {"undecided": True}, None),
        (Books(), {}, OrderState.FAILED),
        (Books(), {"blocked": True}, OrderState.REVIEW),
        (Books(1000), {}, OrderState.AUTHORIZED),
        (Books(1000), {"blocked": True}, OrderState.REVIEW),
        (Books(1000, 300), {}, OrderState.PAID),
        (Books(1000, 300, 300), {}, OrderState.AUTHORIZED),
        (Books(1000, 300, 300, released=700), {}, OrderState.REFUNDED),
        (Books(1000, 1000, 1000), {}, OrderState.REFUNDED),
        (Books(1000, 1000, 1000), {"blocked": True}, OrderState.REFUNDED),
        (Books(1000, released=1000), {}, OrderState.VOIDED),
        (Books(1000, released=1000, refunding=5), {}, None),
        (Books(1000, 1000, 1001), {}, OrderState.REVIEW),
        (Books(1000, 1001), {}, OrderState.REVIEW),
        (Books(1001, 1001), {}, OrderState.REVIEW),
        # two charges: both held, or one of them released
        (Books(2000, 1000), {}, OrderState.REVIEW),
        (Books(2000, 1000, released=1000), {}, OrderState.PAID),
    ],
)
def test_states(books: Books, facts: dict[str, bool], state: str | None) -> None:
    given = {"undecided": False, "blocked": False} | facts
    assert state_of(books, 1000, **given) == state


def test_a_void_after_a_capture_gives_captured_money_back() -> None:
    books = sum_up(
        [charge(), operation(2, CAPTURE, 300, **DONE), operation(3, VOID, 1000, **DONE)]
    )
    assert (books.held, books.captured, books.refunded, books.kept) == (0, 300, 300, 0)
    assert state_of(books, 1000, undecided=False, blocked=False) == OrderState.REFUNDED


def test_a_void_of_what_was_not_captured_refunds_nothing() -> None:
    books = sum_up([charge(), operation(2, VOID, 1000, **DONE)])
    assert (books.held, books.refunded, books.released) == (0, 0, 1000)


def test_what_is_in_flight_is_reserved() -> None:
    rows = [
        charge("EXECUTED"),
        operation(2, REFUND, 300),
        operation(3, REFUND, 200, outcome=OperationOutcome.ACCEPTED),
        operation(4, REFUND, 100, outcome=OperationOutcome.DECLINED),
    ]
    books = sum_up(rows)
    assert (books.captured, books.refunding, books.in_flight) == (1000, 500, 500)


def totals(ledger: Ledger, *seen: tuple[float, int], of: Any = ()) -> list[int]:
    """What we count as captured after inquiries that show these totals."""
    return [
        ledger.see(
            authorization(), *of, after=timedelta(minutes=minute), captured=total
        ).books.captured
        for minute, total in seen
    ]


def test_a_total_that_lasts_is_a_capture_that_nexi_made() -> None:
    ledger = Ledger.of(charge(), state="authorized")
    assert totals(ledger, (0, 1000), (0.5, 1000), (1, 1000), (9, 1000)) == [
        *(0, 0),
        *(1000, 1000),
    ]
    assert ledger.order.state == OrderState.PAID
    assert ledger.kinds == []
    # it is listed now: the same money
    listed = entry("CAPTURE", "EXECUTED", 1000, "cap")
    assert totals(ledger, (10, 1000), of=[listed]) == [1000]
    assert [row.operation_id for row in ledger.rows] == ["charge", "cap"]
    assert not ledger.rows[1].by_totals


def test_it_is_listed_in_parts() -> None:
    ledger = Ledger.of(charge(), state="authorized")
    totals(ledger, (0, 900), (1, 900))
    part = entry("CAPTURE", "EXECUTED", 400, "a")
    assert totals(ledger, (2, 900), (3, 900), of=[part]) == [400, 900]
    both = [part, entry("CAPTURE", "EXECUTED", 500, "b")]
    assert totals(ledger, (4, 900), of=both) == [900]
    assert ledger.outcomes == [("capture", "done", 400), ("capture", "done", 500)]


def test_a_total_that_goes_down_again_takes_its_capture_with_it() -> None:
    ledger = Ledger.of(charge(), state="authorized")
    totals(ledger, (0, 400), (1, 400))
    assert totals(ledger, (2, 0), (3, 0)) == [400, 0]
    assert ledger.order.state == OrderState.AUTHORIZED


def test_a_total_never_speaks_where_we_sent_a_capture() -> None:
    ours = operation(2, CAPTURE, 300)
    ledger = Ledger.of(charge(), ours, state="authorized")
    assert totals(ledger, (0, 300), (1, 300), (2, 300)) == [0, 0, 0]
    assert ledger.kinds == []  # our capture explains it
    assert totals(ledger, (3, 600), (4, 600)) == [0, 0]
    assert ledger.kinds == [DiscrepancyKind.TOTALS]
    assert len(ledger.rows) == 2


def test_a_total_with_or_without_the_refunds_agrees() -> None:
    refund = operation(2, REFUND, 400, **DONE, operation_id="r")
    for total in (1000, 600):
        ledger = Ledger.of(charge("EXECUTED"), refund, state="paid")
        shown = [entry("REFUND", "REFUNDED", 400, "r")]
        totals(ledger, (0, total), (1, total), (2, total), of=shown)
        assert ledger.kinds == []


def test_a_void_from_the_back_office() -> None:
    ledger = Ledger.of(charge(), state="authorized")
    reading = ledger.see(authorization(), entry("REFUND", "VOIDED", 1000, "v"))
    assert ledger.outcomes == [("void", "done", 1000)]
    assert (reading.state, reading.reason) == (OrderState.VOIDED, "")


RELEASES = [("REFUND", "VOIDED"), ("VOID", "EXECUTED")]


@pytest.mark.parametrize(("type_", "result"), RELEASES)
@pytest.mark.parametrize("captured", [700, 500, 300])
def test_the_rest_is_released_in_the_back_office(
    type_: str, result: str, captured: int
) -> None:
    capture = operation(2, CAPTURE, captured, **DONE, operation_id="c")
    ledger = Ledger.of(charge(), capture, state="paid")
    books = ledger.see(
        authorization(),
        entry("CAPTURE", "EXECUTED", captured, "c"),
        entry(type_, result, 1000 - captured, "v"),
    ).books
    assert ledger.outcomes[1:] == [("void", "done", 1000 - captured)]
    assert (books.held, books.kept, books.refunded) == (0, captured, 0)
    assert (ledger.order.state, ledger.kinds) == (OrderState.PAID, [])


@pytest.mark.parametrize(("type_", "result"), RELEASES)
def test_the_rest_is_released_while_our_capture_is_on_its_way(
    type_: str, result: str
) -> None:
    capture = operation(2, CAPTURE, 700, outcome=OperationOutcome.ACCEPTED)
    ledger = Ledger.of(charge(), capture, state="authorized")
    released = entry(type_, result, 300, "v")
    ledger.see(authorization(), released)
    assert ledger.outcomes == [("capture", "accepted", 700), ("void", "done", 300)]
    listed = entry("CAPTURE", "EXECUTED", 700, "c")
    books = ledger.see(authorization(), released, listed).books
    assert (books.held, books.kept, books.refunded) == (0, 700, 0)
    assert (ledger.order.state, ledger.kinds) == (OrderState.PAID, [])


def test_the_rest_is_released_before_the_capture_of_others_is_listed() -> None:
    ledger = Ledger.of(charge(), state="authorized")
    released = entry("VOID", "EXECUTED", 300, "v")
    ledger.see(authorization(), released)
    books = ledger.see(
        authorization(), released, entry("CAPTURE", "EXECUTED", 700, "c")
    ).books
    assert (books.held, books.kept, books.refunded) == (0, 700, 0)
    assert (ledger.order.state, ledger.kinds) == (OrderState.PAID, [])


@pytest.mark.parametrize("result", ["REFUNDED", "EXECUTED"])
def test_a_refund_as_large_as_the_rest_is_a_refund(result: str) -> None:
    capture = operation(2, CAPTURE, 700, **DONE, operation_id="c")
    ledger = Ledger.of(charge(), capture, state="paid")
    books = ledger.see(
        authorization(),
        entry("CAPTURE", "EXECUTED", 700, "c"),
        entry("REFUND", result, 300, "r"),
    ).books
    assert (books.held, books.kept, books.refunded) == (300, 400, 300)


def test_a_refund_of_the_day_that_reads_voided_is_a_refund() -> None:
    """Of the capture: less than what is held, which Nexi releases as a whole."""
    capture = operation(2, CAPTURE, 300, **DONE, operation_id="c")
    ledger = Ledger.of(charge(), capture, state="paid")
    books = ledger.see(
        authorization(),
        entry("CAPTURE", "EXECUTED", 300, "c"),
        entry("REFUND", "VOIDED", 300, "r"),
    ).books
    assert (books.held, books.kept, books.refunded) == (700, 0, 300)


def test_our_void_confirmed_after_a_capture_of_others() -> None:
    ledger = Ledger.of(charge(), operation(2, VOID, 1000), state="authorized")
    capture = entry("CAPTURE", "EXECUTED", 1000, "c")
    assert ledger.see(authorization(), capture).state == OrderState.PAID
    voided = entry("REFUND", "VOIDED", 1000, "v")
    assert ledger.see(authorization(), capture, voided).state == OrderState.REFUNDED


def test_the_only_capture_is_cancelled() -> None:
    capture = operation(2, CAPTURE, 1000, **DONE, operation_id="c")
    cancel = operation(3, OperationKind.CANCEL, 1000, target_id="c", parent=2)
    ledger = Ledger.of(charge(), capture, cancel, state="paid")
    reading = ledger.see(
        authorization(),
        entry("CAPTURE", "EXECUTED", 1000, "c"),
        entry("CANCEL", "EXECUTED", 1000, "x", cancelled_operation_id="c"),
    )
    assert (reading.state, reading.reason) == (
        OrderState.AUTHORIZED,
        Reason.CAPTURE_CANCELLED,
    )


def test_a_new_entry_begins_the_disagreement_anew() -> None:
    """The capture that the total showed first has failed; this total is another's."""
    ledger = Ledger.of(charge(), state="authorized")
    totals(ledger, (0, 400))
    failed = [entry("CAPTURE", "FAILED", 400, "a")]
    assert totals(ledger, (2, 400), (2.5, 400), (3, 400), of=failed) == [0, 0, 400]


@pytest.mark.parametrize("amount", [1000, 400])
def test_a_capture_of_the_total_that_is_listed_as_open_counts_once(
    amount: int,
) -> None:
    ledger = Ledger.of(charge(), state="authorized")
    assert totals(ledger, (0, amount), (1, amount)) == [0, amount]
    on_its_way = [entry("CAPTURE", "PENDING", amount, "c")]
    done = [entry("CAPTURE", "EXECUTED", amount, "c")]
    assert totals(ledger, (2, amount), of=on_its_way) == [amount]
    assert totals(ledger, (3, amount), (4, amount), of=done) == [amount, amount]
    assert (ledger.order.state, ledger.kinds) == (OrderState.PAID, [])


def test_a_capture_of_the_total_without_its_refund_counts_once() -> None:
    """Nexi's total may be what is left: 700 captured, 200 of it refunded."""
    ledger = Ledger.of(charge(), state="authorized")
    totals(ledger, (0, 500), (1, 500))
    listed = [
        entry("CAPTURE", "EXECUTED", 700, "c"),
        entry("REFUND", "REFUNDED", 200, "r"),
    ]
    assert totals(ledger, (2, 500), (3, 500), of=listed) == [700, 700]
    assert (ledger.order.state, ledger.kinds) == (OrderState.PAID, [])


@pytest.mark.parametrize("result", ["FAILED", "DECLINED"])
def test_a_capture_of_the_total_that_fails_is_no_money(result: str) -> None:
    """The total counted a pending capture: it goes down when that fails."""
    ledger = Ledger.of(charge(), state="authorized")
    assert totals(ledger, (0, 400), (1, 400)) == [0, 400]
    pending = [entry("CAPTURE", "PENDING", 400, "c")]
    assert totals(ledger, (2, 400), of=pending) == [400]
    failed = [entry("CAPTURE", result, 400, "c")]
    assert totals(ledger, (3, 0), (4, 0), of=failed) == [400, 0]
    assert (ledger.order.state, ledger.kinds) == (OrderState.AUTHORIZED, [])
