"""Money requests: claim (commit) → send → settle (commit).

``run`` is the only function that sends a first request which moves money. The intent is
on disk before the request leaves. No transaction is open during the request. The
outcome is written by compare-and-swap, so a late answer does not overwrite what
reconciliation found. The ledger never reads a card: ``send`` is a method of the flow.
"""

from __future__ import annotations

import logging
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar

from django.db import Error, IntegrityError
from django.utils import timezone

from nexi_payments import conf, enums, sealed_cards
from nexi_payments.enums import DiscrepancyKind, OperationKind, OperationOutcome
from nexi_payments.exceptions import OrderBusy, OutcomeNotRecorded
from nexi_payments.flows.ledger import discrepancies, transitions
from nexi_payments.flows.ledger.guards import NO_GUARD, Claim
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.gateway import communication
from nexi_payments.gateway.client import CallContext, Client
from nexi_payments.gateway.communication import CallRecord
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Operation, PaymentOrder, db_transactions, raw_sql

log = logging.getLogger("nexi_payments.ledger")
Answer = TypeVar("Answer")

#: What a late "accepted" may overwrite.
_NOT_CONFIRMED = tuple(sorted(enums.UNSETTLED | enums.NEGATIVE_OUTCOMES))


@dataclass(frozen=True)
class OperationUpdate:
    """The effect of a response, or of a missing one, on the operation and its order.

    ``state`` is the order's next state (``None``: unchanged). ``order`` and
    ``operation`` hold further columns. ``discrepancy`` is kind, ours and theirs.
    ``shreds_card`` deletes the sealed card in the same commit (``settle_order``).
    """

    outcome: str
    state: str | None = None
    reason: str = ""
    order: dict[str, Any] = field(default_factory=dict)
    operation: dict[str, Any] = field(default_factory=dict)
    discrepancy: tuple[str, str, str] | None = None
    shreds_card: bool = False
    actor: Actor = NO_ACTOR
    note: str = ""


class PreconditionFailed(Exception):
    """Rolls back a transaction whose precondition does not hold any more."""


@dataclass(repr=False, eq=False)
class GatewayRequest(ABC, Generic[Answer]):
    """One request to the gateway for an operation that is on disk already.

    ``send_and_settle`` calls the methods in this order and sets ``answer``. No
    ``repr``: frames of error reports would show tokens. An attribute may hold a card
    only as a ``Card``, which masks itself.
    """

    order: PaymentOrder
    client: Client
    deadline: Deadline
    operation: Operation = field(init=False)
    answer: Answer = field(init=False)
    #: the calls that ``send`` made, for the communication log
    calls: list[CallRecord] = field(init=False, default_factory=list)

    @abstractmethod
    def send(self, operation: Operation) -> Answer:
        """Sends the request. No transaction is open. Raises ``GatewayError``."""

    @abstractmethod
    def on_answer(self, answer: Answer) -> OperationUpdate: ...

    @abstractmethod
    def on_error(self, error: BaseException) -> OperationUpdate:
        """What to write after an exception of any method below the claim."""

    def on_settle(self, update: OperationUpdate) -> None:
        """Runs in the second commit, if the order was updated."""

    def context(self, operation: Operation) -> CallContext:
        return conf.call_context(self.deadline, operation.correlation_id)


@dataclass(repr=False, eq=False)
class GatewayCall(GatewayRequest[Answer]):
    """A request that moves money, or leads to a charge, with its claim. ``run`` calls
    ``claim`` first, sets ``operation``, and calls ``on_claim``.

    ``source`` is the order's state that ``kind`` needs, ``target`` its state from the
    claim on (``None``: unchanged).
    """

    actor: Actor
    kind: str = field(init=False)
    source: str = field(init=False)
    target: ClassVar[str | None] = None

    def is_vetoed(self) -> bool:
        """Whether the shop forbids the request. Runs before the claim, outside of a
        transaction, and has settled the order if it is.
        """
        return False

    @abstractmethod
    def claim(self) -> Claim: ...

    def on_claim(self) -> None:
        """Runs in the first commit. ``PreconditionFailed`` prevents the request."""


def run(call: GatewayCall[Any]) -> None:
    """Claims the order, sends once and settles in any case.

    Nothing is claimed or sent if the shop forbids it: the order has failed then. An
    error is raised again after it was settled. Raises ``OrderBusy`` when the claim
    was lost, or what the claim's guard explains (nothing was sent),
    ``OutcomeNotRecorded`` when the second commit failed, and ``RuntimeError`` inside a
    transaction.
    """
    if call.is_vetoed():
        return
    _claim(call)
    send_and_settle(call)


def send_and_settle(call: GatewayRequest[Any]) -> None:
    """Sends ``call.operation`` once and settles in any case. Errors as ``run``."""
    try:
        with communication.recording(active=conf.current().logs_calls) as call.calls:
            call.answer = call.send(call.operation)
        settle(call, call.on_answer(call.answer))
    except OutcomeNotRecorded:
        raise
    except BaseException as error:
        settle(call, call.on_error(error))
        raise


