"""Zero-amount card verifications: no money, no 3-D Secure, no order.

They could be used for card testing. So they are for staff and servers, and failed ones
count against the IP address and the user as failed attempts to pay do.
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

from nexi_payments import conf, money
from nexi_payments.card import Card
from nexi_payments.enums import VerificationOutcome
from nexi_payments.exceptions import (
    CardsNotAccepted,
    GatewayError,
    NotSent,
    OutcomeNotRecorded,
    Rejected,
    TooManyVerifications,
)
from nexi_payments.flows.ledger import terminal_outages, transitions
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import create, order_ids, velocity
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.models import CardVerification, db_transactions
from nexi_payments.models.text_storage import reject_text

log = logging.getLogger("nexi_payments.card_verification")

#: About the shop's key, URL or request rate: Nexi asked no issuer about the card.
_NOT_FROM_ISSUER: Final = frozenset({401, 403, 404, 429})


def verify_card(
    card: Card,
    *,
    cardholder: str = "",
    currency: str = "EUR",
    terminal: str = "default",
    nonce: str | None = None,
    actor: Actor = NO_ACTOR,
) -> CardVerification:
    """Verifies ``card`` with the issuer; sent once, for an amount of 0.

    The result is ``outcome``: ``done`` (``is_successful``), ``declined``, ``not_sent``
    or ``in_doubt``. ``in_doubt`` is final: Nexi has no status inquiry for
    verifications. ``not_sent`` says nothing about the card: no issuer was asked,
    because Nexi was not reached, answered 401 or 403 (``terminal_rejected``) or took
    no more requests (429). Idempotent by ``nonce``: the same one returns the same
    verification, whatever the card, and sends nothing.

    Raises ``InvalidAmount`` (the currency), ``CardDataNotAllowed`` (the cardholder),
    ``CardsNotAccepted``, ``TerminalUnavailable`` and ``TooManyVerifications``; nothing
    was sent then. Raises ``OutcomeNotRecorded`` when the result could not be stored,
    and ``RuntimeError`` inside a transaction. The row does not contain the card.
    """
    check, _ = get_or_verify_card(
        card,
        cardholder=cardholder,
        currency=currency,
        terminal=terminal,
        nonce=nonce,
        actor=actor,
    )
    return check


def get_or_verify_card(
    card: Card,
    *,
    cardholder: str = "",
    currency: str = "EUR",
    terminal: str = "default",
    nonce: str | None = None,
    actor: Actor = NO_ACTOR,
) -> tuple[CardVerification, bool]:
    """As ``verify_card``; also returns whether the verification was made now."""
    reject_text("cardholder", cardholder)
    terminal_config = conf.current().terminal(terminal)
    if not terminal_config.has_own_card_page:
        raise CardsNotAccepted(terminal_config.name)
    order_id = _order_id(nonce or secrets.token_hex(16))
    if nonce:
        earlier = CardVerification.objects.filter(order_id=order_id).first()
        if earlier is not None:
            return earlier, False
    money.exponent(currency)
    create.validate_amount(terminal_config, 0, currency)
    terminal_outages.require_available(terminal_config.name)
    client = conf.client(terminal_config)
    deadline = Deadline(conf.current().total_timeout)
    staff_name = actor.staff_name
    check = CardVerification(
        order_id=order_id,
        terminal=terminal_config.name,
        card_brand=card.brand,
        card_last4=card.last4,
        card_expiry=card.expiry,
        correlation_id=str(uuid.uuid4()),
        actor=actor.user,
        actor_name=staff_name,
        address=actor.address,
        network=actor.network,
        audit_due=True if staff_name else None,
        created_at=timezone.now(),
    )
    try:
        _insert(check, actor)
    except IntegrityError:  # a concurrent request with the same nonce was faster
        return CardVerification.objects.get(order_id=order_id), False
    columns: dict[str, Any] = {"outcome": VerificationOutcome.IN_DOUBT}
    try:
        answer = client.verify(
            Purchase(check.order_id, 0, currency, cardholder=cardholder[:255]),
            card,
            conf.call_context(deadline, check.correlation_id),
        )
        columns = {
            "outcome": _outcome(answer.result),
            "response_code": answer.response_code,
            "http_status": 200,
        }
    except GatewayError as error:
        columns = _error_columns(error)
    finally:
        _settle(check, columns)
    if check.terminal_rejected:
        terminal_outages.check_key(check.terminal, check.http_status, client, deadline)
    return check, True


@db_transactions.retried()
def _insert(check: CardVerification, actor: Actor) -> None:
    """Raises ``TooManyVerifications``. Counts those that failed, and those in doubt or
    under way; not those that asked no issuer.
    """
    if reached := velocity.reached_by_verifications(actor):
        raise TooManyVerifications(*reached)
    check.save(force_insert=True)


def current_outcome(check: CardVerification) -> str:
    """``check.outcome``; ``in_doubt`` if it is still ``open`` after the time that a
    request can take: its process must have died.
    """
    if check.outcome != VerificationOutcome.OPEN:
        return check.outcome
    deadline = timedelta(seconds=conf.current().claim_timeout)
    expired = check.created_at + deadline < timezone.now()
    return VerificationOutcome.IN_DOUBT if expired else VerificationOutcome.OPEN


def _order_id(nonce: str) -> str:
    """The order id at Nexi, derived from the nonce; its column is unique."""
    number = int.from_bytes(
        hashlib.sha256(f"card verification {nonce}".encode()).digest()
    )
    return order_ids.from_number(number)


def _outcome(result: str) -> str:
    if result == result_codes.EXECUTED:
        return VerificationOutcome.DONE
    return (
        VerificationOutcome.DECLINED
        if result in result_codes.UNSUCCESSFUL
        else VerificationOutcome.IN_DOUBT
    )


def _error_columns(error: GatewayError) -> dict[str, Any]:
    outcome = VerificationOutcome.IN_DOUBT
    if isinstance(error, NotSent):
        outcome = VerificationOutcome.NOT_SENT
    elif isinstance(error, Rejected):
        not_asked = error.status in _NOT_FROM_ISSUER
        outcome = (
            VerificationOutcome.NOT_SENT if not_asked else VerificationOutcome.DECLINED
        )
    status = str(error.status or "")
    words = (type(error).__name__, status, *error.codes)
    return {
        "outcome": outcome,
        "error": " ".join(filter(None, words))[:100],
        "http_status": error.status,
    }


def _settle(check: CardVerification, columns: dict[str, Any]) -> None:
    """Second commit. Raises ``OutcomeNotRecorded`` when the database fails: the row
    stays open and counts as in doubt soon.
    """
    rows = CardVerification.objects.filter(
        pk=check.pk, outcome=VerificationOutcome.OPEN
    )
    failed = False
    try:
        rows.update(**columns)
    except Error as error:
        failed = True
        log.critical(
            "outcome %s of card verification %s was not stored: %s",
            columns["outcome"],
            check.order_id,
            type(error).__name__,
        )
    if failed:
        raise OutcomeNotRecorded(check.order_id, check.correlation_id)
    transitions.assign(check, columns)
