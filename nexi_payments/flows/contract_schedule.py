"""When a contract is charged next: writes of the due run, each under its lease."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import DatabaseError
from django.utils import timezone

from nexi_payments.enums import ContractState, EventKind
from nexi_payments.flows import contracts, retry_policy
from nexi_payments.models import Contract, PaymentOrder, db_transactions

log = logging.getLogger("nexi_payments.recurring")


def advance_period(contract: Contract, charged_at: datetime) -> None:
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


def reschedule(contract: Contract, when: datetime | None) -> None:
    mine = Contract.objects.filter(pk=contract.pk, lease_version=contract.lease_version)
    mine.exclude(state=ContractState.ENDED).update(next_charge_at=when)


def record_error(contract: Contract, error: Exception) -> None:
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


def forget_errors(contract: Contract) -> None:
    if contract.error_count:
        rows = Contract.objects.filter(pk=contract.pk)
        rows.update(error_count=0, failing_since=None, error="")


@db_transactions.retried()
def schedule_retry(contract: Contract, order: PaymentOrder, when: datetime) -> None:
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
def suspend(contract: Contract, order: PaymentOrder | None, note: str) -> None:
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
def end_contract(contract: Contract) -> None:
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
