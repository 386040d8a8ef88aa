"""The desk: an order that staff key while the customer is on the telephone.

Charged with ``POST /orders/moto``, without 3-D Secure, or offered to the customer as a
link to the 3-D Secure page. One row takes one card once: another card is another row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from nexi_payments import conf, states
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    GatewayError,
    InvalidCustomer,
    MotoNotAllowed,
    OrderNotPayable,
    WrongState,
)
from nexi_payments.flows import (
    alarms,
    inquiry,
    ledger,
    limits,
    moves,
    orders,
    verdicts,
)
from nexi_payments.flows.checkout import card_facts
from nexi_payments.flows.ledger import Claim
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import EXPLICIT, IMPLICIT
from nexi_payments.gateway.results import OperationResult
from nexi_payments.models import Operation, PaymentOrder, database

#: How long a customer may take to follow a link.
LINK_LIVES: Final = timedelta(hours=72)
#: The same amount on the same card within this time is asked about.
ALIKE_WITHIN: Final = timedelta(minutes=10)

#: ``Event.kind`` of an offered link.
LINKED: Final = "link"


def open_order(
    *,
    amount: Decimal,
    currency: str,
    reference: str,
    terminal: str,
    actor: Actor,
    description: str = "",
    customer: Mapping[str, Any] | None = None,
    nonce: str | None = None,
) -> PaymentOrder:
    """The order of a phone call, or the one that is live for this reference already.

    Arguments and errors as ``create_order``, and ``MotoNotAllowed``. The same ``nonce``
    again gives the same order, whatever has become of it.
    """
    if not conf.current().terminal(terminal).moto:
        raise MotoNotAllowed(terminal)
    order = orders.build(
        amount=amount,
        currency=currency,
        reference=reference,
        description=description,
        customer=customer,
        terminal=terminal,
    )
    order.channel = states.CHANNEL_MOTO
    order.clerk = actor.user
    order.desk_nonce = nonce or None
    if (earlier := orders.twin(order)) is not None:
        return earlier
    lifetime = timedelta(seconds=conf.current().expire_after)
    order = orders.insert_or_join(order, timezone.now() + lifetime)
    if order.state == states.AWAITING_3DS and not order.is_claimed:
        # begun in the shop and left at the bank: the customer rang instead
        order = orders.another_attempt(order)
    return order


def pay_moto(
    order: PaymentOrder,
    card: Card,
    *,
    cardholder: str = "",
    actor: Actor = NOBODY,
) -> PaymentOrder:
    """Charges ``card`` for a phone order, once. The outcome is ``order.state``: "paid",
    "authorized" (manual capture), "failed", or "paying" while nobody knows.

    ``cardholder`` (or the order's customer) is required by Nexi. Raises
    ``MotoNotAllowed``, ``OrderNotPayable``, ``OrderBusy``, ``InvalidCustomer``,
    ``CardBlocked`` and ``TerminalUnavailable``; nothing was sent then.
    """
    terminal = conf.current().terminal(order.terminal)
    if not terminal.moto:
        raise MotoNotAllowed(terminal.name)
    if order.state != states.INIT:
        raise OrderNotPayable(order)
    purchase = orders.purchase(order, cardholder)
    if not purchase.cardholder:
        raise InvalidCustomer("a phone order needs the cardholder's name")
    limits.admit(order, card)
    client = conf.client(terminal)
    deadline = Deadline(conf.current().total_timeout)

    def send(operation: Operation) -> OperationResult:
        return client.moto(
            purchase,
            card,
            EXPLICIT if order.capture == states.CAPTURE_MANUAL else IMPLICIT,
            conf.trace(deadline, operation.correlation_id),
        )

    now = timezone.now()
    claim = Claim(
        states.INIT,
        states.PAYING,
        # not one that has become a link on another terminal meanwhile
        guard={"terminal": order.terminal, "channel": order.channel},
        changes={
            **card_facts(card, purchase.cardholder),
            "channel": states.CHANNEL_MOTO,
            "claimed_at": now,
            "charging_since": now,
            "due_at": now + timedelta(seconds=conf.current().claim_deadline),
        },
    )
    try:
        ledger.perform(
            order,
            states.MOTO,
            claim,
            send,
            lambda answer: verdicts.of_charge(order, answer),
            verdicts.after_charge,
            amount=order.amount,
            actor=actor,
        )
    except GatewayError as error:
        alarms.note(order, error)
    if order.state == states.PAYING:
        inquiry.look_while_waiting(order, client, deadline)
    return order


def alike(order: PaymentOrder, last4: str = "") -> QuerySet[PaymentOrder]:
    """Charges of the same amount in the last ten minutes, newest first: of any
    reference, or of the card that ends in ``last4``."""
    charged = Q(state__in=(states.PAYING, states.AUTHORIZED, states.PAID))
    rows = PaymentOrder.objects.filter(
        charged | Q(state=states.REVIEW),
        amount=order.amount,
        currency=order.currency,
        created_at__gte=timezone.now() - ALIKE_WITHIN - timedelta(hours=1),
        claimed_at__gte=timezone.now() - ALIKE_WITHIN,
    ).exclude(pk=order.pk)
    return rows.filter(card_last4=last4) if last4 else rows


def link_terminal(terminal: conf.Terminal) -> conf.Terminal | None:
    """Where an order of this terminal's desk is paid by link; ``None`` = nowhere."""
    terminals = conf.current().terminals
    return terminals.get(terminal.link_terminal or "default")


def offer_link(order: PaymentOrder, *, actor: Actor = NOBODY) -> PaymentOrder:
    """Turns a phone order that has seen no card into one for the 3-D Secure page,
    payable by the customer for 72 hours. Once it is, again changes nothing.

    Raises ``WrongState`` when it is too late, ``InvalidAmount`` when the other terminal
    does not take such an amount, ``MotoNotAllowed`` when there is none.
    """
    if order.channel == states.CHANNEL_LINK:
        return order
    target = link_terminal(conf.current().terminal(order.terminal))
    if target is None:
        raise MotoNotAllowed(order.terminal)
    orders.refuse_too_much(target, order.amount, order.currency)
    until = timezone.now() + LINK_LIVES
    changes: dict[str, Any] = {
        "channel": states.CHANNEL_LINK,
        "terminal": target.name,
        "flow": target.flow,
        "capture": target.capture,
        "expires_at": until,
        "due_at": until,
        "pay_until": until,
    }
    with database.atomic():
        rows = PaymentOrder.objects.filter(
            pk=order.pk, state=states.INIT, claimed_at=None
        )
        done = bool(rows.exclude(operations__isnull=False).update(**changes))
        order.refresh_from_db()
        if done:
            moves.write_event(order, LINKED, source=order.state, actor=actor)
    if not done and order.channel != states.CHANNEL_LINK:
        raise WrongState(order)
    return order


def taken_over(order: PaymentOrder, actor: Actor) -> None:
    """A fresh attempt belongs to the clerk who made it."""
    fresh = PaymentOrder.objects.filter(pk=order.pk, state=states.INIT)
    if fresh.update(clerk=actor.user):
        order.clerk = actor.user


def newest_attempt(order: PaymentOrder) -> PaymentOrder:
    """The attempt that counts of those made from one link or phone order: the one that
    holds the reference or was charged, else the last."""
    root = order.retry_of_id or order.pk
    attempts = list(PaymentOrder.objects.filter(Q(pk=root) | Q(retry_of=root)))
    return max(attempts, key=lambda one: (one.state != states.FAILED, one.pk))
