"""After the charge: capture, void, refund. Staff and shops ask; Nexi answers later.

Each is one operation on the one road for money. What it takes is reserved on the
order's row in the commit before the request, under the database's own constraints, so
that two requests at once cannot take the same money; it stays reserved until a look-up
says how it ended.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.utils import timezone

from nexi_payments import conf, money, states
from nexi_payments.exceptions import (
    AmountChanged,
    GatewayError,
    MoreThanLeft,
    OrderBusy,
    WrongState,
)
from nexi_payments.flows import alarms, confirmations, inquiry, ledger, verdicts
from nexi_payments.flows.ledger import Claim, NotMoved, Settlement
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.flows.tally import tally
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Operation, PaymentOrder


def capture(
    order: PaymentOrder,
    amount: Decimal | None = None,
    *,
    seen: Decimal | None = None,
    nonce: str | None = None,
    actor: Actor = NOBODY,
) -> Operation:
    """Books ``amount`` (major units; all that is left by default) of an authorization.

    May be done in parts. ``seen`` is what the person believed to be left: anything else
    is ``AmountChanged``. ``nonce`` marks a decision; the same one again gives the
    operation that it made. Raises ``WrongState``, ``MoreThanLeft``, ``OrderBusy``,
    ``TerminalUnavailable``, ``InvalidAmount``: nothing was sent then. Otherwise the
    operation, whose outcome is "accepted" until Nexi confirms, "done", "refused", "not
    sent" or "in doubt".
    """
    order.refresh_from_db()
    if earlier := again(order, nonce):
        return earlier
    left = order.left_to_capture
    if order.state not in (states.AUTHORIZED, states.PAID) or not (
        order.capture == states.CAPTURE_MANUAL or order.state == states.AUTHORIZED
    ):
        return wrong(order)
    guard = {"authorized_amount": F("captured_amount") + F("capturing_amount") + left}
    return ask(
        order,
        states.CAPTURE,
        _asked(order, amount, left, seen, nonce),
        target=order.gateway_operation_id,
        guard=guard,
        nonce=nonce,
        actor=actor,
    )


def void(
    order: PaymentOrder, *, nonce: str | None = None, actor: Actor = NOBODY
) -> Operation:
    """Releases an authorization of which nothing was captured. Errors as ``capture``.

    Nexi's way of doing it is a refund of the whole amount on the authorization's id.
    """
    order.refresh_from_db()
    if earlier := again(order, nonce):
        return earlier
    held = order.state in (states.AUTHORIZED, states.REVIEW)
    if not held or order.captured_amount or not order.authorized_amount:
        return wrong(order)
    return ask(
        order,
        states.VOID,
        order.authorized_amount,
        target=order.gateway_operation_id,
        guard={"captured_amount": 0, "capturing_amount": 0, "refunding_amount": 0},
        nonce=nonce,
        actor=actor,
    )


def refund(
    order: PaymentOrder,
    amount: Decimal | None = None,
    capture: Operation | None = None,
    *,
    seen: Decimal | None = None,
    nonce: str | None = None,
    actor: Actor = NOBODY,
) -> Operation:
    """Gives back ``amount`` (major units; all that is left by default) of what was
    captured. Arguments and errors as ``capture``.

    Where there were several captures, each is refunded by itself: name it. More than
    that capture's rest is ``MoreThanLeft``; nothing is split silently.
    """
    order.refresh_from_db()
    if earlier := again(order, nonce):
        return earlier
    if order.state not in (states.PAID, states.REVIEW) or not order.captured_amount:
        return wrong(order)
    of = capture or _the_capture(order, amount)
    left = order.left_to_refund if of is None else left_of(of)
    guard = {
        "captured_amount": F("refunded_amount")
        + F("refunding_amount")
        + order.left_to_refund
    }
    return ask(
        order,
        states.REFUND,
        _asked(order, amount, left, seen, nonce),
        target=(of and of.gateway_operation_id) or order.gateway_operation_id,
        of=of,
        guard=guard,
        nonce=nonce,
        actor=actor,
    )


def captures(order: PaymentOrder) -> list[Operation]:
    """The confirmed captures of an order that stand, oldest first; none for an implicit
    one."""
    made = order.operations.filter(kind=states.CAPTURE, outcome=states.DONE)
    cancelled = order.operations.filter(kind=states.CANCEL, outcome=states.DONE)
    return list(made.exclude(pk__in=cancelled.values("of")))


def left_of(capture: Operation) -> int:
    """What is neither given back nor on its way back of one capture, minor units."""
    reserved = states.RESERVING | {states.DONE}
    taken = sum(
        row.amount or 0
        for row in capture.refunds.filter(
            kind__in=states.BACKWARDS, outcome__in=reserved
        )
    )
    return (capture.amount or 0) - taken


def _the_capture(order: PaymentOrder, amount: Decimal | None) -> Operation | None:
    """The one meant when none is named: the only one with a rest, or the first whose
    rest is enough. ``None`` where the payment was booked at once."""
    made = captures(order)
    open_ones = [one for one in made if left_of(one)]
    if not made or len(open_ones) == 1:
        return open_ones[0] if open_ones else None
    if not open_ones:
        return made[-1]
    wanted = amount if amount is None else money.to_minor(amount, order.currency)
    for one in open_ones:
        if wanted is not None and left_of(one) >= wanted:
            return one
    raise MoreThanLeft(order, max(left_of(one) for one in open_ones))


def _asked(
    order: PaymentOrder,
    amount: Decimal | None,
    left: int,
    seen: Decimal | None,
    nonce: str | None,
) -> int:
    """Minor units. Raises unless that much is left, and as much as was seen."""
    if nonce and order.operations.filter(nonce=nonce).exists():
        return 0  # it is found again before anything is asked for
    if seen is not None and seen != money.to_major(left, order.currency):
        raise AmountChanged(order, left)
    minor = left if amount is None else money.to_minor(amount, order.currency)
    if not 0 < minor <= left:
        raise MoreThanLeft(order, left)
    return minor


def again(order: PaymentOrder, nonce: str | None) -> Operation | None:
    return order.operations.filter(nonce=nonce).first() if nonce else None


def wrong(order: PaymentOrder) -> Operation:
    raise WrongState(order)


def ask(
    order: PaymentOrder,
    kind: str,
    amount: int,
    *,
    target: str,
    guard: dict[str, Any],
    nonce: str | None,
    actor: Actor,
    of: Operation | None = None,
) -> Operation:
    if earlier := again(order, nonce):
        return earlier
    alarms.refuse_if_raised(order.terminal)
    deadline = Deadline(conf.current().total_timeout)
    client = conf.client(conf.current().terminal(order.terminal))
    now = timezone.now()
    claim = Claim(
        order.state,
        guard=guard,
        changes={
            "due_at": now + timedelta(seconds=conf.current().claim_deadline),
            "looks": 0,
            "good_looks": 0,
        },
        also=lambda: _reserve(order, kind, amount, of),
    )
    asked: list[Operation] = []

    def send(operation: Operation) -> str:
        asked.append(operation)
        return confirmations.send(order, operation, client, deadline)

    try:
        ledger.perform(
            order,
            kind,
            claim,
            send,
            lambda new_id: _tallied(order, verdicts.of_acceptance(new_id)),
            lambda error: _tallied(order, verdicts.after_request(error)),
            amount=amount,
            actor=actor,
            details={
                "target": target,
                "of": of,
                # Nexi takes none for a cancel: that one is never repeated
                "idempotency_key": "" if kind == states.CANCEL else str(uuid.uuid4()),
                "nonce": nonce or None,
            },
        )
    except GatewayError as error:
        alarms.note(order, error)
    except OrderBusy:
        if earlier := again(order, nonce):
            return earlier
        raise
    operation = asked[0]
    if operation.outcome != states.NOT_SENT:
        inquiry.look(order, client, deadline)
        operation.refresh_from_db()
        order.refresh_from_db()
    return operation


def _reserve(order: PaymentOrder, kind: str, amount: int, of: Operation | None) -> None:
    """Inside the claim, which has locked the row: nothing else is on its way that would
    take the same money."""
    on_their_way = order.operations.filter(outcome__in=states.RESERVING)
    voids = on_their_way.filter(kind=states.VOID).count()
    if kind != states.REFUND and voids > (kind == states.VOID):
        raise NotMoved
    if of is not None and left_of(of) < 0:
        raise NotMoved  # our own row is counted already
    tally(order)


def _tallied(order: PaymentOrder, settlement: Settlement) -> Settlement:
    return Settlement(
        settlement.outcome,
        operation=settlement.operation,
        also=lambda: tally(order),
    )
