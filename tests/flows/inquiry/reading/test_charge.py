"""What a response shows about the charge, and the state that follows."""

from __future__ import annotations

from dataclasses import replace
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
from nexi_payments.flows.inquiry.reading import Verdict
from nexi_payments.gateway.responses import OperationResult
from tests.support.readings import (
    TOTAL,
    WATCH,
    Ledger,
    authorization,
    charge,
    entry,
    operation,
)


def paying(**sent: Any) -> Ledger:
    """A charge without an answer."""
    given: dict[str, Any] = {"outcome": OperationOutcome.IN_DOUBT, "operation_id": ""}
    return Ledger.of(charge(**{"result": "", **given, **sent}))


def states(ledger: Ledger, *minutes: float, of: Any = (), **facts: Any) -> list[str]:
    seen = []
    for minute in minutes:
        ledger.see(*of, after=timedelta(minutes=minute), **facts)
        seen.append(str(ledger.order.state))
    return seen


@pytest.mark.parametrize(
    ("word", "state", "reason"),
    [
        ("EXECUTED", "paid", ""),
        ("AUTHORIZED", "authorized", ""),
        ("DECLINED", "failed", Reason.DECLINED),
        ("EXPIRED", "failed", Reason.DECLINED),
        ("3DS_FAILED", "failed", Reason.NOT_AUTHENTICATED),
        ("VOIDED", "voided", Reason.LAPSED),
        ("PENDING", None, ""),
        ("THREEDS_VALIDATED", None, ""),
        ("SOMETHING", None, ""),
    ],
)
def test_words_of_the_charge(word: str, state: str | None, reason: str) -> None:
    reading = paying().read(authorization(word))
    assert (reading.state, reading.reason) == (state, reason)


def test_no_trace_fails_it_only_after_settling() -> None:
    assert states(paying(), 0.02, 1, 2, 3, 14, 15) == ["paying"] * 5 + ["failed"]


@pytest.mark.parametrize(
    ("busy", "reason"), [(False, Reason.REJECTED), (True, Reason.BUSY)]
)
def test_a_rejected_charge_fails_after_two_late_inquiries(
    busy: bool, reason: str
) -> None:
    ledger = paying(rejected=True, busy=busy)
    assert states(ledger, 0.02, 0.05, 1) == ["paying"] * 3
    reading = ledger.see(after=timedelta(minutes=2))
    assert (reading.state, reading.reason) == (OrderState.FAILED, reason)


@pytest.mark.parametrize("said", [True, False])
def test_pending_never_fails_it(said: bool) -> None:
    """Now, or in an answer before that Nexi does not repeat."""
    ledger = paying()
    now: tuple[OperationResult, ...] = (authorization("PENDING"),) if said else ()
    facts: dict[str, Any] = (
        {"pending_is_charge": True} if said else {"was_pending": True}
    )
    ledger.order = replace(ledger.order, **facts)
    minutes = (1, 5, 15, 60, 71 * 60)
    assert states(ledger, *minutes, of=now) == ["paying"] * 5
    assert states(ledger, 72 * 60, of=now) == ["review"]


@pytest.mark.parametrize(
    ("more", "answer", "reason"),
    [
        ({"amount": 999}, {}, Reason.MISMATCH),
        ({"currency": "USD"}, {}, Reason.MISMATCH),
        ({"amount": None, "invalid_members": ("amount",)}, {}, Reason.MISMATCH),
        ({"amount": None}, {"amount": 999}, Reason.MISMATCH),
        ({"amount": None}, {"amount": None}, Reason.NO_DETAILS),
        ({}, {"currency": ""}, Reason.NO_DETAILS),
    ],
)
def test_another_amount_or_currency_needs_a_person(
    more: dict[str, Any], answer: dict[str, Any], reason: str
) -> None:
    reading = paying().read(authorization("EXECUTED", **more), **answer)
    assert (reading.state, reading.reason) == (OrderState.REVIEW, reason)
    assert reading.books.authorized == 0


def test_absent_members_are_read_from_the_order() -> None:
    reading = paying().read(authorization("EXECUTED", amount=None))
    assert reading.state == OrderState.PAID


