"""Saved cards as part of an order: requested, consented to, created by its charge."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone

from nexi_payments import enums, money, shop_time
from nexi_payments.enums import Channel, ContractKind
from nexi_payments.flows.orders import order_ids
from nexi_payments.gateway.payloads import ContractCreation
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.models.text_storage import reject_text, storable_line

#: Days. Nexi's contractFrequency has at most four digits.
_LONGEST_INTERVAL: Final = 9999


@dataclass(frozen=True)
class ContractTerms:
    """What a shopper consents to with a first payment; ``create_order(contract=…)``.

    ``description`` is shown to the shopper; at most 255 characters are kept. With
    ``interval_days`` (1–9999) the contract is scheduled, without it unscheduled. With
    ``amount`` (major units, the order's currency), too, ``flows.charge_due`` charges
    the card; otherwise the shop calls ``flows.charge_contract``. ``until`` is the last
    day. ``customer_id`` (at most 27 characters) is the shop's number of the customer,
    by which Nexi lists their contracts. By default it is made from the user's key.
    """

    description: str = ""
    interval_days: int | None = None
    amount: Decimal | None = None
    until: date | None = None
    customer_id: str = ""


def attach_contract(order: PaymentOrder, terms: ContractTerms) -> None:
    """Attaches an unsaved contract to an unsaved order.

    Raises ``ValueError``, ``InvalidAmount`` and ``CardDataNotAllowed``.
    """
    if (
        terms.interval_days is not None
        and not 1 <= terms.interval_days <= _LONGEST_INTERVAL
    ):
        raise ValueError(f"interval_days must be between 1 and {_LONGEST_INTERVAL}")
    if terms.amount is not None and terms.interval_days is None:
        raise ValueError("a contract with an amount needs 'interval_days'")
    if terms.until is not None and terms.until < shop_time.today():
        raise ValueError("the last day of the contract is in the past")
    customer_id = terms.customer_id or _customer_id(order.user_id)
    if len(customer_id) > 27:
        raise ValueError("customer_id has more than 27 characters")
    description = storable_line("the contract's description", terms.description)
    reject_text("customer_id", customer_id)
    amount = terms.amount
    order.contract = Contract(
        customer_id=customer_id,
        user=order.user,
        terminal=order.terminal,
        kind=ContractKind.UNSCHEDULED
        if terms.interval_days is None
        else ContractKind.SCHEDULED,
        description=description[:255],
        frequency=terms.interval_days,
        until=terms.until,
        amount=None if amount is None else money.to_minor(amount, order.currency),
        currency=order.currency,
    )


def _customer_id(user_key: Any) -> str:
    """The customer number of a user at Nexi, made from the user's key; "" without one.

    Nexi takes 27 characters. A key that is no small integer (UUID, e-mail address) is
    hashed to letters: a run of digits could look like a card number.
    """
    if user_key is None:
        return ""
    if isinstance(user_key, int) and 0 <= user_key < 10**_PLAIN_DIGITS:
        return f"U{user_key}"
    digest = hashlib.sha256(f"user:{user_key}".encode()).hexdigest()[:26]
    return "U" + digest.translate(_AS_LETTERS)


_PLAIN_DIGITS: Final = 11
_AS_LETTERS: Final = str.maketrans("0123456789abcdef", "ABCDEFGHIJKLMNOP")

_TERM_FIELDS: Final = (
    *("customer_id", "user", "terminal", "kind", "description", "frequency", "until"),
    *("amount", "currency"),
)


def copy_terms(order: PaymentOrder) -> Contract | None:
    """An unsaved contract with the same terms, for another attempt; ``None`` without.

    It gets an id of its own and needs a new consent: how Nexi treats the id of a failed
    payment is not documented.
    """
    old = order.contract
    if old is None or order.channel == Channel.MIT:
        return None
    return Contract(**{name: getattr(old, name) for name in _TERM_FIELDS})


def assign_id(order: PaymentOrder) -> Contract | None:
    """Gives the order's unsaved contract its id. Returns it; ``None`` without one."""
    contract = order.contract
    if contract is None or not contract._state.adding:
        return None
    contract.contract_id = order_ids.random_id()
    contract.created_at = timezone.now()
    return contract


def have_same_terms(one: PaymentOrder, other: PaymentOrder) -> bool:
    """Whether two orders have contracts with the same terms, or none."""
    first, second = one.contract, other.contract
    if first is None or second is None:
        return first is second
    return all(getattr(first, name) == getattr(second, name) for name in _TERM_FIELDS)


def contract_to_create(order: PaymentOrder) -> Contract | None:
    """The contract that this payment will create; ``None`` without one."""
    creates = order.contract is not None and order.channel in enums.CONTRACT_CHANNELS
    return order.contract if creates else None


def gateway_agreement(order: PaymentOrder) -> ContractCreation | None:
    """The same, as the gateway takes it."""
    contract = contract_to_create(order)
    if contract is None:
        return None
    return ContractCreation(contract.contract_id, contract.frequency, contract.until)


def record_consent(contract: Contract | None, text: str, address: str | None) -> None:
    """Stores the consent text, its time and IP address. Inside the payment's claim."""
    if contract is None:
        return
    Contract.objects.filter(pk=contract.pk).update(
        consented_at=timezone.now(), consent_text=text[:500], consent_address=address
    )
