"""Velocity limits against card testing.

They count attempts in the database (``PaymentOrder.attempted_at``): those that failed
at the issuer, and those that are under way or were abandoned during 3-D Secure. The
ledger forgets successful ones, and failures on our side or Nexi's. An attempt counts
from the claim on: the statement that claims its order counts the others, so what is
sent was counted.

Shoppers are limited by reference, user and network (``Actor.network``), and above the
limit over all shoppers guests have to wait or to pass the shop's ``CAPTCHA``. Staff and
servers are limited by user (``clerk``), phone orders and card verifications together.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf, enums
from nexi_payments.card import Card
from nexi_payments.enums import OrderState, VerificationOutcome
from nexi_payments.exceptions import CardBlocked, TerminalUnavailable, TooManyAttempts
from nexi_payments.flows.ledger.guards import Guard
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.gateway import result_codes
from nexi_payments.models import CardVerification, PaymentOrder, raw_sql
from nexi_payments.models.bookkeeping import AttemptLock, TerminalOutage
from nexi_payments.models.raw_sql import Rows

log = logging.getLogger("nexi_payments.velocity")

REFERENCE: Final = "reference"
USER: Final = "user"
ADDRESS: Final = "address"
CLERK: Final = "clerk"
EVERYONE: Final = "everyone"

#: Verifications that asked an issuer, or may have. The stored texts: a member of an
#: enumeration costs a call for each use.
_VERIFIED_IN_VAIN: Final = (
    VerificationOutcome.DECLINED.value,
    VerificationOutcome.OPEN.value,
    VerificationOutcome.IN_DOUBT.value,
)
#: "Excess re-attempts": the schemes forbid this card for this purchase.
_EXCESS_ATTEMPTS: Final = ({"response_code": "413"},)
#: All of ``DeclineAdvice.DO_NOT_RETRY``, as conditions.
_FORBIDS_RETRY: Final = (
    {"response_code__in": sorted(result_codes.NEVER_RETRIED)},
    {"response_code__gte": "201", "response_code__lt": "3"},
)
#: limit → column of a card verification that it counts by
_VERIFIED_BY: Final = {ADDRESS: "network", CLERK: "actor"}
#: limit → conditions, one of which the orders meet that it counts together
_Same = dict[str, list[dict[str, Any]]]
#: Shoppers who have not come back from the issuer for so long count for ``everyone``.
_ABANDONED_AFTER: Final = timedelta(minutes=5)


def limit_shopper(
    order: PaymentOrder, card: Card | None, actor: Actor, *, terminal: str = ""
) -> Guard:
    """The guard of a shopper's attempt: a card for ``order``, or without ``card`` a
    hosted page.

    It explains itself by ``TerminalUnavailable`` while Nexi rejects the API key of
    ``terminal`` (by default the order's), ``TooManyAttempts``, or ``CardBlocked`` for a
    card that got response code 413 on this purchase.
    """
    same: _Same = {
        REFERENCE: _same_purchase(order),
        ADDRESS: [{"attempt_network": actor.network}],
    }
    if order.user_id is not None:
        same[USER] = [{"user": order.user_id}]
    elif not actor.captcha_passed:
        same[EVERYONE] = []
    attempt = _Attempt(order, card, terminal or order.terminal, same)
    return attempt.guard({"attempt_network": actor.network})


def limit_clerk(order: PaymentOrder, card: Card, actor: Actor) -> Guard:
    """The guard of a phone order's charge: as ``limit_shopper``, with the limit of the
    clerk alone. Without a user in ``actor`` there is none. It explains itself by
    ``CardBlocked`` after each decline that forbids to try the card again: no issuer
    asks at the desk, so nothing but the decline says that the card is lost."""
    attempt = _Attempt(order, card, order.terminal, _same_clerk(actor), _FORBIDS_RETRY)
    clerk = None if actor.user is None else actor.user.pk
    return attempt.guard({"attempt_network": actor.network, "attempt_clerk_id": clerk})


def limit_link(order: PaymentOrder, terminal: str) -> Guard:
    """The guard of a payment link, which tries no card: the outage alone."""
    return _Attempt(order, None, terminal, {}).guard({})


def reached_by_verifications(actor: Actor) -> tuple[str, float] | None:
    """The limit that forbids ``actor`` another card verification, and its window in
    seconds. Call it in the transaction that inserts the verification: what is counted
    is locked until its end.
    """
    same = {ADDRESS: [{"attempt_network": actor.network}], **_same_clerk(actor)}
    limits = _limits(same)
    if not limits:
        return None
    raw_sql.lock(AttemptLock, sorted(_lock_numbers(limits, same)))
    answers = raw_sql.exist(*_reached(limits, same, timezone.now()))
    for name, is_reached in zip(limits, answers, strict=True):
        if is_reached:
            log.warning("too many card verifications by %s", name)
            return name, limits[name][1]
    return None


@dataclass(frozen=True, repr=False)
class _Attempt:
    order: PaymentOrder
    card: Card | None
    terminal: str
    same: _Same
    #: conditions of responses after which the card is blocked
    blocks: tuple[dict[str, Any], ...] = _EXCESS_ATTEMPTS
    # looked up at each call: clocks of tests and of the demo replace the function
    now: datetime = field(default_factory=lambda: timezone.now())

    def guard(self, columns: dict[str, Any]) -> Guard:
        return Guard(
            unless=self.questions,
            locks=_lock_numbers(self.limits, self.same),
            columns=columns and {"attempted_at": self.now, **columns},
            explain=self.explain,
        )

    @functools.cached_property
    def limits(self) -> dict[str, tuple[int, float]]:
        return _limits(self.same)

    @functools.cached_property
    def questions(self) -> tuple[Rows, ...]:
        return (
            Rows(TerminalOutage, [{"terminal": self.terminal}]),
            Rows(PaymentOrder, _blocked(self.order, self.card, self.blocks)),
            *_reached(self.limits, self.same, self.now),
        )

    def explain(self) -> None:
        outage, is_blocked, *reached = raw_sql.exist(*self.questions)
        if outage:
            raise TerminalUnavailable(self.terminal)
        for name, is_reached in zip(self.limits, reached, strict=True):
            if is_reached:
                _refuse(name, self.order, *self.limits[name])
        if is_blocked:
            raise CardBlocked(self.order)


def _refuse(name: str, order: PaymentOrder, most: int, seconds: float) -> None:
    if name == EVERYONE:
        log.critical(
            "%d cards were declined within %d s: possible card testing", most, seconds
        )
    else:
        log.warning("order %s: too many attempts by %s", order.order_id, name)
    raise TooManyAttempts(order, name, seconds)


def _limits(same: _Same) -> dict[str, tuple[int, float]]:
    """Those that apply, in the order of the settings."""
    limits = conf.current().rate_limits
    return {name: limit for name, limit in limits.items() if name in same}


def _lock_numbers(limits: Iterable[str], same: _Same) -> frozenset[int]:
    """Requests that count the same rows wait for one another. Not those of everyone:
    one slow request would stop all payments. So that limit may be passed by as many
    requests as run at once.
    """
    texts = [f"{name} {same[name]!r}" for name in limits if name != EVERYONE]
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    numbers = [int.from_bytes(one) % AttemptLock.NUMBERS for one in digests]
    return frozenset(numbers)


def _reached(
    limits: Mapping[str, tuple[int, float]], same: _Same, now: datetime
) -> list[Rows]:
    """For each limit, the rows that have reached it."""
    questions = []
    for name, (most, seconds) in limits.items():
        since = now - timedelta(seconds=seconds)
        if name == EVERYONE:
            questions.append(_failures_of_everyone(since, now, most))
            continue
        attempts = [which | {"attempted_at__gte": since} for which in same[name]]
        verifications = _failed_verifications(name, same, since)
        questions.append(Rows(PaymentOrder, attempts, most, also=verifications))
    return questions


def _failed_verifications(name: str, same: _Same, since: datetime) -> Rows | None:
    if name not in _VERIFIED_BY:
        return None
    (value,) = same[name][0].values()
    where = {
        _VERIFIED_BY[name]: value,
        "created_at__gte": since,
        "outcome__in": _VERIFIED_IN_VAIN,
    }
    return Rows(CardVerification, [where])


def _failures_of_everyone(since: datetime, now: datetime, most: int) -> Rows:
    """Not each attempt that is under way: a busy shop has many."""
    abandoned = {
        "reason": "",
        "attempted_at__gte": since,
        "attempted_at__lt": now - _ABANDONED_AFTER,
        "state": OrderState.AWAITING_3DS.value,
    }
    return Rows(
        PaymentOrder,
        [{"reason__in": enums.DECLINES, "attempted_at__gte": since}],
        most,
        also=Rows(PaymentOrder, [abandoned]),
    )


def _same_clerk(actor: Actor) -> _Same:
    return {} if actor.user is None else {CLERK: [{"attempt_clerk": actor.user.pk}]}


def _same_purchase(order: PaymentOrder) -> list[dict[str, Any]]:
    """The attempts at one purchase: by reference, or by the first attempt."""
    if order.reference:
        return [{"reference": order.reference}]
    root = order.retry_of_id or order.pk
    return [{"pk": root}, {"retry_of": root}]


def is_refused_at_desk(order: PaymentOrder, card_last4: str) -> bool:
    """Whether a card with these last four digits may not be tried again for this
    purchase. Another card may have the same digits: ``limit_clerk`` compares more.
    """
    rows = PaymentOrder.objects.filter(card_last4=card_last4)
    same, blocks = _same_purchase(order), _FORBIDS_RETRY
    conditions = (Q(**which, **one) for which in same for one in blocks)
    return rows.filter(functools.reduce(operator.or_, conditions)).exists()


def _blocked(
    order: PaymentOrder, card: Card | None, blocks: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The attempts at this purchase with this card that got one of these responses.
    Compares the stored card columns; a different card with equal columns is blocked,
    too.
    """
    if card is None:
        return [{"pk": None}]  # none
    columns = {
        "card_brand": card.brand,
        "card_bin": card.bin6,
        "card_last4": card.last4,
        "card_expiry": card.expiry,
    }
    same = _same_purchase(order)
    return [which | one | columns for which in same for one in blocks]
