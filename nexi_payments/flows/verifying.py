"""A card is verified for nothing: ``verify_card``. No money, no 3-D Secure, no order.

Whoever may ask for it can try out stolen numbers: it is for staff and servers, and its
refusals count against the address as declines do.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import uuid
from datetime import timedelta
from typing import Any, Final

from django.db import Error, IntegrityError
from django.utils import timezone

from nexi_payments import conf, money, states
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    GatewayError,
    OutcomeNotRecorded,
    Refused,
    TooManyChecks,
    Unsent,
)
from nexi_payments.flows import alarms, moves, orders
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.gateway import codes
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.models import CardCheck, database

log = logging.getLogger("nexi_payments.verifying")

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#: The key, the address or the pace of the shop: Nexi asked no bank about the card.
_NOT_ABOUT_THE_CARD: Final = frozenset({401, 403, 404, 429})


def verify_card(
    card: Card,
    *,
    cardholder: str = "",
    currency: str = "EUR",
    terminal: str = "default",
    nonce: str | None = None,
    actor: Actor = NOBODY,
) -> CardCheck:
    """Asks Nexi whether the account behind ``card`` is good; sent once, for an amount
    of 0. The answer is ``check.outcome``: "done" (``check.is_good``), "refused",
    "not_sent", or "in_doubt" for ever, as there is nothing to look up.

    "not_sent" says nothing about the card: no bank was asked, because Nexi was not
    reached, refused our key (``check.key_refused``) or was asked too often. The same
    ``nonce`` again gives the same check, whatever the card, and asks nobody.

    Raises ``InvalidAmount`` (the currency), ``TerminalUnavailable`` and
    ``TooManyChecks``, nothing was sent then; and ``OutcomeNotRecorded``. A row is kept,
    without the card; inside a transaction a ``RuntimeError``.
    """
    line = conf.current().terminal(terminal)
    order_id = _order_id(nonce or secrets.token_hex(16))
    if nonce:
        earlier = CardCheck.objects.filter(order_id=order_id).first()
        if earlier is not None:
            return earlier
    money.exponent(currency)
    orders.refuse_too_much(line, 0, currency)
    alarms.refuse_if_raised(line.name)
    _refuse_too_many(actor)
    check = CardCheck(
        order_id=order_id,
        terminal=line.name,
        card_brand=card.brand,
        card_last4=card.last4,
        card_expiry=card.expiry,
        correlation_id=str(uuid.uuid4()),
        actor=actor.user,
        address=actor.address,
        created_at=timezone.now(),
    )
    try:
        database.committed(lambda: check.save(force_insert=True), check)
    except IntegrityError:  # a twin of this request was faster
        return CardCheck.objects.get(order_id=order_id)
    facts: dict[str, Any] = {"outcome": states.IN_DOUBT}
    try:
        answer = conf.client(line).verify(
            Purchase(check.order_id, 0, currency, cardholder=cardholder[:255]),
            card,
            conf.trace(correlation_id=check.correlation_id),
        )
        facts = {
            "outcome": _outcome(answer.result),
            "response_code": answer.response_code,
        }
    except GatewayError as error:
        facts = _without_an_answer(error)
        if isinstance(error, Refused) and error.status in (401, 403):
            alarms.raise_for(line.name, error.status)
    finally:
        _settle(check, facts)
    return check


def standing(check: CardCheck) -> str:
    """``check.outcome``; "in_doubt" where it is still "open" and whoever asked must
    have died, as no answer takes that long."""
    if check.outcome != states.OPEN:
        return check.outcome
    deadline = timedelta(seconds=conf.current().claim_deadline)
    over = check.created_at + deadline < timezone.now()
    return states.IN_DOUBT if over else states.OPEN


def _order_id(nonce: str) -> str:
    """Ours, and the same for the same nonce: the column is unique."""
    number = int.from_bytes(hashlib.sha256(f"card check {nonce}".encode()).digest())
    text = ""
    for _ in range(15):
        number, place = divmod(number, len(_ALPHABET))
        text += _ALPHABET[place]
    return conf.current().order_prefix + text


def _outcome(result: str) -> str:
    if result == codes.EXECUTED:
        return states.DONE
    return states.DECLINED if result in codes.NEGATIVE else states.IN_DOUBT


def _without_an_answer(error: GatewayError) -> dict[str, Any]:
    outcome = states.IN_DOUBT
    if isinstance(error, Unsent):
        outcome = states.NOT_SENT
    elif isinstance(error, Refused):
        about_us = error.status in _NOT_ABOUT_THE_CARD
        outcome = states.NOT_SENT if about_us else states.DECLINED
    status = str(error.status or "")
    words = (type(error).__name__, status, *error.codes)
    return {"outcome": outcome, "error": " ".join(filter(None, words))[:100]}


def _settle(check: CardCheck, facts: dict[str, Any]) -> None:
    """The second commit. Raises ``OutcomeNotRecorded`` when the database does not take
    it: the check stays open, and is in doubt soon."""
    rows = CardCheck.objects.filter(pk=check.pk, outcome=states.OPEN)
    failed = False
    try:
        database.committed(lambda: rows.update(**facts))
    except Error as error:
        failed = True
        log.critical(
            "outcome %s of card check %s was not stored: %s",
            facts["outcome"],
            check.order_id,
            type(error).__name__,
        )
    if failed:
        raise OutcomeNotRecorded(check.order_id, check.correlation_id)
    moves.assign(check, facts)


def _refuse_too_many(actor: Actor) -> None:
    """By address, as many refused checks as declined payments (``RATE_LIMITS``). What
    is in doubt counts, and what is on its way: many at once are no way around it. What
    asked no bank does not."""
    limit = conf.current().rate_limits.get("address")
    if limit is None or not actor.address:
        return
    count, seconds = limit
    refused = CardCheck.objects.filter(
        address=actor.address,
        outcome__in=(states.DECLINED, *states.UNSETTLED),
        created_at__gte=timezone.now() - timedelta(seconds=seconds),
    )
    if refused.count() >= count:
        raise TooManyChecks(seconds)
