"""What a look-up says about captures, voids and refunds: ours, and those made at Nexi.

An answer to one of them only said "accepted". Here it is found in the list of the
order's operations, by its id, or, while we have none, by kind and amount. One that is
not there is asked for again with the same key and the same body, which Nexi does not do
twice; after enough time and good looks without a trace it is given up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf, states
from nexi_payments.exceptions import GatewayError, Refused
from nexi_payments.flows import alarms, breaks, ledger, schedule, verdicts
from nexi_payments.flows.tally import confirm as settle
from nexi_payments.flows.tally import lock, tally
from nexi_payments.gateway import codes
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Part
from nexi_payments.gateway.results import OperationResult, OrderResult
from nexi_payments.models import Operation, PaymentOrder, database

#: So often is a request with the same key sent, the first time included.
_MOST_SENDS: Final = 4
#: How long Nexi remembers a key is not published; later we only look.
_KEY_LIVES: Final = timedelta(hours=12)

#: our kind → what Nexi calls it
_TYPES: Final = {
    states.CAPTURE: frozenset({codes.CAPTURE}),
    states.VOID: codes.BACKWARDS,
    states.REFUND: codes.BACKWARDS,
    states.CANCEL: frozenset({codes.CANCEL}),
}


@dataclass
class _Found:
    """The operations of a look-up after the charge that are not yet known as one of
    ours; ``take`` hands one out, once."""

    rest: list[OperationResult] = field(default_factory=list)

    def take(self, operation: Operation) -> OperationResult | None:
        wanted = _TYPES[operation.kind]
        known = operation.gateway_operation_id
        for one in self.rest:
            if one.type not in wanted:
                continue
            by_id = one.operation_id == known
            alike = _alike(one, operation) and one.result not in codes.NEGATIVE
            if by_id if known else alike:
                self.rest.remove(one)
                return one
        return None


def _alike(one: OperationResult, operation: Operation) -> bool:
    """A cancel names what it rolls back; anything else is told by its amount."""
    if operation.kind == states.CANCEL and one.cancelled:
        return one.cancelled == operation.target
    return one.amount == operation.amount


def confirm(
    order: PaymentOrder, found: OrderResult, client: Client, deadline: Deadline
) -> None:
    """Settles what ``found`` decides about ``order``'s captures, voids and refunds."""
    types = frozenset().union(*_TYPES.values())
    left = _Found([one for one in found.operations if one.type in types])
    # those with an id first: what is left may then be one whose id never came
    counting = Q(outcome__in=states.RESERVING | {states.DONE})
    rows = sorted(
        # one that was refused or never left is not what Nexi shows, unless by its id
        order.operations.filter(
            counting | ~Q(gateway_operation_id=""), kind__in=states.AFTERWARDS
        ),
        key=lambda row: (not row.gateway_operation_id, row.pk),
    )
    for row in rows:
        seen = left.take(row)
        if row.outcome not in states.RESERVING:
            continue
        if seen is not None:
            _settle(order, row, seen)
        elif row.gateway_operation_id:
            _ask_for(order, row, client, deadline)
        elif _is_over(row):
            _unseen(order, row, client, deadline)
    unsure = {
        row.kind
        for row in rows
        if row.outcome in states.RESERVING and not row.gateway_operation_id
    }
    for one in left.rest:
        _adopt(order, one, unsure)


def _settle(order: PaymentOrder, row: Operation, seen: OperationResult) -> None:
    facts = {
        "gateway_operation_id": seen.operation_id or row.gateway_operation_id,
        "result": seen.result,
    }
    if seen.amount not in (None, row.amount):
        theirs = f"{seen.type} {seen.amount} {seen.operation_id}"
        breaks.record(order, "mismatch", f"{row.kind} {row.amount}", theirs)
    elif seen.result in codes.HAPPENED:
        _write(order, row, states.DONE, **facts)
    elif seen.result in codes.NEGATIVE:
        _write(order, row, states.DECLINED, **facts)
    elif seen.result in codes.OPEN:
        if row.outcome != states.ACCEPTED or row.result != seen.result:
            _write(order, row, states.ACCEPTED, **facts)
    else:
        breaks.record(order, "unknown_result", row.kind, seen.result)


def _write(order: PaymentOrder, row: Operation, outcome: str, **facts: str) -> None:
    def write() -> None:
        if settle(row, outcome, **facts):
            tally(order, row)

    database.committed(write, order, row)


def _ask_for(
    order: PaymentOrder, row: Operation, client: Client, deadline: Deadline
) -> None:
    """Accepted, and not in the order's list: it has an address of its own."""
    try:
        seen = client.operation(row.gateway_operation_id, conf.trace(deadline))
    except GatewayError:
        return  # not there yet
    if seen.type in {"", *_TYPES[row.kind]}:
        _settle(order, row, seen)


