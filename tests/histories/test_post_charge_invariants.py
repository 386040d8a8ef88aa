"""The judge of the post-charge histories sees each promise that breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.models import Discrepancy, Operation, PaymentOrder
from tests.histories.post_charge_invariants import (
    BothBooks,
    find_violations,
    refused_requests,
)

pytestmark = pytest.mark.seen_on("sqlite")


def at_nexi(id_: str, key: str, result: str = "EXECUTED") -> dict[str, Any]:
    return {"id": id_, "key": key, "type": "CAPTURE", "amount": "300", "result": result}


def here(id_: str, key: str, outcome: str = OperationOutcome.DONE) -> Operation:
    return Operation(
        kind=OperationKind.CAPTURE,
        amount=300,
        gateway_operation_id=id_,
        idempotency_key=key,
        outcome=outcome,
    )


def books(**changes: Any) -> BothBooks:
    """300 of 1000 captured, in both books; ``changes`` are of any field."""
    same = BothBooks(
        order=PaymentOrder(state=OrderState.PAID, captured_amount=300),
        rows=[here("a", "k")],
        discrepancies=[],
        charge={
            "authorized": 1000,
            "captured": 300,
            "refunded": 0,
            "voided": False,
            "result": "AUTHORIZED",
        },
        theirs=[at_nexi("a", "k")],
        world="plain",
        undelivered=[],
    )
    return replace(same, **changes)


def test_equal_books_break_nothing() -> None:
    assert find_violations(books()) == []
    assert list(refused_requests(books())) == []


def test_one_request_executed_twice() -> None:
    again = books(
        theirs=[at_nexi("a", "k"), at_nexi("b", "k")],
        rows=[here("a", "k"), here("b", "")],
    )
    assert find_violations(again) == ["twice: 2 times CAPTURE 300 EXECUTED"]
    again.world = "twice"
    assert find_violations(again) == [
        "twice: 2 times CAPTURE 300 EXECUTED, without a discrepancy"
    ]
    again.discrepancies = [Discrepancy(kind="executed_twice")]
    assert find_violations(again) == []
    again.discrepancies = [Discrepancy(kind="made_at_nexi", theirs="CAPTURE 300 b")]
    assert find_violations(again) == []


def test_as_many_requests_as_executions() -> None:
    """Two requests of ours were one amount each: one executed twice is both of them."""
    both = [here("a", "k"), here("b", "l")]
    again = books(theirs=[at_nexi("a", "k"), at_nexi("b", "k")], rows=both)
    again.world = "twice"
    both[0].sent_at = timezone.now()
    assert find_violations(again) == [
        "twice: 2 times CAPTURE 300 EXECUTED, without a discrepancy"
    ]
    both[1].sent_at = timezone.now()
    assert find_violations(again) == []


def test_an_operation_of_nexi_that_is_not_ours() -> None:
    others = books(theirs=[at_nexi("a", "k"), at_nexi("b", "")])
    assert find_violations(others) == ["unknown: CAPTURE 300 EXECUTED (back office)"]
    other_amount = books(theirs=[{**at_nexi("a", "k"), "amount": "299"}])
    assert find_violations(other_amount) == ["unknown: CAPTURE 299 EXECUTED (ours)"]


def test_a_request_called_refused_that_was_executed() -> None:
    refused = books(rows=[here("", "k", OperationOutcome.REJECTED)])
    assert list(refused_requests(refused)) == [
        "refused: capture 300 rejected sent 1 times was executed"
    ]


def test_what_others_made_is_no_request_of_ours() -> None:
    """One operation of the back office has failed here, another one is executed."""
    failed = here("b", "", OperationOutcome.DECLINED)
    others = books(
        rows=[here("a", ""), failed],
        theirs=[at_nexi("a", ""), at_nexi("b", "", "FAILED")],
    )
    assert list(refused_requests(others)) == []
    assert find_violations(others) == []


def test_ours_may_be_known_as_an_equal_one_of_others() -> None:
    """Ours is executed and theirs has failed; by amount they are the same."""
    swapped = books(
        rows=[here("b", "k", OperationOutcome.DECLINED), here("a", "")],
        theirs=[at_nexi("a", "k"), at_nexi("b", "", "FAILED")],
    )
    assert list(refused_requests(swapped)) != []
    swapped.world = "lagging+backoffice"
    assert list(refused_requests(swapped)) == []
    assert find_violations(swapped) == []


def test_a_repetition_that_was_executed_is_known_by_another_row() -> None:
    """The first request was executed and has failed, its late repetition was not."""
    late = books(
        rows=[here("b", "k", OperationOutcome.DECLINED), here("a", "")],
        theirs=[at_nexi("a", "k"), at_nexi("b", "k", "FAILED")],
    )
    late.world = "pending+forgetful"
    assert list(refused_requests(late)) != []
    late.world = "pending+forgetful+late"
    assert list(refused_requests(late)) == []
    late.rows.pop()
    assert list(refused_requests(late)) != []


def test_sums_that_differ() -> None:
    order = PaymentOrder(state=OrderState.PAID, captured_amount=600)
    assert find_violations(books(order=order)) == [
        "sums: captured, refunded (600, 0), at Nexi (300, 0) (paid)"
    ]


@pytest.mark.parametrize("theirs", [[], [at_nexi("a", "k", "FAILED")]])
def test_done_here_and_not_executed(theirs: list[dict[str, Any]]) -> None:
    assert "not executed: capture 300 done sent 1 times" in find_violations(
        books(theirs=theirs)
    )


def test_one_operation_of_nexi_for_two_rows() -> None:
    rows = [here("a", "k"), here("a", "l")]
    assert find_violations(books(rows=rows)) == [
        "not executed: capture 300 done sent 1 times"
    ]


def test_what_is_on_its_way_for_ever() -> None:
    moving = books(
        rows=[here("a", "k"), here("", "l", OperationOutcome.IN_DOUBT)],
        undelivered=["paid"],
    )
    moving.order.refunding_amount = 300
    assert find_violations(moving) == [
        "in flight: capture 300 in_doubt sent 1 times",
        "in flight: (0, 300) reserved",
        "in flight: event paid",
    ]


@pytest.mark.parametrize(
    ("state", "charge", "expected"),
    [
        (OrderState.AUTHORIZED, {}, "paid"),
        (OrderState.REFUNDED, {"refunded": 300}, "authorized"),
        (OrderState.PAID, {"refunded": 300, "authorized": 300}, "refunded"),
        (OrderState.PAID, {"captured": 0, "voided": True}, "voided"),
        (OrderState.PAID, {"captured": 0}, "authorized"),
    ],
)
def test_a_state_that_the_sums_deny(
    state: str, charge: dict[str, Any], expected: str
) -> None:
    found = books(charge={**books().charge, **charge})
    found.order = PaymentOrder(
        state=state, captured_amount=found.captured, refunded_amount=found.refunded
    )
    assert find_violations(found) == [f"state: {state}, at Nexi {expected}"]
    found.order.state = OrderState.REVIEW
    found.discrepancies = [Discrepancy(kind="made_at_nexi")]
    assert find_violations(found) == []
