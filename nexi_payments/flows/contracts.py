"""Saved cards: list, end, resume."""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime
from typing import Any

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.enums import (
    ContractState,
    EventKind,
)
from nexi_payments.exceptions import (
    ContractEndUnconfirmed,
    ContractNotUsable,
    GatewayError,
    Rejected,
    TerminalNotConfigured,
)
from nexi_payments.flows.ledger import terminal_outages, transitions
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.responses import ContractResult
from nexi_payments.models import Contract, PaymentOrder, db_transactions
from nexi_payments.models.text_storage import reject_text

log = logging.getLogger("nexi_payments.contracts")


def end_contract(contract: Contract, *, actor: Actor = NO_ACTOR) -> Contract:
    """Ends a contract, then deactivates it at Nexi. Idempotent.

    No charge is made from then on, whatever Nexi answers. Before its first payment is
    charged this works, too: the contract does not become active then. Raises
    ``ContractEndUnconfirmed`` when Nexi did not confirm; ``nexi_charge_due`` sends it
    again.
    """
    db_transactions.require_no_transaction()
    _begin_end(contract, actor)
    contract.refresh_from_db()
    if contract.state == ContractState.ENDING:
        with contextlib.suppress(TerminalNotConfigured):
            deactivate_at_nexi(contract, actor)
        contract.refresh_from_db()
        if contract.state == ContractState.ENDING:
            raise ContractEndUnconfirmed(contract)
    return contract


@db_transactions.retried()
def _begin_end(contract: Contract, actor: Actor) -> None:
    current = (ContractState.REQUESTED, ContractState.ACTIVE, ContractState.SUSPENDED)
    rows = Contract.objects.filter(pk=contract.pk, state__in=current)
    if rows.update(state=ContractState.ENDING, next_charge_at=timezone.now()):
        write_event(contract, EventKind.CONTRACT_ENDING, actor=actor)


def deactivate_at_nexi(contract: Contract, actor: Actor = NO_ACTOR) -> None:
    """Deactivates the contract at Nexi. One that Nexi does not know is ended, too.

    Moves no money, so it may be repeated. A gateway error leaves the contract ending; a
    rejected API key is an outage (``terminal_outages.check_key``). Raises
    ``TerminalNotConfigured``.
    """
    client = conf.client(conf.current().terminal(contract.terminal))
    deadline = Deadline(conf.current().total_timeout)
    try:
        client.deactivate(contract.contract_id, conf.call_context(deadline))
    except GatewayError as error:
        if not _is_unknown_contract(error):
            log.warning(
                "contract %s is not deactivated at Nexi: %s %s",
                contract.contract_id,
                type(error).__name__,
                error,
            )
            terminal_outages.check_key_after(error, contract.terminal, client, deadline)
            return
    _record_end(contract, actor)


def _is_unknown_contract(error: GatewayError) -> bool:
    """Whether Nexi says that it does not know the contract."""
    if not isinstance(error, Rejected):
        return False
    named = result_codes.NO_SUCH_CONTRACT in error.codes
    return error.status == 404 or (error.status == 400 and named)


@db_transactions.retried()
def _record_end(contract: Contract, actor: Actor) -> None:
    now = timezone.now()
    rows = Contract.objects.filter(pk=contract.pk, state=ContractState.ENDING)
    if rows.update(state=ContractState.ENDED, ended_at=now, next_charge_at=None):
        write_event(contract, EventKind.CONTRACT_ENDED, actor=actor)


def resume_contract(
    contract: Contract, *, when: Any = None, actor: Actor = NO_ACTOR
) -> Contract:
    """Resumes a suspended contract: the failed charge is tried once more.

    Now, or at ``when`` (an aware datetime). Raises ``ContractNotUsable`` for a contract
    that is not suspended.
    """
    now = timezone.now()
    resumed = _record_resumption(contract, when or now, now, actor)
    contract.refresh_from_db()
    if not resumed:
        raise ContractNotUsable(contract)
    return contract


@db_transactions.retried()
def _record_resumption(
    contract: Contract, due: datetime, now: datetime, actor: Actor
) -> bool:
    rows = Contract.objects.filter(pk=contract.pk, state=ContractState.SUSPENDED)
    resumed = rows.update(
        state=ContractState.ACTIVE,
        next_charge_at=None if contract.amount is None else due,
        resumed_at=now,
    )
    if resumed:
        write_event(contract, EventKind.CONTRACT_RESUMED, actor=actor)
    return bool(resumed)


def contracts_at_nexi(
    customer_id: str, terminal: str = "default"
) -> tuple[ContractResult, ...]:
    """The active contracts that Nexi lists for a customer.

    Raises ``GatewayError``, ``CardDataNotAllowed``, and ``RuntimeError`` inside a
    transaction.
    """
    reject_text("customer_id", customer_id)
    db_transactions.require_no_transaction()
    client = conf.client(conf.current().terminal(terminal))
    try:
        return client.contracts(customer_id, conf.call_context())
    except Rejected as error:
        if error.status != 404:
            raise
    return ()


def write_event(
    contract: Contract,
    kind: str,
    *,
    order: PaymentOrder | None = None,
    actor: Actor = NO_ACTOR,
    note: str = "",
) -> None:
    """Writes an event of the contract to the history of ``order``, by default its first
    payment. Call it inside the transaction that changes the contract.
    """
    about = order or contract.first_payment
    if about is not None:
        transitions.write_event(about, kind, source=about.state, actor=actor, note=note)