def test_the_charge_of_another_order_is_not_ours() -> None:
    ledger = paying()
    reading = ledger.read(authorization("EXECUTED", order_id="PAB2"))
    assert reading.state is None
    assert [finding.kind for finding in reading.findings] == ["mismatch"]


def test_without_an_id_any_authorization_is_the_charge() -> None:
    ledger = paying()
    ledger.order = replace(ledger.order, operation_id="")
    declined = authorization("DECLINED", id_="first")
    ledger.see(declined, authorization("EXECUTED", id_="second"))
    assert ledger.rows[0].operation_id == "second"
    assert ledger.order.state == OrderState.PAID


def test_a_lone_capture_is_the_charge_where_none_was_asked_for() -> None:
    reading = paying().read(entry("CAPTURE", "EXECUTED", 1000, "charge"))
    assert reading.state == OrderState.PAID
    assert not reading.adopted
    assert reading.books.captured == 1000


def test_a_charge_and_its_capture_are_the_same_money() -> None:
    both = [authorization("EXECUTED"), entry("CAPTURE", "EXECUTED", 1000, "cap")]
    ledger = paying()
    reading = ledger.see(*both, captured=1000)
    assert (reading.books.captured, reading.state) == (1000, OrderState.PAID)
    assert ledger.kinds == []
    assert ledger.see(*both, captured=1000).changes == ()


@pytest.mark.parametrize("word", ["EXECUTED", "AUTHORIZED"])
def test_a_second_charge_is_a_row_and_needs_a_person(word: str) -> None:
    ledger = Ledger.of(charge(), state="authorized")
    reading = ledger.see(authorization(), authorization(word, id_="other"))
    assert (reading.state, reading.reason) == ("review", Reason.TWO_AUTHORIZATIONS)
    assert reading.books.authorized == 2000
    assert [row.operation_id for row in ledger.rows] == ["charge", "other"]
    again = ledger.see(authorization(), authorization(word, id_="other"))
    assert (again.adopted, again.findings) == ((), ())


@pytest.mark.parametrize("state", ["init", "awaiting_3ds", "validated"])
def test_a_charge_that_nobody_sent_becomes_a_row(state: str) -> None:
    ledger = Ledger.of(state=state)
    reading = ledger.see(authorization("EXECUTED"))
    assert (reading.state, reading.reason) == ("review", Reason.UNEXPECTED_CHARGE)
    assert reading.books.kept == 1000
    assert [row.kind for row in ledger.rows] == [OperationKind.PAYMENT]
    # its refund ends the review
    refund = operation(9, OperationKind.REFUND, 1000)
    ledger.rows.append(refund)
    ended = ledger.see(authorization("EXECUTED"), entry("REFUND", "REFUNDED", id_="r"))
    assert ended.state == OrderState.REFUNDED


def test_before_the_charge_nothing_is_decided() -> None:
    assert Ledger.of(state="awaiting_3ds").read(authorization("PENDING")).state is None


@pytest.mark.parametrize(
    ("result", "state", "reason"),
    [
        ("", "paid", Reason.LATE_CHARGE),
        ("DECLINED", "review", Reason.CHARGED_AFTER_DECLINE),
    ],
)
def test_a_late_charge(result: str, state: str, reason: str) -> None:
    ledger = paying(outcome=OperationOutcome.DECLINED, result=result)
    ledger.order = replace(ledger.order, state="failed")
    reading = ledger.see(authorization("EXECUTED"), after=timedelta(hours=5))
    assert (reading.state, reading.reason) == (state, reason)
    assert ledger.rows[0].outcome == OperationOutcome.DONE


@pytest.mark.parametrize("word", ["VOIDED", "REVERSED", "EXPIRED"])
def test_an_authorization_that_ends_at_nexi(word: str) -> None:
    ledger = Ledger.of(charge(), state="authorized")
    reading = ledger.see(authorization(word))
    assert (reading.state, reading.reason) == (OrderState.VOIDED, Reason.LAPSED)
    again = ledger.see(authorization(word), after=timedelta(days=1))
    assert (again.changes, again.findings, again.state) == ((), (), None)


