"""The one road for money: reserve (commit) → send → settle (commit).

``perform`` is the only function that sends anything which changes something at the
gateway. Its intent is on disk before the request leaves; no transaction is open while
it is out; its outcome is written by compare-and-swap, so that a late answer undoes no
reconciliation. The ledger never sees a card: ``send`` is a closure made by the flow.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import Error, IntegrityError
from django.utils import timezone

from nexi_payments import states
from nexi_payments.exceptions import OrderBusy, OutcomeNotRecorded
from nexi_payments.flows import breaks, moves
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.models import Operation, PaymentOrder, database, statements

log = logging.getLogger("nexi_payments.ledger")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Settlement:
    """What an answer, or the lack of one, means on disk.

    ``state`` is where the order goes (``None``: nowhere), ``order`` and ``operation``
    further columns, ``disagreement`` the kind, ours and theirs of a break, ``also``
    something for the same commit, when the order has moved.
    """

    outcome: str
    state: str | None = None
    reason: str = ""
    order: dict[str, Any] = field(default_factory=dict)
    operation: dict[str, Any] = field(default_factory=dict)
    disagreement: tuple[str, str, str] | None = None
    also: Callable[[], None] | None = None
    actor: Actor = NOBODY
    note: str = ""


class NotMoved(Exception):
    """Rolls a transaction back whose order is not as it was thought to be."""


@dataclass(frozen=True)
class Claim:
    """What must be true of the order for an operation to begin, and what that changes.

    ``source`` is the state it must be in, ``guard`` more conditions on its row,
    ``target`` where it goes, ``changes`` columns to write, ``also`` something for the
    same commit.
    """

    source: str
    target: str | None = None
    guard: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    also: Callable[[], None] | None = None


def perform(
    order: PaymentOrder,
    kind: str,
    claim: Claim,
    send: Callable[[Operation], Answer],
    conclude: Callable[[Answer], Settlement],
    after: Callable[[BaseException], Settlement],
    *,
    amount: int | None = None,
    actor: Actor = NOBODY,
    details: dict[str, Any] | None = None,
) -> Answer:
    """Claims, sends once, settles whatever happens, and returns the answer.

    ``after`` settles an error, which is raised again; ``details`` are further columns
    of the operation. Raises ``OrderBusy`` when the claim was lost (nothing was sent),
    ``OutcomeNotRecorded`` when the second commit failed, and a loud ``RuntimeError``
    inside somebody's transaction.
    """
    operation = reserve(
        order, kind, claim, amount=amount, actor=actor, details=details or {}
    )
    try:
        answer = send(operation)
        settlement = conclude(answer)
    except BaseException as error:
        settle(operation, order, after(error))
        raise
    settle(operation, order, settlement)
    return answer


def reserve(
    order: PaymentOrder,
    kind: str,
    claim: Claim,
    *,
    amount: int | None,
    actor: Actor,
    details: dict[str, Any],
) -> Operation:
    """The first commit: the compare-and-swap on the order and the operation's row."""
    operation = Operation(
        order=order,
        kind=kind,
        open_slot=order.pk,
        amount=amount,
        correlation_id=str(uuid.uuid4()),
        actor=actor.user,
        address=actor.address,
        request_id=actor.request_id[:64],
        created_at=timezone.now(),
        **details,
    )

    def take() -> bool:
        # the operation first, the order second, as settling does: two requests that
        # lock them in different order wait for each other
        statements.insert(operation)
        if not _claim(order, claim):
            raise NotMoved
        if claim.also is not None:
            claim.also()
        return True

    try:
        won = database.committed(take, operation, order)
    except (NotMoved, IntegrityError):
        won = False  # another state, or an operation nobody knows the end of
    if not won:
        order.refresh_from_db()
        raise OrderBusy(order)
    return operation


def _claim(order: PaymentOrder, claim: Claim) -> bool:
    if claim.target is not None:
        return moves.move(
            order,
            claim.target,
            sources=(claim.source,),
            guard=claim.guard,
            **claim.changes,
        )
    where = {"pk": order.pk, "state": claim.source, **claim.guard}
    # an UPDATE even without news: it locks the row against whoever supersedes the order
    news = claim.changes or {"state": claim.source}
    won = bool(statements.update(PaymentOrder, where, news))
    if won:
        moves.assign(order, claim.changes)
    return won


