"""Cards on file as part of an order: asked for, agreed to, made when it is charged."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone

from nexi_payments import conf, money, states
from nexi_payments.card import made_text_holds_card_number
from nexi_payments.exceptions import CardDataNotAllowed
from nexi_payments.gateway.payloads import Agreement
from nexi_payments.models import Contract, PaymentOrder

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#: Nexi's longest contractFrequency has four digits.
_MOST_DAYS: Final = 9999

#: ``Event.kind`` of a card that is on file from now on.
ACTIVATED: Final = "contract_active"


@dataclass(frozen=True)
class CardOnFile:
    """What a shopper agrees to with a first payment; ``create_order(contract=…)``.

    ``description`` is shown to the shopper, at most 255 characters. With ``every``
    (days, 1–9999) the card is charged at regular times, by ``flows.charge_due`` where
    ``amount`` (major units, the order's currency) is given too; without, when the shop
    calls ``flows.charge_contract``. ``until`` is the last day. ``customer_id`` (at most
    27 characters) is the shop's own number of the customer, by which Nexi lists their
    contracts; by default the user's.
    """

    description: str = ""
    every: int | None = None
    amount: Decimal | None = None
    until: date | None = None
    customer_id: str = ""


def ask_for(order: PaymentOrder, terms: CardOnFile) -> None:
    """Puts a contract, not on disk yet, on an order that is not either. Raises
    ``ValueError``, ``InvalidAmount`` and ``CardDataNotAllowed``."""
    if terms.every is not None and not 1 <= terms.every <= _MOST_DAYS:
        raise ValueError(f"a contract is charged every 1 to {_MOST_DAYS} days")
    if terms.amount is not None and terms.every is None:
        raise ValueError("an amount that is due by itself needs 'every'")
    if terms.until is not None and terms.until < timezone.localdate():
        raise ValueError("the last day of the contract is over")
    customer_id = terms.customer_id or (f"U{order.user_id}" if order.user_id else "")
    if len(customer_id) > 27:
        raise ValueError("customer_id has more than 27 characters")
    for text in (terms.description, customer_id):
        if made_text_holds_card_number(text):
            raise CardDataNotAllowed("the contract holds what could be a card number")
    amount = terms.amount
    order.contract = Contract(
        customer_id=customer_id,
        user=order.user,
        terminal=order.terminal,
        kind=states.UNSCHEDULED if terms.every is None else states.SCHEDULED,
        description=terms.description[:255],
        frequency=terms.every,
        until=terms.until,
        amount=None if amount is None else money.to_minor(amount, order.currency),
        currency=order.currency,
    )


_TERMS: Final = (
    *("customer_id", "user", "terminal", "kind", "description", "frequency", "until"),
    *("amount", "currency"),
)


def renew(order: PaymentOrder) -> Contract | None:
    """The same terms for another attempt: an id of its own, and to be agreed to anew,
    as nobody knows what Nexi makes of an id that was in a payment that failed."""
    old = order.contract
    if old is None or order.channel == states.CHANNEL_MIT:
        return None
    return Contract(**{name: getattr(old, name) for name in _TERMS})


def mint(order: PaymentOrder) -> Contract | None:
    """The contract to be written with ``order``, with its id; ``None`` without one."""
    contract = order.contract
    if contract is None or not contract._state.adding:
        return None
    contract.contract_id = conf.current().order_prefix + "".join(
        secrets.choice(_ALPHABET) for _ in range(15)
    )
    contract.created_at = timezone.now()
    return contract


def alike(one: PaymentOrder, other: PaymentOrder) -> bool:
    """Whether the same is asked of the shopper beside the payment."""
    first, second = one.contract, other.contract
    if first is None or second is None:
        return first is second
    return all(getattr(first, name) == getattr(second, name) for name in _TERMS)


def wanted(order: PaymentOrder) -> Contract | None:
    """The contract that this payment will make."""
    makes = order.contract is not None and order.channel in states.KEEPING
    return order.contract if makes else None


def as_told(order: PaymentOrder) -> Agreement | None:
    """The same for the gateway."""
    contract = wanted(order)
    if contract is None:
        return None
    return Agreement(contract.contract_id, contract.frequency, contract.until)


def agree(contract: Contract | None, text: str, address: str | None) -> None:
    """Keeps what the shopper has ticked, if anything. Inside the payment's claim."""
    if contract is None:
        return
    Contract.objects.filter(pk=contract.pk).update(
        agreed_at=timezone.now(), agreed_text=text[:500], agreed_address=address
    )


def follow(order: PaymentOrder, target: str) -> str:
    """What the new state of its first payment means to a contract; the kind of event to
    write, or "". Inside the transaction that changes the state."""
    number = order.contract_id
    if order.channel == states.CHANNEL_MIT or number is None:
        return ""
    rows = Contract.objects.filter(pk=number)
    if target in states.SUCCESSFUL and order.channel in states.KEEPING:
        made = rows.filter(state__in=(states.REQUESTED, states.NOT_MADE))
        if made.update(**_made(order, number)):
            return ACTIVATED
        # ended before Nexi had made it: it has by now, and is told (once more)
        ended = rows.filter(state=states.ENDED, planned_from=None)
        ended.update(state=states.ENDING, due_at=timezone.now())
        return ""
    begun = rows.filter(state=states.REQUESTED)
    if target in states.GIVEN_BACK and order.channel in states.KEEPING:
        # charged unseen and given back: Nexi has it, and is told that nobody wants it
        begun.update(state=states.ENDING, due_at=timezone.now())
    elif target in (states.FAILED, *states.SUCCESSFUL, *states.GIVEN_BACK):
        begun.update(state=states.NOT_MADE)
    return ""


def _made(order: PaymentOrder, number: int) -> dict[str, Any]:
    now = timezone.now()
    contract = Contract.objects.get(pk=number)
    contract.planned_from = now
    return {
        "state": states.ACTIVE,
        "card_brand": order.card_brand,
        "card_last4": order.card_last4,
        "card_expiry": order.card_expiry,
        "planned_from": now,
        "due_at": None if contract.amount is None else contract.planned(1),
    }
