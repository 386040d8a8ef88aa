"""Both books, compared after all has come to rest: what follows a charge.

Nexi's books say which Idempotency-Key an operation was executed for, so each operation
of ours is known there, whatever it was told. Every breach is one line, which begins
with the promise that broke.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nexi_payments import enums
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.models import Discrepancy, Event, Operation, PaymentOrder
from nexi_payments.simulator.balances import COMPLETED
from tests.histories import worlds


@dataclass
class BothBooks:
    """One order in our books and in Nexi's. ``theirs``: operations after the charge."""

    order: PaymentOrder
    rows: list[Operation]
    discrepancies: list[Discrepancy]
    charge: dict[str, Any]
    theirs: list[dict[str, Any]]
    world: str
    #: kinds of events that no receiver has got yet
    undelivered: list[str]

    @classmethod
    def of(cls, order: PaymentOrder, books: dict[str, Any], world: str) -> BothBooks:
        rows = order.operations.filter(kind__in=enums.POST_CHARGE)
        events = Event.objects.filter(order=order, deliver_at__isnull=False)
        return cls(
            order,
            list(rows),
            list(order.discrepancies.all()),
            books["charges"][order.order_id],
            books["operations"][order.order_id],
            world,
            [one.kind for one in events],
        )

    @property
    def executed(self) -> list[dict[str, Any]]:
        return [one for one in self.theirs if one["result"] in COMPLETED]

    @property
    def captured(self) -> int:
        """What Nexi has captured, without cancelled captures, in minor units."""
        return int(self.charge["captured"])

    @property
    def refunded(self) -> int:
        """What Nexi has refunded of it. A void of an authorization refunds nothing."""
        released = self.charge["voided"] and self.charge["result"] == "AUTHORIZED"
        return 0 if released else int(self.charge["refunded"])

    @property
    def held(self) -> int:
        if self.charge["voided"]:
            return 0
        return int(self.charge["authorized"]) - self.captured


def refused_requests(books: BothBooks) -> Iterator[str]:
    """A request that Nexi executed is done here: nobody has to ask for it.

    Beside an equal operation of the back office, or where a repetition is a request of
    its own, ours may be known by another row.
    """
    parts = worlds.parts(books.world)
    by_another = "backoffice" in parts or worlds.may_execute_twice(books.world)
    known = {
        row.gateway_operation_id
        for row in books.rows
        if by_another and row.outcome == OperationOutcome.DONE
    }
    keys = {one["key"] for one in books.executed if one["id"] not in known} - {""}
    for row in books.rows:
        called_off = row.outcome in enums.NEGATIVE_OUTCOMES
        if row.idempotency_key in keys and called_off:
            yield f"refused: {_text(row)} was executed"


def find_violations(books: BothBooks) -> list[str]:
    """The broken promises; [] if all hold."""
    return [
        *_once(books),
        *_known(books),
        *_sums(books),
        *_done(books),
        *_in_flight(books),
        *_state(books),
    ]


def _once(books: BothBooks) -> Iterator[str]:
    """Each operation of ours moved money at most once.

    Where a repetition may be executed again, a discrepancy names it, unless we asked
    for that amount as often as it was executed: equal operations are interchangeable.
    """
    asked_for = {
        row.gateway_operation_id
        for row in books.rows
        if row.outcome == OperationOutcome.DONE and not row.is_adopted
    }
    by_key: dict[str, list[str]] = defaultdict(list)
    for one in books.executed:
        if one["key"]:
            by_key[one["key"]].append(one["id"])
    for ids in by_key.values():
        may_be = worlds.may_execute_twice(books.world)
        named = may_be and (
            asked_for.issuperset(ids)
            or any(
                one.kind == "executed_twice"
                or any(id_ in f"{one.ours} {one.theirs}" for id_ in ids)
                for one in books.discrepancies
            )
        )
        if len(ids) > 1 and not named:
            unnamed = ", without a discrepancy" if may_be else ""
            yield f"twice: {len(ids)} times {_theirs(books, ids[0])}{unnamed}"


def _known(books: BothBooks) -> Iterator[str]:
    """Each executed operation at Nexi is a row of ours, with its amount."""
    rows = {
        (row.gateway_operation_id, row.amount)
        for row in books.rows
        if row.outcome == OperationOutcome.DONE
    }
    for one in books.executed:
        if (one["id"], int(one["amount"])) not in rows:
            made_by = "ours" if one["key"] else "back office"
            yield f"unknown: {_theirs(books, one['id'])} ({made_by})"


def _sums(books: BothBooks) -> Iterator[str]:
    order = books.order
    ours = (order.captured_amount, order.refunded_amount)
    theirs = (books.captured, books.refunded)
    if ours != theirs:
        yield f"sums: captured, refunded {ours}, at Nexi {theirs} ({order.state})"


def _done(books: BothBooks) -> Iterator[str]:
    """What is done here was executed there, each operation once."""
    executed = [one["id"] for one in books.executed]
    for row in books.rows:
        if row.outcome != OperationOutcome.DONE:
            continue
        if row.gateway_operation_id not in executed:
            yield f"not executed: {_text(row)}"
        else:
            executed.remove(row.gateway_operation_id)


def _in_flight(books: BothBooks) -> Iterator[str]:
    """Nothing is on its way for ever, and no amount is reserved for ever."""
    order = books.order
    for row in books.rows:
        if row.outcome in enums.RESERVING:
            yield f"in flight: {_text(row)}"
    reserved = (order.capturing_amount, order.refunding_amount)
    if any(reserved):
        yield f"in flight: {reserved} reserved"
    for kind in books.undelivered:
        yield f"in flight: event {kind}"


def _state(books: BothBooks) -> Iterator[str]:
    """The state says what the sums say. A review that names a discrepancy may wait."""
    if books.captured > books.refunded:
        expected = OrderState.PAID
    elif books.held > 0:
        expected = OrderState.AUTHORIZED
    else:
        expected = OrderState.REFUNDED if books.captured else OrderState.VOIDED
    order = books.order
    if order.state == OrderState.REVIEW and books.discrepancies:
        return
    if order.state != expected:
        yield f"state: {order.state}, at Nexi {expected}"


def _text(row: Operation) -> str:
    return f"{row.kind} {row.amount} {row.outcome} sent {row.send_count} times"


def _theirs(books: BothBooks, id_: str) -> str:
    one = next(one for one in books.theirs if one["id"] == id_)
    return f"{one['type']} {one['amount']} {one['result']}"