def _is_over(row: Operation) -> bool:
    """No request can be out any more that would still settle this one."""
    age = timezone.now() - row.created_at
    in_flight = age < timedelta(seconds=conf.current().claim_deadline)
    return not (row.outcome == states.OPEN and in_flight)


def _unseen(
    order: PaymentOrder, row: Operation, client: Client, deadline: Deadline
) -> None:
    """Nobody knows what became of it, and Nexi's list does not show it."""
    now = timezone.now()
    if verdicts.was_refused(row) and row.sends == 1:
        # the only send is over; a refused repetition says nothing about the first
        _write(order, row, states.DECLINED)
    elif (
        row.kind in states.REPEATABLE
        and row.sends < _MOST_SENDS
        and now < row.created_at + _KEY_LIVES
    ):
        _repeat(order, row, client, deadline)
    elif _given_up(order, row, now):
        _write(order, row, states.DECLINED, error="unconfirmed")


def _given_up(order: PaymentOrder, row: Operation, now: datetime) -> bool:
    patience = timedelta(seconds=2 * conf.current().settle_after)
    return now >= row.created_at + patience and (
        order.good_looks >= schedule.ENOUGH_LOOKS
    )


def _repeat(
    order: PaymentOrder, row: Operation, client: Client, deadline: Deadline
) -> None:
    """The same key and the same body: Nexi does it once, however often it is asked."""
    ledger.resend(row)
    try:
        new_id = send(order, row, client, deadline)
    except GatewayError as error:
        alarms.note(order, error)
        if isinstance(error, Refused) and error.status not in (401, 403, 429):
            # the next look decides: done before, or never
            settlement = verdicts.after_request(error)
            Operation.objects.filter(pk=row.pk, outcome__in=states.UNSETTLED).update(
                outcome=states.IN_DOUBT, **settlement.operation
            )
        return
    _write(
        order,
        row,
        states.ACCEPTED,
        **verdicts.of_acceptance(new_id).operation,
    )


def send(
    order: PaymentOrder, row: Operation, client: Client, deadline: Deadline
) -> str:
    """One request for ``row``, from nothing but what is on disk; Nexi's new id."""
    part = Part(row.amount or 0, order.currency, row.idempotency_key)
    trace = conf.trace(deadline, row.correlation_id)
    if row.kind == states.CANCEL:
        return client.cancel(row.target, trace)
    if row.kind == states.CAPTURE:
        return client.capture(row.target, part, trace)
    return client.refund(row.target, part, trace)


# -- what others did at Nexi ---------------------------------------------------------


def _adopt(order: PaymentOrder, one: OperationResult, unsure: Iterable[str]) -> None:
    """A capture or refund that we did not ask for: made in Nexi's back office. It
    becomes a row of ours where the sums allow it, else a disagreement."""
    if one.result not in codes.HAPPENED or not one.operation_id:
        return
    kind = states.CAPTURE if one.type == codes.CAPTURE else states.REFUND
    if one.type == codes.CANCEL and states.CANCEL in unsure:
        return  # it may be ours
    if kind in unsure or (kind == states.REFUND and states.VOID in unsure):
        return  # it may be the one of ours whose id never came

    def adopt() -> None:
        lock(order)
        row = _as_row(order, kind, one)
        if row is not None:
            row.save(force_insert=True)
            tally(order, row)

    database.committed(adopt, order)


def _as_row(order: PaymentOrder, kind: str, one: OperationResult) -> Operation | None:
    if order.operations.filter(gateway_operation_id=one.operation_id).exists():
        return None  # another look was faster
    if order.state not in (states.AUTHORIZED, states.PAID) or (
        order.state == states.AUTHORIZED and kind == states.REFUND
    ):
        return None  # a release is read from the totals
    left = order.left_to_capture if kind == states.CAPTURE else order.left_to_refund
    if one.type == codes.CANCEL or one.amount is None or not 0 < one.amount <= left:
        theirs = f"{one.type} {one.amount} {one.operation_id}"
        breaks.record(order, "made_at_nexi", "no such operation", theirs)
        return None
    now = timezone.now()
    return Operation(
        order=order,
        kind=kind,
        outcome=states.DONE,
        amount=one.amount,
        correlation_id="",
        gateway_operation_id=one.operation_id[:64],
        result=one.result,
        of=_only_capture(order) if kind == states.REFUND else None,
        created_at=now,
        settled_at=now,
    )


def _only_capture(order: PaymentOrder) -> Operation | None:
    captures = order.operations.filter(kind=states.CAPTURE, outcome=states.DONE)
    return captures[0] if len(captures) == 1 else None
