"""Ids decide which operation is whose, and one id is one operation."""

from __future__ import annotations

from dataclasses import replace

from nexi_payments.enums import DiscrepancyKind, OperationKind, OperationOutcome
from tests.support.readings import Ledger, authorization, charge, entry, operation

CAPTURED = entry("CAPTURE", "EXECUTED", 1000, "cap")
CAPTURE = operation(
    2, OperationKind.CAPTURE, 1000, outcome=OperationOutcome.DONE, operation_id="cap"
)
#: Nexi has accepted it, with an id of its own.
REFUND = operation(
    3,
    OperationKind.REFUND,
    300,
    outcome=OperationOutcome.ACCEPTED,
    operation_id="r",
    id_is_answered=True,
)


def test_an_equal_refund_with_another_id_is_not_ours() -> None:
    ledger = Ledger.of(charge(), CAPTURE, REFUND, state="paid")
    ledger.see(authorization(), CAPTURED, entry("REFUND", "REFUNDED", 300, "theirs"))
    assert [(row.operation_id, row.outcome) for row in ledger.rows[2:]] == [
        ("r", OperationOutcome.ACCEPTED),
        ("theirs", OperationOutcome.DONE),
    ]


def test_the_refund_of_another_payment_is_neither_bound_nor_adopted() -> None:
    in_doubt = replace(REFUND, outcome=OperationOutcome.IN_DOUBT, operation_id="")
    ledger = Ledger.of(
        charge(), CAPTURE, in_doubt, state="paid", foreign_ids=frozenset({"theirs"})
    )
    reading = ledger.see(
        authorization(), CAPTURED, entry("REFUND", "REFUNDED", 300, "theirs")
    )
    assert [row.outcome for row in ledger.rows] == ["done", "done", "in_doubt"]
    assert ledger.kinds == [DiscrepancyKind.SAME_ID]
    assert (reading.books.refunded, reading.books.refunding) == (0, 300)