@pytest.mark.parametrize("word", ["VOIDED", "EXPIRED"])
def test_an_authorization_that_ends_keeps_what_was_captured(word: str) -> None:
    capture = operation(
        2,
        OperationKind.CAPTURE,
        300,
        outcome=OperationOutcome.DONE,
        operation_id="cap",
    )
    ledger = Ledger.of(charge(), capture, state="paid")
    captured = entry("CAPTURE", "EXECUTED", 300, "cap")
    books = ledger.see(authorization(word), captured).books
    assert (books.captured, books.held, ledger.order.state) == (300, 0, "paid")
    back = entry("REFUND", "REFUNDED", 300, "r")
    reading = ledger.see(authorization(word), captured, back)
    assert reading.state == OrderState.REFUNDED


def test_refunded_without_a_refund_needs_a_person() -> None:
    reading = paying().read(authorization("REFUNDED"))
    assert (reading.state, reading.reason) == ("review", Reason.NO_DETAILS)
    both = [authorization("REFUNDED"), entry("REFUND", "REFUNDED", 1000, "r")]
    assert paying().read(*both).state == OrderState.REFUNDED


def test_a_decline_of_a_done_charge_needs_a_person_when_it_is_said_twice() -> None:
    ledger = Ledger.of(charge("EXECUTED"), state="paid")
    declined = [authorization("DECLINED")]
    assert states(ledger, 0.5, 2, 2.5, of=declined) == ["paid"] * 3
    reading = ledger.see(*declined, after=timedelta(minutes=3))
    assert (reading.state, reading.reason) == ("review", Reason.CONTRADICTION)
    assert ledger.rows[0].outcome == OperationOutcome.DECLINED
    assert set(ledger.kinds) == {"contradiction"}


def test_a_charge_that_is_confirmed_between_two_declines_stays_done() -> None:
    ledger = Ledger.of(charge("EXECUTED"), state="paid")
    ledger.see(authorization("DECLINED"), after=timedelta(minutes=2))
    assert ledger.rows[0].misses == 1
    ledger.see(authorization("EXECUTED"), after=timedelta(minutes=4))
    assert ledger.rows[0].misses == 0
    ledger.see(authorization("DECLINED"), after=timedelta(minutes=6))
    assert (ledger.rows[0].outcome, ledger.order.state) == ("done", "paid")


def test_a_decline_of_one_charge_says_nothing_about_another() -> None:
    """Ours was declined, another was found. A lagging list shows only the decline."""
    ours = charge("DECLINED", outcome=OperationOutcome.DECLINED)
    found = replace(charge(), key=2, operation_id="other", adopted=True)
    ledger = Ledger.of(ours, found, state="authorized")
    assert states(ledger, 2, 4, of=[authorization("DECLINED")]) == ["authorized"] * 2
    assert ledger.rows[1].outcome == OperationOutcome.DONE
    assert ledger.kinds == []


def test_a_charge_with_another_id_is_this_order_s_money() -> None:
    ledger = paying()
    reading = ledger.see(authorization("EXECUTED", id_="other"))
    assert reading.state == OrderState.PAID
    assert ledger.rows[0].operation_id == "other"


def test_a_declined_charge_stays_declined() -> None:
    ledger = paying(outcome=OperationOutcome.DECLINED, result="DECLINED")
    ledger.order = replace(ledger.order, state=OrderState.FAILED)
    reading = ledger.see(authorization("DECLINED"))
    assert (reading.changes, reading.findings, reading.state) == ((), (), None)


@pytest.mark.parametrize("state", ["paying", "authorized", "paid", "review"])
def test_an_order_without_a_charge_of_ours_is_never_failed(state: str) -> None:
    assert Ledger.of(state=state).read(after=timedelta(days=9)).state is None


@pytest.mark.parametrize(("count", "state"), [(1, "paid"), (2, None)])
def test_lone_captures_while_the_id_is_unknown(count: int, state: str | None) -> None:
    ledger = paying()
    ledger.order = replace(ledger.order, operation_id="")
    captures = [entry("CAPTURE", "EXECUTED", id_=f"c{n}") for n in range(count)]
    assert ledger.read(*captures).state == state


