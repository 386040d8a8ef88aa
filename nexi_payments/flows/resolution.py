"""A person ends a case under review, and Nexi must agree at that moment."""

from __future__ import annotations

from typing import Final

from django.db import IntegrityError
from django.utils import timezone

from nexi_payments import conf, hold, states
from nexi_payments.card import holds_card_number
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    NexiDisagrees,
    OrderBusy,
    ReferenceInUse,
    WrongState,
)
from nexi_payments.flows import (
    confirmations,
    consequences,
    evidence,
    inquiry,
    ledger,
    verdicts,
)
from nexi_payments.flows.ledger import Settlement
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import PaymentOrder
from nexi_payments.states import Reason

#: what a person may decide → what Nexi must show
AGREES: Final = {
    states.PAID: frozenset({evidence.CHARGED}),
    states.AUTHORIZED: frozenset({evidence.HELD}),
    states.VOIDED: frozenset({evidence.REVERSED}),
    states.FAILED: frozenset({evidence.NOTHING, evidence.DECLINED}),
}


def resolve(
    order: PaymentOrder, state: str, *, reason: str, actor: Actor = NOBODY
) -> PaymentOrder:
    """Moves an order under review to ``state`` ("paid", "authorized", "voided" or
    "failed"), if a look-up made now agrees; an authorization may be told "voided".

    ``reason`` is kept with the event, with who and from where. Raises ``WrongState``,
    ``NexiDisagrees`` (also when Nexi does not answer), ``ReferenceInUse`` when another
    payment holds the reference (refund this one instead), ``OrderBusy``,
    ``CardDataNotAllowed`` for a reason that holds a card number, ``ValueError`` for an
    empty one. Nothing has changed then.
    """
    order.refresh_from_db()
    lapsed = order.state == states.AUTHORIZED and state == states.VOIDED
    if state not in AGREES or not (order.state == states.REVIEW or lapsed):
        raise WrongState(order)
    if not reason.strip():
        raise ValueError("a resolution needs a reason")
    if holds_card_number(reason):
        raise CardDataNotAllowed("the reason holds what looks like a card number")
    client = conf.client(conf.current().terminal(order.terminal))
    deadline = Deadline(conf.current().total_timeout)
    look = inquiry.see(order, client, deadline)
    if not look.good:
        raise NexiDisagrees(order, "")
    if look.evidence.verdict not in AGREES[state]:
        raise NexiDisagrees(order, look.evidence.verdict)
    _write(order, _settlement(order, state, look.evidence, reason, actor))
    order.breaks.filter(resolved_at=None).update(
        resolved_at=timezone.now(), resolved_by=actor.user
    )
    if order.state in (states.PAID, states.AUTHORIZED):
        consequences.booked(order, look.evidence)
        # what was captured or given back at Nexi meanwhile
        confirmations.confirm(order, look.found, client, deadline)
    return order


def _settlement(
    order: PaymentOrder,
    state: str,
    seen: evidence.Evidence,
    reason: str,
    actor: Actor,
) -> Settlement:
    charged = state in (states.PAID, states.AUTHORIZED)
    columns = consequences.facts(order, seen) if charged else {}
    if charged:
        columns["live_reference"] = order.live_key
    return Settlement(
        states.DECLINED if state == states.FAILED else states.DONE,
        state,
        Reason.LAPSED if order.state == states.AUTHORIZED else Reason.RESOLVED,
        order=columns,
        operation=verdicts.of_operation(seen.answer) if charged else {},
        also=lambda: hold.shred(order),
        actor=actor,
        note=reason.strip(),
    )


def _write(order: PaymentOrder, settlement: Settlement) -> None:
    try:
        if ledger.conclude(order, settlement):
            return
        raise OrderBusy(order)
    except IntegrityError:
        pass
    order.refresh_from_db()
    holder = PaymentOrder.objects.filter(live_reference=order.live_key).first()
    raise ReferenceInUse(holder or order)