def _claim(call: GatewayCall[Any]) -> None:
    """First commit: inserts the operation and claims the order by compare-and-swap.

    Raises ``OrderBusy``, and what the guard explains.
    """
    claim = call.claim()
    for _ in range(3):  # a guard may have let go before it explained
        call.operation = _new_operation(call, claim)
        try:
            _write_claim(call, claim, call.operation, call.order)
            return
        except IntegrityError:
            lost = True  # there is an unsettled operation
        except PreconditionFailed:
            lost = claim.guard is NO_GUARD
        call.order.refresh_from_db()
        if lost or call.order.state != call.source:
            break
        claim.guard.explain()
    raise OrderBusy(call.order)


def _new_operation(call: GatewayCall[Any], claim: Claim) -> Operation:
    now, actor = timezone.now(), call.actor
    staff_name = actor.staff_name
    return Operation(
        order=call.order,
        kind=call.kind,
        unsettled_order_id=call.order.pk,
        correlation_id=str(uuid.uuid4()),
        actor=actor.user,
        actor_name=staff_name,
        address=actor.address,
        audit_due=True if staff_name else None,
        request_id=actor.request_id[:64],
        created_at=now,
        sent_at=now,
        **claim.details,
    )


@db_transactions.retried()
def _write_claim(
    call: GatewayCall[Any], claim: Claim, operation: Operation, order: PaymentOrder
) -> None:
    # the operation before the order, as in settle: two requests that lock them in
    # different orders deadlock
    claim.guard.lock()
    raw_sql.insert(operation)
    if not _claim_order(call, claim, order):
        raise PreconditionFailed
    call.on_claim()


def _claim_order(call: GatewayCall[Any], claim: Claim, order: PaymentOrder) -> bool:
    changes, unless = claim.changes | claim.guard.columns, claim.guard.unless
    if call.target is not None:
        return transitions.transition(
            order,
            call.target,
            sources=(call.source,),
            conditions=claim.conditions,
            unless=unless,
            **changes,
        )
    where = {"pk": order.pk, "state": call.source, **claim.conditions}
    # the UPDATE also locks the row against a concurrent supersede
    claimed = bool(
        raw_sql.update(PaymentOrder, where, changes, increment="version", unless=unless)
    )
    if claimed:
        transitions.assign(order, changes)
    return claimed


@db_transactions.retried()
def claim_resend(operation: Operation) -> str:
    """Counts one more send of an unsettled operation, committed before it is sent.

    Returns the new correlation id. Returns "" when another process has settled the
    operation or resends it: do not send then.
    """
    correlation_id = str(uuid.uuid4())
    values = {
        "correlation_id": correlation_id,
        "send_count": operation.send_count + 1,
        "sent_at": timezone.now(),
        "send_ended_at": None,
        "misses": 0,
        "missed_at": None,
    }
    where = {
        "pk": operation.pk,
        "send_count": operation.send_count,
        "unsettled_order_id__isnull": False,
    }
    if not raw_sql.update(Operation, where, values):
        return ""
    # a reading of an inquiry that was sent before speaks of the first send
    raw_sql.update(PaymentOrder, {"pk": operation.order_id}, {}, increment="version")
    transitions.assign(operation, values)
    return correlation_id


def settle(call: GatewayRequest[Any], update: OperationUpdate) -> bool:
    """Second commit: writes the outcome. False when it was settled before.

    Raises ``OutcomeNotRecorded`` when the database fails. The operation stays
    unsettled, the log names the outcome with ids, and reconciliation settles it.
    """
    order, operation = call.order, call.operation
    if call.calls:
        calls = communication.appended(operation.calls, call.calls)
        update = replace(update, operation=update.operation | {"calls": calls})
    try:
        try:
            return _write_settlement(call, update, operation, order)
        except IntegrityError:
            update = _without_ledger_id(operation, update)
            return _write_settlement(call, update, operation, order)
    except Error as error:
        log.critical(
            "outcome %s → %s of %s %s for order %s was not stored: %s",
            update.outcome,
            update.state or "same state",
            operation.kind,
            operation.correlation_id,
            order.order_id,
            type(error).__name__,
        )
    raise OutcomeNotRecorded(order.order_id, operation.correlation_id)


@db_transactions.retried()
def _write_settlement(
    call: GatewayRequest[Any],
    update: OperationUpdate,
    operation: Operation,
    order: PaymentOrder,
) -> bool:
    if not _write_outcome(operation, update):
        return False
    if _update_order(order, update, operation):
        call.on_settle(update)
    return True


def _without_ledger_id(
    operation: Operation, update: OperationUpdate
) -> OperationUpdate:
    """For an id of Nexi that another operation of ours has: the outcome is stored, and
    a person must look.
    """
    theirs = f"{operation.kind} {update.operation.get('gateway_operation_id', '')}"
    return replace(
        update,
        operation=update.operation | {"ledger_id": None},
        discrepancy=(DiscrepancyKind.SAME_ID, "another operation has it", theirs),
    )