@pytest.mark.parametrize("listed", [True, False])
def test_a_capture_that_nobody_asked_for(listed: bool) -> None:
    """Captured at once although the shop captures later; one that is listed is made in
    the back office."""
    ledger = paying()
    ledger.order = replace(ledger.order, manual_capture=True)
    captures = [entry("CAPTURE", "EXECUTED", 1000, "cap")] if listed else []
    ledger.see(authorization("EXECUTED"), *captures)
    assert ledger.kinds == ([] if listed else ["captured_unasked"])
    assert ledger.order.state == OrderState.PAID


@pytest.mark.parametrize(
    ("shown", "more"),
    [
        ([entry("", "EXECUTED", id_="x")], {}),
        ([entry("SALE", "EXECUTED", id_="x")], {}),
        ([entry("AUTHORIZATION", "EXECUTED", id_="foreign")], {}),
        ([], {"authorized": TOTAL}),
        ([], {"captured": TOTAL}),
        ([], {"readable": False}),
    ],
)
def test_what_may_be_a_charge_is_no_absence(
    shown: list[OperationResult], more: dict[str, Any]
) -> None:
    """Otherwise the shopper pays again. At the end of the watch staff decide."""
    ledger = moto(foreign_ids=frozenset({"foreign"}))
    for minutes in (2, 10, 20, 40):
        reading = ledger.see(*shown, after=timedelta(minutes=minutes), **more)
        assert reading.state is None
        assert reading.charge.verdict is Verdict.UNKNOWN
    assert ledger.see(*shown, after=WATCH, **more).state == OrderState.REVIEW
    assert ledger.kinds[-1] == DiscrepancyKind.STILL_PENDING


@pytest.mark.parametrize(
    "shown",
    [
        [entry("AUTHORIZATION", "WEIRD", id_="x")],
        [entry("AUTHORIZATION", "VOIDED", 900, id_="x")],
        [],  # the list lacks what it once showed
    ],
)
def test_a_charge_that_stays_undecided_needs_a_person_in_the_end(
    shown: list[OperationResult],
) -> None:
    ledger = moto(shown_ids=frozenset({"gone"}))
    for minutes in (2, 10, 20, 40):
        assert ledger.see(*shown, after=timedelta(minutes=minutes)).state is None
    assert ledger.see(*shown, after=WATCH).state == OrderState.REVIEW
    assert ledger.order.state == OrderState.REVIEW


def moto(**order: Any) -> Ledger:
    """A phone order whose charge got no answer: we know no id."""
    row = operation(1, OperationKind.MOTO, TOTAL)
    return Ledger.of(row, operation_id="", pending_is_charge=True, **order)


def test_a_captured_charge_that_reads_as_released_is_voided_in_the_end() -> None:
    """Nobody lists what returned the money, so it is said twice."""
    ledger = Ledger.of(charge("EXECUTED"), state="paid")
    gone = [authorization("VOIDED")]
    assert states(ledger, 2, 2.5, 4, 6, of=gone) == ["paid", "paid", "review", "voided"]
    assert set(ledger.kinds) == {DiscrepancyKind.CONTRADICTION}


@pytest.mark.parametrize("word", ["VOIDED", "REFUNDED"])
def test_a_refund_on_its_way_explains_the_word_of_its_charge(word: str) -> None:
    """Nexi's list of operations may be behind the word of the charge."""
    refund = operation(2, OperationKind.REFUND, TOTAL)
    ledger = Ledger.of(charge("EXECUTED"), refund, state="paid")
    assert states(ledger, 2, 4, of=[authorization(word)]) == ["paid", "paid"]
    listed = [authorization(word), entry("REFUND", word, TOTAL, "r")]
    assert states(ledger, 6, of=listed) == ["refunded"]
    assert ledger.kinds == []


def test_a_second_charge_that_is_released_at_nexi_is_held_no_more() -> None:
    ledger = Ledger.of(charge(), state="authorized")
    second = entry("AUTHORIZATION", "AUTHORIZED", TOTAL, "two")
    assert states(ledger, 2, of=[authorization(), second]) == ["review"]
    released = entry("AUTHORIZATION", "VOIDED", TOTAL, "two")
    books = ledger.see(authorization(), released, after=timedelta(minutes=4)).books
    assert (books.held, books.released) == (TOTAL, TOTAL)
