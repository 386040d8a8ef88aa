"""Cancels a payment that is not paid: ``cancel``. Database work only."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import sealed_cards
from nexi_payments.enums import Channel, EventKind, OrderState, Reason
from nexi_payments.exceptions import (
    AlreadyCharged,
    InvalidState,
    OrderBusy,
    OrderError,
)
from nexi_payments.flows import availability
from nexi_payments.flows.ledger import poll_schedule, transitions
from nexi_payments.flows.ledger.operations import PreconditionFailed
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import purchase
from nexi_payments.models import PaymentOrder, db_transactions, raw_sql
from nexi_payments.models.text_storage import reject_text

_CHARGED: Final = (OrderState.AUTHORIZED, OrderState.PAID, OrderState.REVIEW)
#: Requests of a shopper change the attempt meanwhile: a new one is created, its card is
#: claimed, 3-D Secure has started. A return from it ends this: it is refused.
_TRIES: Final = 10
#: Over, with a page that accepts another card (again).
_ENDED: Final = Q(state=OrderState.FAILED) | Q(
    state=OrderState.REVIEW, live_reference=None
)


def cancel(
    order: PaymentOrder, reason: str = "", *, actor: Actor = NO_ACTOR
) -> PaymentOrder:
    """Ends a payment that is not paid: its pages accept no card any more.

    Cancels ``order``, earlier attempts of its purchase, and the attempts that shoppers
    made on their pages, for example with another card. An attempt that the shop created
    later is not cancelled. The open attempt becomes ``failed`` (``cancelled``), its
    sealed card is deleted, its reference is free, and ``payment_failed`` is sent. What
    had failed before stays ``failed`` for its reason and has ``cancelled_at``. If Nexi
    shows a charge of a cancelled attempt later, it is a duplicate, never paid.

    ``reason`` is stored with the event, with actor and IP address (300 characters).
    Returns ``order``, reloaded. Idempotent. Calls no gateway and may join the shop's
    own transaction.

    Raises ``OrderBusy`` while a charge is under way: ask again when its outcome is
    known. Raises ``AlreadyCharged`` when money is held or taken, or may be (under
    review): void, refund or resolve ``error.order``. Raises ``InvalidState`` for a
    payment that was voided or refunded, and for a charge of a saved card; and
    ``CardDataNotAllowed`` for a reason with a card number. Nothing has changed then.
    """
    reject_text("reason", reason)
    for _ in range(_TRIES):
        with suppress(PreconditionFailed):
            try:
                _cancel(order, reason, actor)
            finally:
                order.refresh_from_db()
            return order
    raise OrderBusy(order)


@db_transactions.retried(durable=False)
def _cancel(order: PaymentOrder, reason: str, actor: Actor) -> None:
    order.refresh_from_db()
    if order.is_cancelled:
        return
    if order.channel == Channel.MIT:
        raise InvalidState(order)
    live = purchase.live_until(order)
    if not availability.is_unpaid(live or order):
        raise _refusal(live or order)
    # before the live attempt: a card that is posted to one of these locks it first
    for ended in purchase.attempts_until(order).filter(_ENDED).order_by("pk"):
        _close(ended, reason, actor)
    if purchase.live_until(order) != live:
        raise PreconditionFailed  # made on the page of a failed one meanwhile
    if live is not None:
        _end(live, reason, actor)


def _close(ended: PaymentOrder, reason: str, actor: Actor) -> None:
    """The page of an attempt that is over accepts no other card any more."""
    if ended.is_cancelled:
        return
    where = {"pk": ended.pk, "state": ended.state, "cancelled_at": None}
    changes = {"cancelled_at": timezone.now()}
    if not raw_sql.update(PaymentOrder, where, changes, increment="version"):
        raise PreconditionFailed
    transitions.assign(ended, changes)
    transitions.write_event(
        ended, EventKind.CANCELLED, source=ended.state, actor=actor, note=reason
    )


def _end(live: PaymentOrder, reason: str, actor: Actor) -> None:
    """Fails the open attempt and shreds its card. It is watched if Nexi knows it."""
    now = timezone.now()
    changes: dict[str, Any] = {"cancelled_at": now}
    if live.operations.exists():
        changes["watch_until"] = now + poll_schedule.watch_for(live)
    ended = transitions.transition(
        live,
        OrderState.FAILED,
        sources=(live.state,),
        # no request began since it was read: a claim raises the version
        conditions={"version": live.version},
        reason=Reason.CANCELLED,
        actor=actor,
        note=reason,
        **changes,
    )
    if not ended:
        raise PreconditionFailed
    sealed_cards.shred(live)


def _refusal(order: PaymentOrder) -> OrderError:
    if order.state in _CHARGED:
        return AlreadyCharged(order)
    if order.is_final:
        return InvalidState(order)
    return OrderBusy(order)