def resend(operation: Operation) -> str:
    """A fresh correlation id, stored before a call without money is sent once more."""
    operation.correlation_id = str(uuid.uuid4())
    operation.sends += 1
    columns = ["correlation_id", "sends"]
    database.committed(lambda: operation.save(update_fields=columns))
    return operation.correlation_id


def settle(operation: Operation, order: PaymentOrder, settlement: Settlement) -> bool:
    """The second commit. False when somebody else has settled the operation before.

    Raises ``OutcomeNotRecorded`` when the database does not take it: the write-ahead
    mark stays, the outcome goes to the log by ids, and reconciliation finds it out.
    """

    def close() -> bool:
        if not _close(operation, settlement):
            return False
        _apply(order, settlement, operation)
        return True

    failed = False
    done = False
    try:
        done = database.committed(close, operation, order)
    except Error as error:
        failed = True
        log.critical(
            "outcome %s → %s of %s %s for order %s was not stored: %s",
            settlement.outcome,
            settlement.state or "same state",
            operation.kind,
            operation.correlation_id,
            order.order_id,
            type(error).__name__,
        )
    if failed:
        raise OutcomeNotRecorded(order.order_id, operation.correlation_id)
    return done


def _close(operation: Operation, settlement: Settlement) -> bool:
    """Writes an operation's outcome by compare-and-swap on *unsettled*."""
    keeps_slot = (
        settlement.outcome == states.IN_DOUBT
        # authentication and validation charge nothing: no slot to hold for them
        and operation.kind not in (states.AUTHENTICATION, states.VALIDATION)
    )
    values = {
        "outcome": settlement.outcome,
        "open_slot": operation.order_id if keeps_slot else None,
        "settled_at": (
            None
            if keeps_slot or settlement.outcome == states.ACCEPTED
            else timezone.now()
        ),
        **settlement.operation,
    }
    where = {"pk": operation.pk, "open_slot": statements.SOMETHING}
    if not statements.update(Operation, where, values):
        return False
    moves.assign(operation, values)
    return True


def _apply(
    order: PaymentOrder,
    settlement: Settlement,
    operation: Operation | None,
    guard: dict[str, Any] | None = None,
) -> bool:
    """The order's side of a settlement. False when its state was another."""
    moved = True
    if settlement.state is not None:
        moved = moves.move(
            order,
            settlement.state,
            sources=(order.state,),
            guard=guard,
            reason=settlement.reason,
            operation=operation,
            actor=settlement.actor,
            note=settlement.note,
            **settlement.order,
        )
    elif settlement.order:
        rows = PaymentOrder.objects.filter(pk=order.pk, state=order.state)
        moved = bool(rows.update(**settlement.order))
        moves.assign(order, settlement.order)
    if settlement.disagreement is not None:
        breaks.record(order, *settlement.disagreement)
    if moved and settlement.also is not None:
        settlement.also()
    return moved


def _the_charge(order: PaymentOrder, settlement: Settlement) -> Operation | None:
    """Closes the operation that the evidence is about. One that was given up before
    is done after all when the charge turns up late."""
    rows = Operation.objects.filter(order=order).exclude(kind__in=states.AFTERWARDS)
    operation = rows.filter(open_slot=order.pk).first()
    if operation is not None:
        if not _close(operation, settlement):
            raise NotMoved
        return operation
    if settlement.outcome != states.DONE or not settlement.operation:
        return None
    operation = rows.filter(kind__in=states.CHARGING).last()
    if operation is not None:
        values = {"outcome": states.DONE, "settled_at": timezone.now()}
        Operation.objects.filter(pk=operation.pk).update(
            **values, **settlement.operation
        )
        moves.assign(operation, values | settlement.operation)
    return operation


def conclude(order: PaymentOrder, settlement: Settlement) -> bool:
    """Settles an order on evidence found later: the operation that may have charged,
    and its state, in one commit.

    Holds only if the order is still as ``order`` shows it, unclaimed or claimed by the
    same request. False when somebody else was faster; nothing is written then.
    """
    guard = {"claimed_at": order.claimed_at}

    def settle_on_it() -> None:
        operation = _the_charge(order, settlement)
        if not _apply(order, settlement, operation, guard):
            raise NotMoved

    try:
        database.committed(settle_on_it, order)
    except NotMoved:
        order.refresh_from_db()
        return False
    return True
