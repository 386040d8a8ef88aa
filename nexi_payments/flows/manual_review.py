"""Manual review: staff decide, and a status inquiry must confirm it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from django.db import IntegrityError
from django.utils import timezone

from nexi_payments import audit, conf
from nexi_payments.enums import AccessKind, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import (
    GatewayDisagrees,
    InvalidState,
    OrderBusy,
    ReferenceInUse,
)
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.inquiry.reading import Reading, Verdict
from nexi_payments.flows.ledger import (
    books,
    discrepancies,
    operations,
    poll_schedule,
    totals,
)
from nexi_payments.flows.ledger.operations import OperationUpdate
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.models import Discrepancy, PaymentOrder, db_transactions
from nexi_payments.models.text_storage import reject_text


class Shown(StrEnum):
    """What a status inquiry shows of an order's money."""

    CHARGED = "charged"
    AUTHORIZED = "authorized"
    #: released or refunded
    REVERSED = "reversed"
    DECLINED = "declined"
    NO_CHARGE = "no_charge"
    PENDING = "pending"
    #: another amount or currency
    MISMATCH = "mismatch"
    #: more charges or captures than one payment has
    TOO_MUCH = "too_much"
    #: a charge without amount or currency
    NO_DETAILS = "no_details"
    #: a word that we do not know
    UNKNOWN = "unknown"


#: The state that a person may decide → what must be shown.
_REQUIRED: Final[dict[str, frozenset[Shown]]] = {
    OrderState.PAID: frozenset({Shown.CHARGED}),
    OrderState.AUTHORIZED: frozenset({Shown.AUTHORIZED}),
    OrderState.VOIDED: frozenset({Shown.REVERSED}),
    OrderState.FAILED: frozenset({Shown.NO_CHARGE, Shown.DECLINED, Shown.REVERSED}),
}
#: The states that ``resolve`` accepts.
RESOLUTIONS: Final = tuple(_REQUIRED)
_BY_STATE: Final[dict[str | None, Shown]] = {
    OrderState.PAID: Shown.CHARGED,
    OrderState.AUTHORIZED: Shown.AUTHORIZED,
    OrderState.VOIDED: Shown.REVERSED,
    OrderState.REFUNDED: Shown.REVERSED,
    None: Shown.PENDING,
}


def possible_resolutions(order: PaymentOrder) -> frozenset[str]:
    """The states that ``resolve`` accepts for the order in its present state."""
    if order.state == OrderState.AUTHORIZED:
        return frozenset({OrderState.VOIDED})  # lapsed
    in_review = order.state == OrderState.REVIEW
    return frozenset(_REQUIRED) if in_review else frozenset()


def resolve(
    order: PaymentOrder, state: str, *, reason: str, actor: Actor = NO_ACTOR
) -> PaymentOrder:
    """Moves an order under review to ``state``, if a status inquiry confirms it.

    ``state`` is ``paid``, ``authorized``, ``voided`` or ``failed``. An authorized order
    may be moved to ``voided`` (lapsed). ``reason`` is stored with the event, with actor
    and IP address. Raises ``InvalidState``, ``GatewayDisagrees`` (also when Nexi does
    not answer), ``ReferenceInUse`` when another payment holds the reference (refund
    this one instead), ``OrderBusy``, ``CardDataNotAllowed`` for a reason with a card
    number, ``ValueError`` for an empty one. Nothing has changed then.
    """
    order.refresh_from_db()
    if state not in possible_resolutions(order):
        raise InvalidState(order)
    if not reason.strip():
        raise ValueError("a resolution needs a reason")
    reject_text("reason", reason)
    client = conf.client(conf.current().terminal(order.terminal))
    inquiry = query.inquire_and_apply(order, client)
    if inquiry.reading is None:
        raise GatewayDisagrees(order, "")
    if not inquiry.applied:
        raise OrderBusy(order)
    if order.state == state:
        return order  # the inquiry has moved it there itself
    shown = _shown(order, inquiry.reading)
    if shown not in _REQUIRED[state] or state not in possible_resolutions(order):
        raise GatewayDisagrees(order, shown.value)
    _settle(order, state, reason, actor)
    discrepancies.resolve(order.discrepancies.all(), actor)
    return order


def resolve_discrepancy(discrepancy: Discrepancy, *, actor: Actor = NO_ACTOR) -> bool:
    """Marks one discrepancy as resolved by a person. The order stays as it is.

    False when it was resolved before; who resolved it first stays on record.
    """
    resolved = _resolve_and_record(discrepancy, actor)
    discrepancy.refresh_from_db()
    return resolved


@db_transactions.retried(durable=False)
def _resolve_and_record(discrepancy: Discrepancy, actor: Actor) -> bool:
    """With an entry for the audit trail: no event says it."""
    rows = Discrepancy.objects.filter(pk=discrepancy.pk)
    if not discrepancies.resolve(rows, actor):
        return False
    if actor.staff_name:
        order = discrepancy.order
        about = order.order_id if order else ""
        detail = f"discrepancy {discrepancy.pk}: {discrepancy.kind}"
        audit.record_access(AccessKind.RESOLVED, actor, about=about, detail=detail)
    return True


def _shown(order: PaymentOrder, reading: Reading) -> Shown:
    charge = reading.charge
    if charge.verdict is not Verdict.CHARGED:
        if charge.entry is not None and charge.entry.is_returned:
            return Shown.REVERSED
        return Shown(charge.verdict.value)
    if books.is_odd(reading.books, order.amount):
        return Shown.TOO_MUCH
    return _BY_STATE[books.plain_state(reading.books)]


def _schedule(order: PaymentOrder, state: str) -> dict[str, Any]:
    """Refunds and other requests that are on their way are inquired about as before."""
    now = timezone.now()
    followed = poll_schedule.follow(totals.of_operations(order), now)
    poll = poll_schedule.PollState.of(order, state=state, reason=Reason.RESOLVED)
    due = poll_schedule.next_poll(poll, now, answered=False, followed=followed)
    asked = order.next_poll_at
    if order.is_hosted and asked is not None and asked <= now:
        due = asked  # a notification came during the inquiry
    return {"next_poll_at": due, "unsettled_since": followed.since}


def _settle(order: PaymentOrder, state: str, reason: str, actor: Actor) -> None:
    columns = _schedule(order, state)
    if state in (OrderState.PAID, OrderState.AUTHORIZED):
        columns["live_reference"] = order.live_key
    update = OperationUpdate(
        OperationOutcome.DECLINED,
        state,
        Reason.LAPSED if order.state == OrderState.AUTHORIZED else Reason.RESOLVED,
        order=columns,
        shreds_card=True,
        actor=actor,
        note=reason.strip(),
    )
    try:
        if operations.settle_order(order, update):
            return
        raise OrderBusy(order)
    except IntegrityError:
        pass
    order.refresh_from_db()
    holder = PaymentOrder.objects.filter(live_reference=order.live_key).first()
    raise ReferenceInUse(holder or order)
