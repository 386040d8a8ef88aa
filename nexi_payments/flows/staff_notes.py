"""Notes of staff on a payment: part of its history, and never changed."""

from __future__ import annotations

from nexi_payments.enums import EventKind
from nexi_payments.flows.capture_refund import checked_text
from nexi_payments.flows.ledger import transitions
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.models import Event, PaymentOrder, db_transactions

#: Characters of one note.
MAX_LENGTH = 300


@db_transactions.retried(durable=False)
def add_note(order: PaymentOrder, text: str, *, actor: Actor = NO_ACTOR) -> Event:
    """Writes a note into the history of ``order``, in any state. Notes are only added.

    Changes nothing else, sends no signal, calls no gateway, and may join the caller's
    transaction. Not idempotent: each call writes a note. Raises ``ValueError`` for an
    empty text or one of more than 300 characters, and ``CardDataNotAllowed`` for a card
    number.
    """
    text = checked_text("note", text.strip(), MAX_LENGTH)
    if not text:
        raise ValueError("a note needs a text")
    return transitions.write_event(
        order, EventKind.NOTE, source=order.state, actor=actor, note=text
    )
