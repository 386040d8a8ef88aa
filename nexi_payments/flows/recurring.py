"""Recurring charges of scheduled contracts. Any number of workers may run this.

A worker leases a contract by moving its ``next_charge_at`` in a compare-and-swap, which
increments ``lease_version``. A worker whose lease was taken over fails its claim. All
attempts of a period share one reference, and one live payment holds a reference: a
period is charged once, wherever a worker crashes. A backup that is restored changes
nothing: ``flows.contracts`` asks Nexi before it charges, and nothing is charged before
the terminal was swept (decision 40).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError
from django.utils import timezone

from nexi_payments import conf, enums, money, outbox
from nexi_payments.enums import ContractState, EventKind, OrderState, Reason
from nexi_payments.exceptions import (
    ContractNotUsable,
    InvalidAmount,
    OrderBusy,
    OutcomeNotRecorded,
    ReferenceInUse,
    TerminalNotConfigured,
    TerminalUnavailable,
)
from nexi_payments.flows import contracts, retry_policy
from nexi_payments.flows.inquiry import query, sweeps
from nexi_payments.models import Contract, PaymentOrder, db_transactions

log = logging.getLogger("nexi_payments.recurring")

#: Contracts leased at once: few enough that their leases do not expire.
_BATCH_SIZE: Final = 10
#: When to process a contract again whose charge is in doubt.
_IN_DOUBT_PAUSE: Final = timedelta(minutes=15)
_OUTAGE_PAUSE: Final = timedelta(minutes=15)
_REVIEW_PAUSE: Final = timedelta(days=1)


class _NotSwept(Exception):
    """The last sweep of the terminal is too old: it may be that of a backup."""

    def __init__(self, terminal: str) -> None:
        super().__init__(terminal)
        self.terminal = terminal


@dataclass
class RecurringCounts:
    """Contracts by the result of a run."""

    charged: int = 0
    in_doubt: int = 0
    retry: int = 0
    suspended: int = 0
    ended: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return " ".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))


def charge_due(*, limit: int = 1000) -> RecurringCounts:
    """Charges contracts that are due, oldest first; each period once.

    A soft decline is retried after ``CHARGE_RETRIES``. After a hard decline, or the
    last retry, the contract is suspended (signal ``contract_on_hold``), and so is one
    whose terminal no longer accepts its amount or currency. One whose terminal is not
    in the settings waits. So do all of a terminal whose last sweep is older than an
    hour; a sweep that is due is made first. One whose run ends with an unexpected
    exception is tried again after growing pauses, and listed for staff
    (``failing_since``). Periods missed while this did not run are charged once, not one
    by one. A period that ``BEFORE_CHARGE`` vetoes is skipped. Also deactivates
    contracts at Nexi whose end is not confirmed, and ends those past their last day.
    Raises ``RuntimeError`` inside a transaction.
    """
    db_transactions.require_no_transaction()
    counts = RecurringCounts()
    missing: Counter[str] = Counter()
    unswept: Counter[str] = Counter()
    for contract in _due_contracts(limit):
        try:
            # leased with its batch a while ago: renew, if it is still ours
            if _lease(contract):
                _process(contract, counts)
                _forget_errors(contract)
        except (OrderBusy, OutcomeNotRecorded):
            counts.skipped += (
                1  # another worker has it, or the reconciler will settle it
            )
        except TerminalNotConfigured as error:
            _reschedule(contract, timezone.now() + _OUTAGE_PAUSE)
            missing[error.terminal] += 1
            counts.skipped += 1
        except _NotSwept as error:  # due again when its lease ends
            unswept[error.terminal] += 1
            counts.skipped += 1
        except Exception as error:
            # a broken row must not block the rows behind it
            _record_error(contract, error)
            counts.skipped += 1
    for terminal, number in missing.items():
        text = "terminal %s is not in the settings: %d due contracts wait for it"
        log.error(text, terminal, number)
    for terminal, number in unswept.items():
        log.warning("terminal %s: %d due charges wait for a sweep", terminal, number)
    outbox.deliver_due()
    return counts


def _due_contracts(limit: int) -> Iterator[Contract]:
    """Contracts that were due when the run began, oldest first, leased in batches."""
    rows = Contract.objects.filter(next_charge_at__lte=timezone.now())
    return db_transactions.claim_in_batches(
        rows.order_by("next_charge_at", "pk"),
        _lease,
        batch_size=_BATCH_SIZE,
        limit=limit,
    )


def _lease(contract: Contract) -> bool:
    duration = timedelta(seconds=conf.current().claim_timeout)
    lease_end = timezone.now() + duration
    rows = Contract.objects.filter(
        pk=contract.pk,
        next_charge_at=contract.next_charge_at,
        lease_version=contract.lease_version,
    )
    leased = bool(
        rows.update(next_charge_at=lease_end, lease_version=contract.lease_version + 1)
    )
    if leased:
        contract.next_charge_at, contract.lease_version = (
            lease_end,
            contract.lease_version + 1,
        )
    return leased


def _process(contract: Contract, counts: RecurringCounts) -> None:
    if contract.state == ContractState.ENDING:
        contracts.deactivate_at_nexi(contract)
        contract.refresh_from_db()
        counts.ended += contract.state == ContractState.ENDED
        _reschedule(contract, timezone.now() + _IN_DOUBT_PAUSE)
        return
    if contract.state == ContractState.ACTIVE and contract.is_expired:
        _end_contract(contract)
        counts.ended += 1
        return
    if contract.state != ContractState.ACTIVE or contract.amount is None:
        _reschedule(contract, None)
        return
    newest = retry_policy.current_attempt(contract)
    if newest is None or (
        _may_attempt(contract, newest) and _is_confirmed_uncharged(newest)
    ):
        newest = _charge(contract, counts)
    if newest is not None:
        _apply_result(contract, newest, counts)


def _may_attempt(contract: Contract, newest: PaymentOrder) -> bool:
    """Whether the newest attempt allows a charge: not sent yet, or failed and its delay
    is over.
    """
    if newest.state == OrderState.INIT:
        return True
    if newest.state != OrderState.FAILED or retry_policy.may_still_be_charged(newest):
        return False
    if retry_policy.is_before_resumption(contract, newest):
        return True  # a person resumed the contract: one more attempt
    wait = retry_policy.retry_delay(contract, newest)
    return wait is not None and timezone.now() >= newest.created_at + wait


def _is_confirmed_uncharged(attempt: PaymentOrder) -> bool:
    """Whether a status inquiry confirms that an attempt was not charged.

    Before a card is charged again for the same period: no shopper would notice a wrong
    "declined", and the watch would find the charge days later.
    """
    if attempt.charging_since is None:
        return True  # never sent
    client = conf.client(conf.current().terminal(attempt.terminal))
    inquiry = query.inquire_and_apply(attempt, client)
    return inquiry.shows_no_charge and attempt.state == OrderState.FAILED


def _charge(contract: Contract, counts: RecurringCounts) -> PaymentOrder | None:
    def holds_lease() -> bool:
        rows = Contract.objects.filter(
            pk=contract.pk,
            lease_version=contract.lease_version,
            period=contract.period,
            state=ContractState.ACTIVE,
        )
        return bool(rows.update(lease_version=contract.lease_version))

    terminal = conf.current().terminal(contract.terminal)
    if not sweeps.is_fresh(terminal):
        raise _NotSwept(terminal.name)
    try:
        return contracts.charge_contract(
            contract,
            money.to_major(contract.amount or 0, contract.currency),
            contract.currency,
            reference=retry_policy.period_reference(contract),
            wait=False,
            fence=holds_lease,
        )
    except TerminalNotConfigured:
        raise
    except TerminalUnavailable:
        _reschedule(contract, timezone.now() + _OUTAGE_PAUSE)
    except InvalidAmount as error:  # MAX_AMOUNT or CURRENCIES has changed
        _suspend(contract, None, str(error))
        counts.suspended += 1
    except ReferenceInUse as error:
        _suspend(contract, error.order, "the reference of the period is taken")
        counts.suspended += 1
    except ContractNotUsable:
        pass  # ended meanwhile
    return None


def _apply_result(
    contract: Contract, order: PaymentOrder, counts: RecurringCounts
) -> None:
    """Updates the contract by the state of the newest attempt."""
    now = timezone.now()
    if order.state in enums.SUCCESSFUL | enums.RETURNED:
        _advance_period(contract, order.charging_since or now)
        counts.charged += 1
    elif order.reason == Reason.VETOED:
        _advance_period(contract, now)  # by the shop's own word: the next one is asked
        counts.skipped += 1
    elif order.state == OrderState.FAILED:
        wait = retry_policy.retry_delay(contract, order)
        if wait is None:
            _suspend(contract, order, order.response_code or order.reason)
            counts.suspended += 1
        else:
            due = order.created_at + wait
            _schedule_retry(
                contract, order, due if due > now else now + _IN_DOUBT_PAUSE
            )
            counts.retry += 1
    else:
        later = _REVIEW_PAUSE if order.state == OrderState.REVIEW else _IN_DOUBT_PAUSE
        _reschedule(contract, now + later)
        counts.in_doubt += 1


# -- writes to a contract, each under its lease ------------------------------------


def _advance_period(contract: Contract, charged_at: datetime) -> None:
    """Moves on to the first period that was not due yet when the charge was sent."""
    period = contract.period + 1
    due = contract.scheduled_at(period)
    while due is not None and due <= charged_at:
        period += 1
        due = contract.scheduled_at(period)
    mine = Contract.objects.filter(
        pk=contract.pk, lease_version=contract.lease_version, period=contract.period
    )
    active = mine.filter(state__in=(ContractState.ACTIVE, ContractState.SUSPENDED))
    active.update(period=period, next_charge_at=due, state=ContractState.ACTIVE)


def _reschedule(contract: Contract, when: datetime | None) -> None:
    mine = Contract.objects.filter(pk=contract.pk, lease_version=contract.lease_version)
    mine.exclude(state=ContractState.ENDED).update(next_charge_at=when)


def _record_error(contract: Contract, error: Exception) -> None:
    """Staff see it on the page of the review queue, and ``nexi_doctor`` lists it."""
    now, count = timezone.now(), contract.error_count + 1
    log.exception("contract %s: attempt %d", contract.contract_id, count)
    mine = Contract.objects.filter(pk=contract.pk, lease_version=contract.lease_version)
    try:
        mine.exclude(state=ContractState.ENDED).update(
            next_charge_at=now + retry_policy.error_pause(count),
            error_count=count,
            failing_since=contract.failing_since or now,
            error=type(error).__name__,
        )
    except DatabaseError:  # due again when its lease ends
        log.exception("contract %s: its error is not recorded", contract.contract_id)


def _forget_errors(contract: Contract) -> None:
    if contract.error_count:
        rows = Contract.objects.filter(pk=contract.pk)
        rows.update(error_count=0, failing_since=None, error="")


@db_transactions.retried()
def _schedule_retry(contract: Contract, order: PaymentOrder, when: datetime) -> None:
    mine = Contract.objects.filter(
        pk=contract.pk,
        lease_version=contract.lease_version,
        state=ContractState.ACTIVE,
    )
    known = order.events.filter(kind=EventKind.CHARGE_RETRY).exists()
    if mine.update(next_charge_at=when) and not known:
        note = f"{when:%Y-%m-%d %H:%M}"
        contracts.write_event(contract, EventKind.CHARGE_RETRY, order=order, note=note)


@db_transactions.retried()
def _suspend(contract: Contract, order: PaymentOrder | None, note: str) -> None:
    mine = Contract.objects.filter(
        pk=contract.pk,
        lease_version=contract.lease_version,
        state=ContractState.ACTIVE,
    )
    if mine.update(state=ContractState.SUSPENDED, next_charge_at=None):
        contracts.write_event(
            contract, EventKind.CONTRACT_SUSPENDED, order=order, note=note
        )


@db_transactions.retried()
def _end_contract(contract: Contract) -> None:
    """Ends a contract past its last day. Nexi ends it on its own."""
    mine = Contract.objects.filter(
        pk=contract.pk,
        lease_version=contract.lease_version,
        state=ContractState.ACTIVE,
    )
    now = timezone.now()
    if mine.update(state=ContractState.ENDED, ended_at=now, next_charge_at=None):
        contracts.write_event(
            contract, EventKind.CONTRACT_ENDED, note=str(contract.until)
        )
