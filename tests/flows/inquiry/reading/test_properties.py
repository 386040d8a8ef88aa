"""A reading never raises, never invents money, and says nothing new the second time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nexi_payments import enums
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.flows.inquiry.reading import Dispute, OperationFacts, OrderFacts
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OperationResult, OrderResult
from tests.support.readings import NOON, TOTAL, Ledger

IDS = st.sampled_from(["", "charge", "b", "c", "d"])
AMOUNTS = st.sampled_from([None, 0, 300, 500, 700, TOTAL, TOTAL, 2000])
RESULTS = sorted(
    result_codes.UNSUCCESSFUL
    | result_codes.CHARGED
    | result_codes.REVERSED
    | result_codes.IN_PROGRESS
    | {"", "ODD"}
)
TYPES = ["", "AUTHORIZATION", "CAPTURE", "REFUND", "VOID", "CANCEL", "ODD"]
ENTRIES = st.builds(
    OperationResult,
    order_id=st.sampled_from(["", "", "PAB1", "OTHER"]),
    operation_id=IDS,
    type=st.sampled_from([*TYPES, "CARD_VERIFICATION"]),
    result=st.sampled_from(RESULTS),
    amount=AMOUNTS,
    currency=st.sampled_from(["", "EUR", "EUR", "USD"]),
    cancelled_operation_id=IDS,
    invalid_members=st.sampled_from([(), (), (), ("amount",)]),
)
RESPONSES = st.builds(
    OrderResult,
    order_id=st.just("PAB1"),
    amount=AMOUNTS,
    currency=st.sampled_from(["", "EUR"]),
    captured=AMOUNTS,
    operations=st.lists(ENTRIES, max_size=6).map(tuple),
    readable=st.booleans(),
)
MOMENTS = st.sampled_from(
    [None, *(NOON - timedelta(seconds=ago) for ago in (5, 120, 3600, 800_000))]
)


def rows_of(key: int) -> Any:
    return st.builds(
        OperationFacts,
        key=st.just(key),
        kind=st.sampled_from(OperationKind.values),
        outcome=st.sampled_from(OperationOutcome.values),
        amount=st.sampled_from([300, 500, TOTAL]),
        operation_id=IDS,
        id_is_answered=st.booleans(),
        target_id=IDS,
        parent=st.sampled_from([None, 1, 2]),
        result=st.sampled_from(["", "AUTHORIZED", "EXECUTED", "DECLINED", "PENDING"]),
        send_count=st.integers(1, 3),
        rejected=st.booleans(),
        send_ended_at=MOMENTS,
        misses=st.integers(0, 4),
        missed_at=MOMENTS,
        adopted=st.booleans(),
        by_totals=st.just(False),
    )


def possible(rows: tuple[OperationFacts, ...]) -> tuple[OperationFacts, ...]:
    """An order's charge is sent once: any further charge was found at Nexi, done."""
    ours = [row.key for row in rows if row.kind in enums.CHARGING]
    return tuple(
        row
        for row in rows
        if row.key not in ours[1:] or (row.adopted and row.done and row.operation_id)
    )


ROWS = (
    st.integers(0, 5)
    .flatmap(lambda count: st.tuples(*[rows_of(key + 1) for key in range(count)]))
    .map(possible)
)
ORDERS = st.builds(
    OrderFacts,
    order_id=st.just("PAB1"),
    state=st.sampled_from(OrderState.values),
    amount=st.just(TOTAL),
    currency=st.just("EUR"),
    operation_id=IDS,
    pending_is_charge=st.booleans(),
    was_pending=st.booleans(),
    shown_ids=st.frozensets(IDS.filter(bool)),
    blocked=st.booleans(),
    dispute=st.none()
    | st.builds(Dispute, AMOUNTS.filter(bool), st.just(0), MOMENTS.filter(bool)),
)


@settings(max_examples=100, deadline=None)
@given(ORDERS, ROWS, RESPONSES)
def test_it_never_raises_and_never_invents_money(
    order: OrderFacts, rows: tuple[OperationFacts, ...], answer: OrderResult
) -> None:
    ledger = Ledger(list(rows), order)
    reading = ledger.read(*answer.operations, captured=answer.captured)
    shown = [one for one in answer.operations if one.order_id in ("", "PAB1")]
    charges = [one for one in shown if one.type in ("AUTHORIZATION", "CAPTURE", "")]
    known = [row for row in rows if row.kind in {*enums.CHARGING, "capture"}]
    most = sum(one.amount or TOTAL for one in charges) + sum(
        row.amount or 0 for row in known
    )
    assert reading.books.authorized <= most
    assert reading.books.captured <= most + (answer.captured or 0)
    if not shown:
        assert not reading.adopted or answer.captured
        done = [c for c in reading.changes if c.outcome == OperationOutcome.DONE]
        before = {row.key: row.outcome for row in rows}
        assert all(before[c.key] == OperationOutcome.DONE for c in done)


@settings(max_examples=100, deadline=None)
@given(ORDERS, ROWS, RESPONSES)
def test_the_same_answer_again_moves_nothing(
    order: OrderFacts, rows: tuple[OperationFacts, ...], answer: OrderResult
) -> None:
    ledger = Ledger(list(rows), order)
    facts: dict[str, Any] = {"captured": answer.captured, "readable": answer.readable}
    first = ledger.see(*answer.operations, **facts)
    again = ledger.see(*answer.operations, **facts)
    assert again.books == first.books
    assert not again.adopted
    assert again.state is None