def _write_outcome(operation: Operation, update: OperationUpdate) -> bool:
    """Writes an operation's outcome by compare-and-swap on *unsettled*.

    An outcome is about one send. A process that was suspended must not overwrite what
    is known of a resend by another process. Only what Nexi accepted or did always
    counts, even after inquiries had given the operation up.
    """
    keeps_slot = (
        update.outcome == OperationOutcome.IN_DOUBT
        # authentication and validation charge nothing: they need no slot
        and operation.kind
        not in (OperationKind.AUTHENTICATION, OperationKind.VALIDATION)
    )
    now = timezone.now()
    values = {
        "outcome": update.outcome,
        "unsettled_order_id": operation.order_id if keeps_slot else None,
        "settled_at": (
            None if keeps_slot or update.outcome == OperationOutcome.ACCEPTED else now
        ),
        "send_ended_at": now,
        "misses": 0,
        **ledger_id(operation.kind, update),
        **update.operation,
    }
    where: dict[str, Any] = {"pk": operation.pk}
    if update.outcome == OperationOutcome.ACCEPTED:
        where |= {"outcome__in": _NOT_CONFIRMED, "gateway_operation_id": ""}
    else:
        where["unsettled_order_id__isnull"] = False
    if update.outcome not in (OperationOutcome.ACCEPTED, OperationOutcome.DONE):
        where["send_count"] = operation.send_count
    if not raw_sql.update(Operation, where, values) and not (
        update.outcome == OperationOutcome.ACCEPTED
        and _replace_matched_id(operation, values)
    ):
        return False
    transitions.assign(operation, values)
    return True


def _replace_matched_id(operation: Operation, values: dict[str, Any]) -> bool:
    """Writes the id of an answer over one that an inquiry has matched by amount: that
    one belongs to an operation made at Nexi. False when it is the same id.
    """
    rows = Operation.objects.filter(pk=operation.pk, http_status=None)
    other = rows.exclude(gateway_operation_id=values["gateway_operation_id"])
    return bool(other.update(**values))


def ledger_id(kind: str, update: OperationUpdate) -> dict[str, str]:
    """The column with Nexi's id, for an operation that moves or holds money."""
    moves = update.outcome in (OperationOutcome.ACCEPTED, OperationOutcome.DONE)
    found = update.operation.get("gateway_operation_id", "")
    if not (moves and found and kind in enums.CHARGING | enums.POST_CHARGE):
        return {}
    return {"ledger_id": found}


def _end_page(order: PaymentOrder, update: OperationUpdate) -> Operation | None:
    """Ends the hosted page of an attempt that staff decide. Its request is settled
    since Nexi has opened the page; the payment on it is not.
    """
    rows = Operation.objects.filter(order=order, kind=OperationKind.HOSTED)
    page = rows.filter(outcome=OperationOutcome.ACCEPTED).first()
    if page is not None:
        values = {"outcome": update.outcome, "settled_at": timezone.now()}
        if not raw_sql.update(
            Operation, {"pk": page.pk, "outcome": page.outcome}, values
        ):
            raise PreconditionFailed
        transitions.assign(page, values)
    return page


def _update_order(
    order: PaymentOrder,
    update: OperationUpdate,
    operation: Operation | None,
    conditions: dict[str, Any] | None = None,
) -> bool:
    """Writes an update to the order. False when the order's state has changed."""
    moved = True
    if update.state is not None:
        moved = transitions.transition(
            order,
            update.state,
            sources=(order.state,),
            conditions=conditions,
            reason=update.reason,
            operation=operation,
            actor=update.actor,
            note=update.note,
            **update.order,
        )
    elif update.order:
        rows = PaymentOrder.objects.filter(pk=order.pk, state=order.state)
        moved = bool(rows.update(**update.order))
        transitions.assign(order, update.order)
    if update.discrepancy is not None:
        discrepancies.record(order, *update.discrepancy)
    return moved


def settle_order(order: PaymentOrder, update: OperationUpdate) -> bool:
    """Settles an order and its unsettled charge or 3-D Secure step, in one commit.

    For an attempt in which no charge was sent, and for the decision of a person.
    Applies only while the order's state, claim and ``version`` are as on ``order``.
    False when another process changed it first; nothing is written then.
    """
    try:
        _write_decision(order, update)
    except PreconditionFailed:
        order.refresh_from_db()
        return False
    return True


@db_transactions.retried()
def _write_decision(order: PaymentOrder, update: OperationUpdate) -> None:
    rows = Operation.objects.exclude(kind__in=enums.POST_CHARGE)
    operation = rows.filter(unsettled_order_id=order.pk).first()
    if operation is not None and not _write_outcome(operation, update):
        raise PreconditionFailed
    if order.is_hosted:
        operation = _end_page(order, update) or operation
    conditions = {"claimed_at": order.claimed_at, "version": order.version}
    if not _update_order(order, update, operation, conditions):
        raise PreconditionFailed
    if update.shreds_card:
        sealed_cards.shred(order)
