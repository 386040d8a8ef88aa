"""Effects of a first payment's new state on its contract."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone

from nexi_payments import enums
from nexi_payments.enums import Channel, ContractState, EventKind, OrderState
from nexi_payments.models import Contract, PaymentOrder

#: "/" and the number of a period follow; a reference has at most 100 characters.
_LONGEST_PLAN_REFERENCE: Final = 89


def apply_transition(order: PaymentOrder, target: str) -> str:
    """Updates the contract after a state change of its first payment.

    Returns the kind of event to write, or "". Call it inside the transaction that
    changes the state.
    """
    contract_id = order.contract_id
    if order.channel == Channel.MIT or contract_id is None:
        return ""
    rows = Contract.objects.filter(pk=contract_id)
    if target in enums.SUCCESSFUL and order.channel in enums.CONTRACT_CHANNELS:
        new = rows.filter(state__in=(ContractState.REQUESTED, ContractState.NOT_MADE))
        if new.update(**_activation_columns(order, contract_id)):
            return EventKind.CONTRACT_ACTIVATED
        # ended before Nexi created it: Nexi has it now, so deactivate it (again)
        ended = rows.filter(state=ContractState.ENDED, billing_anchor=None)
        return _begin_end(ended)
    requested = rows.filter(state=ContractState.REQUESTED)
    if target in enums.RETURNED and order.channel in enums.CONTRACT_CHANNELS:
        # charged unnoticed, then refunded: Nexi has the contract, so deactivate it
        return _begin_end(requested)
    if target in (OrderState.FAILED, *enums.SUCCESSFUL, *enums.RETURNED):
        requested.update(state=ContractState.NOT_MADE)
    return ""


def _plan_reference(order: PaymentOrder, contract: Contract) -> str:
    """The reference of the first payment, if it leaves room for a number and no other
    contract has it; else the contract's id.
    """
    reference = order.reference or ""
    if not reference or len(reference) > _LONGEST_PLAN_REFERENCE:
        return contract.contract_id
    others = Contract.objects.filter(reference=reference).exclude(pk=contract.pk)
    return contract.contract_id if others.exists() else reference


def _begin_end(rows: QuerySet[Contract]) -> str:
    begun = rows.update(state=ContractState.ENDING, next_charge_at=timezone.now())
    return EventKind.CONTRACT_ENDING if begun else ""


def _activation_columns(order: PaymentOrder, contract_id: int) -> dict[str, Any]:
    now = timezone.now()
    contract = Contract.objects.get(pk=contract_id)
    contract.billing_anchor = now
    return {
        "state": ContractState.ACTIVE,
        "reference": _plan_reference(order, contract),
        "card_brand": order.card_brand,
        "card_last4": order.card_last4,
        "card_expiry": order.card_expiry,
        "billing_anchor": now,
        "next_charge_at": None if contract.amount is None else contract.scheduled_at(1),
    }
