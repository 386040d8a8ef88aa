"""Our books against Nexi's, whatever lags, hangs, fails late or is made by others.

After each inquiry no money is in our books that is not in Nexi's, and nothing that Nexi
executed is called "not done". When all is settled both books are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from nexi_payments import enums
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.flows.inquiry.reading import OperationFacts
from nexi_payments.flows.ledger.books import sum_up
from tests.support.nexi_books import NexiBooks
from tests.support.readings import TOTAL, Ledger, charge, operation

KINDS = [OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND]


@dataclass(frozen=True)
class Step:
    """``fate``: answered (with Nexi's id), lost (executed, no answer), unsent (never
    arrived, no answer), rejected (a 400 though executed), made by others, inquiry."""

    fate: str
    kind: str
    amount: int
    wait: int
    lag: int
    pending: float
    fails: bool


STEPS = st.builds(
    Step,
    fate=st.sampled_from(
        ["answered", "lost", "unsent", "rejected", "others", "inquiry", "inquiry"]
    ),
    kind=st.sampled_from(KINDS),
    amount=st.sampled_from([300, 300, 400, 1000]),
    wait=st.sampled_from([0, 1, 20, 70, 400, 4000, 90_000]),
    lag=st.sampled_from([0, 0, 5, 30]),
    pending=st.sampled_from([0, 0, 0, 0.01, 30]),
    fails=st.booleans(),
)


class Shop:
    """Our ledger beside Nexi's. A request needs room in ours, as a claim does."""

    def __init__(self) -> None:
        self.nexi = NexiBooks()
        self.ledger = Ledger.of(charge(), state=OrderState.AUTHORIZED)
        self.sent: dict[int, str] = {}

    def take(self, step: Step) -> None:
        self.nexi.now += timedelta(seconds=step.wait)
        facts: dict[str, object] = {
            "lag": step.lag,
            "pending": step.pending,
            "fails": step.fails,
        }
        if step.fate == "others":
            whole = self.nexi.room(step.kind)
            amount = whole if step.kind == OperationKind.VOID else step.amount
            self.nexi.execute(step.kind, amount, **facts)  # type: ignore[arg-type]
        elif step.fate != "inquiry":
            self.inquire()  # as every request begins
            self.request(step, facts)
        self.inquire()

    def request(self, step: Step, facts: dict[str, object]) -> None:
        rows = self.ledger.rows
        sums = sum_up(rows)
        room = {
            OperationKind.CAPTURE: 0 if sums.voiding else sums.held - sums.capturing,
            OperationKind.VOID: 0 if sums.captured or sums.capturing else sums.held,
            OperationKind.REFUND: sums.kept - sums.refunding,
        }[OperationKind(step.kind)]
        whole = step.kind == OperationKind.VOID
        amount = room if whole else step.amount
        unsettled = any(r.in_flight and not r.operation_id for r in rows)
        if unsettled or not 0 < amount <= room or sums.voiding:
            return
        id_ = ""
        if step.fate != "unsent":
            id_ = self.nexi.execute(step.kind, amount, **facts)  # type: ignore[arg-type]
        key = max(row.key for row in rows) + 1
        answered = step.fate == "answered" and id_
        self.sent[key] = id_
        rows.append(
            operation(
                key,
                step.kind,
                amount,
                outcome=OperationOutcome.ACCEPTED
                if answered
                else OperationOutcome.IN_DOUBT,
                operation_id=id_ if answered else "",
                id_is_answered=bool(answered),
                rejected=step.fate == "rejected" or not (id_ or step.fate == "unsent"),
                send_ended_at=self.nexi.now,
            )
        )

    def inquire(self) -> None:
        reading = self.ledger.see(
            *self.nexi.listed(),
            after=self.nexi.elapsed,
            captured=self.nexi.captured_total,
        )
        for change in reading.changes:
            if change.resend:
                self.resend(change.key)
        self.check()

    def resend(self, key: int) -> None:
        """The same key again: executed once, by the first send or by this one."""
        row = next(row for row in self.ledger.rows if row.key == key)
        id_ = self.sent[key] or self.nexi.execute(row.kind, row.amount or 0)
        self.sent[key] = id_
        place = self.ledger.rows.index(row)
        changed = (
            replace(
                row,
                outcome=OperationOutcome.ACCEPTED,
                operation_id=id_,
                id_is_answered=True,
            )
            if id_
            else replace(row, rejected=True)
        )
        self.ledger.rows[place] = changed

    def check(self) -> None:
        ours = sum_up(self.ledger.rows)
        most = self.nexi.counted(OperationKind.CAPTURE, pending=True)
        assert ours.captured <= most
        for key, id_ in self.sent.items():
            row = next(row for row in self.ledger.rows if row.key == key)
            if row.outcome in enums.NEGATIVE_OUTCOMES and id_:
                movement = next(one for one in self.nexi.movements if one.id == id_)
                assert not movement.is_done(self.nexi.now), row

    def settle(self) -> None:
        for minutes in (2, 5, 20, 60, 120, 2000, 2000, 2000, 2000):
            self.nexi.now += timedelta(minutes=minutes)
            self.inquire()


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=7))
def test_both_books_are_equal_in_the_end(steps: list[Step]) -> None:
    shop = Shop()
    for step in steps:
        shop.take(step)
    shop.settle()
    ours, nexi = sum_up(shop.ledger.rows), shop.nexi
    assert ours.captured == nexi.counted(OperationKind.CAPTURE)
    assert ours.refunded == nexi.counted(OperationKind.REFUND)
    assert ours.held == (0 if nexi.is_released else TOTAL - ours.captured)
    assert ours.in_flight == 0
    assert shop.ledger.order.state == expected_state(nexi)
    assert len({r.operation_id for r in with_id(shop)}) == len(with_id(shop))


def with_id(shop: Shop) -> list[OperationFacts]:
    return [row for row in shop.ledger.rows if row.operation_id]


def expected_state(nexi: NexiBooks) -> str:
    captured = nexi.counted(OperationKind.CAPTURE)
    kept = captured - nexi.counted(OperationKind.REFUND)
    if kept > 0:
        return OrderState.PAID
    if not nexi.is_released and captured < TOTAL:
        return OrderState.AUTHORIZED
    return OrderState.REFUNDED if captured else OrderState.VOIDED
