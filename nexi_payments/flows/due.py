"""Charges that are due by a contract's plan. Any number of workers may run this.

A worker takes a contract by moving its ``due_at`` in a compare-and-swap, and counts the
taking (``claims``); who was slow finds in the commit of his charge that it is not his
any more. All attempts of a period have one reference, which one live payment can hold:
so a period is charged once, whoever dies where.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from nexi_payments import conf, money, outbox, states
from nexi_payments.exceptions import (
    ContractNotUsable,
    OrderBusy,
    OutcomeNotRecorded,
    ReferenceInUse,
    TerminalUnavailable,
)
from nexi_payments.flows import attempts, contracts, evidence, inquiry
from nexi_payments.models import Contract, PaymentOrder, database

log = logging.getLogger("nexi_payments.due")

#: So many contracts are taken at once: few enough that their lease does not run out.
_BATCH: Final = 10
#: When to come back to a charge that nobody knows the end of.
_LOOK_AGAIN: Final = timedelta(minutes=15)
_TERMINAL_MENDED: Final = timedelta(minutes=15)
_UNDECIDED: Final = timedelta(days=1)

#: ``Event.kind`` of a charge that is tried again later, and of one that is not.
RETRY: Final = "charge_retry"
ON_HOLD: Final = "contract_hold"


@dataclass
class Charged:
    """What a run did, contract by contract."""

    charged: int = 0
    in_doubt: int = 0
    retry: int = 0
    on_hold: int = 0
    ended: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return " ".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))


def charge_due(*, most: int = 1000) -> Charged:
    """Charges what is due, oldest first; each period of a contract once.

    A decline is tried again after ``CHARGE_RETRIES``, where the bank's code allows it;
    after any other, and after the last, the contract is on hold (the signal
    ``contract_on_hold``). Periods missed while nobody ran this are not made up for: one
    charge, then the next that lies ahead. Also ends contracts that Nexi was not told
    of, and those past their last day. Inside a transaction a ``RuntimeError``.
    """
    database.refuse_inside_a_transaction()
    counts = Charged()
    for contract in _due(most):
        try:
            # taken with others a while ago: still ours?
            if _take(contract):
                _turn(contract, counts)
        except (OrderBusy, OutcomeNotRecorded):
            counts.skipped += 1  # somebody else is at it, or the reconciler will be
        except Exception:
            # one broken row must not keep the others, which stand behind it, waiting
            log.exception("contract %s", contract.contract_id)
            counts.skipped += 1
    outbox.deliver_due()
    return counts


def _due(most: int) -> Iterator[Contract]:
    """What was due when the run began, oldest first, taken batch by batch."""
    rows = Contract.objects.filter(due_at__lte=timezone.now())
    return database.shared(rows.order_by("due_at", "pk"), _take, size=_BATCH, most=most)


def _take(contract: Contract) -> bool:
    lease = timedelta(seconds=conf.current().claim_deadline)
    until = timezone.now() + lease
    rows = Contract.objects.filter(
        pk=contract.pk, due_at=contract.due_at, claims=contract.claims
    )
    taken = bool(rows.update(due_at=until, claims=contract.claims + 1))
    if taken:
        contract.due_at, contract.claims = until, contract.claims + 1
    return taken


def _turn(contract: Contract, counts: Charged) -> None:
    if contract.state == states.ENDING:
        contracts.tell_the_end(contract)
        contract.refresh_from_db()
        counts.ended += contract.state == states.ENDED
        _come_back(contract, timezone.now() + _LOOK_AGAIN)
        return
    if contract.state == states.ACTIVE and contract.is_over:
        _end(contract)
        counts.ended += 1
        return
    if contract.state != states.ACTIVE or contract.amount is None:
        _come_back(contract, None)
        return
    newest = attempts.newest(contract)
    if newest is None or (_may_try(contract, newest) and _took_nothing(newest)):
        newest = _charge(contract)
    if newest is not None:
        _conclude(contract, newest, counts)


def _may_try(contract: Contract, newest: PaymentOrder) -> bool:
    """An attempt was begun and not sent, or has failed and its pause is over."""
    if newest.state == states.INIT:
        return True
    if newest.state != states.FAILED or attempts.may_turn_up(newest):
        return False
    if attempts.is_from_before(contract, newest):
        return True  # a person wants one more
    wait = attempts.pause_after(contract, newest)
    return wait is not None and timezone.now() >= newest.created_at + wait


def _took_nothing(attempt: PaymentOrder) -> bool:
    """Asks Nexi before a card is charged once more for the same period: nobody is there
    to notice that a "declined" was wrong, and the watch would find it days later."""
    if attempt.charging_since is None:
        return True  # never sent
    client = conf.client(conf.current().terminal(attempt.terminal))
    seen = inquiry.look(attempt, client)
    nothing = seen.evidence.verdict in (evidence.NOTHING, evidence.DECLINED)
    return seen.good and nothing and attempt.state == states.FAILED


def _charge(contract: Contract) -> PaymentOrder | None:
    def still_mine() -> bool:
        mine = Contract.objects.filter(
            pk=contract.pk,
            claims=contract.claims,
            period=contract.period,
            state=states.ACTIVE,
        )
        return bool(mine.update(claims=contract.claims))

    try:
        return contracts.charge_contract(
            contract,
            money.to_major(contract.amount or 0, contract.currency),
            contract.currency,
            reference=attempts.reference_of(contract),
            wait=False,
            fence=still_mine,
        )
    except TerminalUnavailable:
        _come_back(contract, timezone.now() + _TERMINAL_MENDED)
    except ReferenceInUse as error:
        _hold(contract, error.order, "the reference of the period is taken")
    except ContractNotUsable:
        pass  # ended in this moment
    return None


def _conclude(contract: Contract, order: PaymentOrder, counts: Charged) -> None:
    """What follows from how the newest attempt stands."""
    now = timezone.now()
    if order.state in states.SUCCESSFUL | states.GIVEN_BACK:
        _advance(contract, now)
        counts.charged += 1
    elif order.state == states.FAILED:
        wait = attempts.pause_after(contract, order)
        if wait is None:
            _hold(contract, order, order.response_code or order.reason)
            counts.on_hold += 1
        else:
            when = order.created_at + wait
            _retry(contract, order, when if when > now else now + _LOOK_AGAIN)
            counts.retry += 1
    else:
        later = _UNDECIDED if order.state == states.REVIEW else _LOOK_AGAIN
        _come_back(contract, now + later)
        counts.in_doubt += 1


# -- what is written about a contract: only while it is ours -----------------------


def _advance(contract: Contract, now: datetime) -> None:
    period = contract.period + 1
    due = contract.planned(period)
    while due is not None and due <= now:
        period += 1
        due = contract.planned(period)
    mine = Contract.objects.filter(
        pk=contract.pk, claims=contract.claims, period=contract.period
    )
    active = mine.filter(state__in=(states.ACTIVE, states.ON_HOLD))
    active.update(period=period, due_at=due, state=states.ACTIVE)


def _come_back(contract: Contract, when: datetime | None) -> None:
    mine = Contract.objects.filter(pk=contract.pk, claims=contract.claims)
    mine.exclude(state=states.ENDED).update(due_at=when)


def _retry(contract: Contract, order: PaymentOrder, when: datetime) -> None:
    def write() -> None:
        mine = Contract.objects.filter(
            pk=contract.pk, claims=contract.claims, state=states.ACTIVE
        )
        known = order.events.filter(kind=RETRY).exists()
        if mine.update(due_at=when) and not known:
            note = f"{when:%Y-%m-%d %H:%M}"
            contracts.tell(contract, RETRY, order=order, note=note)

    database.committed(write)


def _hold(contract: Contract, order: PaymentOrder, why: str) -> None:
    def write() -> None:
        mine = Contract.objects.filter(
            pk=contract.pk, claims=contract.claims, state=states.ACTIVE
        )
        if mine.update(state=states.ON_HOLD, due_at=None):
            contracts.tell(contract, ON_HOLD, order=order, note=why)

    database.committed(write)


def _end(contract: Contract) -> None:
    """Past its last day: Nexi ends it by itself."""

    def write() -> None:
        mine = Contract.objects.filter(
            pk=contract.pk, claims=contract.claims, state=states.ACTIVE
        )
        now = timezone.now()
        if mine.update(state=states.ENDED, ended_at=now, due_at=None):
            contracts.tell(contract, contracts.ENDED, note=str(contract.until))

    database.committed(write)
