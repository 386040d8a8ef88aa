"""Making an order: pure database work, which may join the shop's own transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import IntegrityError, models
from django.utils import timezone

from nexi_payments import conf, hold, money, states
from nexi_payments.card import made_text_holds_card_number
from nexi_payments.customers import Customer
from nexi_payments.exceptions import CardDataNotAllowed, InvalidAmount, ReferenceInUse
from nexi_payments.flows import agreements, challenges, moves, people
from nexi_payments.flows.agreements import CardOnFile
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.models import Contract, PaymentOrder, database, statements
from nexi_payments.states import Reason

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def create_order(
    *,
    amount: Decimal | money.Money,
    currency: str | None = None,
    reference: str | None = None,
    description: str = "",
    customer: Customer | Mapping[str, Any] | None = None,
    user: Any = None,
    terminal: str = "default",
    success_url: str | None = None,
    failure_url: str | None = None,
    expires_in: float | None = None,
    content_object: models.Model | None = None,
    contract: CardOnFile | None = None,
    exemption: str | None = None,
) -> PaymentOrder:
    """One attempt to be paid ``amount`` (major units, no float) in ``currency``; a
    ``moneyed.Money`` is both.

    ``reference`` is the shop's own order number; while a payment for it is live, asking
    again with the same amount, currency and terminal gives that payment back. With
    others, the old attempt is superseded if its card has not been used yet, else
    ``ReferenceInUse`` (``error.order`` is the live one) is raised.

    ``customer`` may have ``name`` and ``email``, and what 3-D Secure may be told beside
    (``customers.Customer``); of that, what Nexi would not take is left out, never an
    error. ``expires_in`` is in seconds (``EXPIRE_AFTER`` by default). ``success_url``
    and ``failure_url`` must come from server code, never from a request. ``contract``
    (``flows.CardOnFile``) keeps the card on file, if its owner agrees on the card page;
    ``exemption`` is what 3-D Secure is asked for (``CHALLENGE_REQUESTED``,
    ``NO_PREFERENCE``), by default as ``EXEMPTION_RULE`` or the terminal says. Raises
    ``InvalidAmount``, ``InvalidCustomer`` and ``CardDataNotAllowed`` before anything is
    written.
    """
    order = build(
        amount=amount,
        currency=currency,
        reference=reference,
        description=description,
        customer=customer,
        terminal=terminal,
    )
    order.user = user if getattr(user, "is_authenticated", False) else None
    order.success_url = _own_address(success_url)
    order.failure_url = _own_address(failure_url)
    for name, row in (("user", order.user), ("content_object", content_object)):
        if row is not None and row.pk is None:  # it would be nobody's, or for nothing
            raise ValueError(f"{name} is not saved yet")
    if content_object is not None:
        order.content_object = content_object
    if contract is not None:
        agreements.ask_for(order, contract)
    order.exemption = challenges.choose(order, exemption)
    seconds = conf.current().expire_after if expires_in is None else expires_in
    return insert_or_join(order, timezone.now() + timedelta(seconds=seconds))


def build(
    *,
    amount: Decimal | money.Money,
    currency: str | None,
    reference: str | None,
    description: str,
    customer: Customer | Mapping[str, Any] | None,
    terminal: str,
) -> PaymentOrder:
    """A row that is not on disk yet; arguments and errors as ``create_order``."""
    line = conf.current().terminal(terminal)
    major, currency = money.apart(amount, currency)
    minor = money.to_minor(major, currency)
    refuse_too_much(line, minor, currency)
    person = people.contact(customer)
    reference = (reference or "").strip() or None
    for name, text in (("reference", reference), ("description", description)):
        if made_text_holds_card_number(text or ""):
            raise CardDataNotAllowed(f"{name} holds what could be a card number")
    if len(reference or "") > 100:
        raise ValueError("reference has more than 100 characters")
    order = PaymentOrder(
        terminal=line.name,
        flow=line.flow,
        capture=line.capture,
        amount=minor,
        currency=currency,
        reference=reference,
        description=description[:255],
        customer_name=person.get("name", ""),
        customer_email=person.get("email", ""),
    )
    people.attach_details(order, customer)
    return order


def insert_or_join(order: PaymentOrder, expires_at: datetime) -> PaymentOrder:
    """Inserts, or gives back the live order of the same purchase; ``create_order``."""
    for _ in range(3):  # the live order may end between our insert and our look
        if insert(order, expires_at):
            return order
        live = PaymentOrder.objects.filter(live_reference=order.live_key).first()
        live = live or twin(order)
        if live is None:
            continue
        if same_purchase(live, order):
            return live
        if not supersede(live):
            raise ReferenceInUse(live)
    raise ReferenceInUse(_holder(order))


def twin(order: PaymentOrder) -> PaymentOrder | None:
    """What the same request has made before, whatever has become of it."""
    if not order.desk_nonce:
        return None
    return PaymentOrder.objects.filter(desk_nonce=order.desk_nonce).first()


def _holder(order: PaymentOrder) -> PaymentOrder:
    """Who holds the reference. Raises ``DoesNotExist`` when the insert failed for
    another reason, which no shop can mend by waiting."""
    return PaymentOrder.objects.get(live_reference=order.live_key)


def same_purchase(one: PaymentOrder, other: PaymentOrder) -> bool:
    facts = ("amount", "currency", "terminal")
    same = all(getattr(one, fact) == getattr(other, fact) for fact in facts)
    return same and agreements.alike(one, other)


def insert(order: PaymentOrder, expires_at: datetime) -> bool:
    """Mints the ids and inserts; False when the reference is live elsewhere.

    A savepoint, so that a transaction of the shop around it survives.
    """
    prefix = conf.current().order_prefix
    order.public_id = new_public_id()
    order.order_id = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(15))
    order.live_reference = order.live_key
    order.created_at = timezone.now()
    order.expires_at = order.due_at = expires_at
    contract = agreements.mint(order)
    rows = [order] if contract is None else [order, contract]
    try:
        database.committed(lambda: _save(order, contract), *rows, durable=False)
    except IntegrityError:
        for row in rows:
            row.pk = None
            row._state.adding = True
        return False
    return True


def _save(order: PaymentOrder, contract: Contract | None) -> None:
    if contract is not None:
        contract.save(force_insert=True)
        order.contract = contract
    statements.insert(order)
    people.save_details(order)


def new_public_id() -> str:
    """128 random bits for the addresses of the pages."""
    return secrets.token_hex(16)


def supersede(order: PaymentOrder) -> bool:
    """Ends an attempt whose card was not used yet; False when it is too late."""

    def end() -> bool:
        ended = moves.move(
            order,
            states.FAILED,
            sources=(states.INIT, states.AWAITING_3DS),
            guard={"claimed_at": None},
            reason=Reason.SUPERSEDED,
        )
        if ended:
            hold.shred(order)
        return ended

    return database.committed(end, order, durable=False)


def another_attempt(order: PaymentOrder) -> PaymentOrder:
    """A fresh row for a card posted to a failed order, or to one left at the issuer.

    Same purchase, new ids. If the reference is live in a third row, that row is taken
    when it has not seen a card, superseded when it was left at the issuer, and refused
    with ``ReferenceInUse`` when it is being paid.
    """
    fresh = PaymentOrder(
        retry_of=order.retry_of or order,
        contract=agreements.renew(order),
        **{name: getattr(order, name) for name in _COPIED},
    )
    lifetime = timedelta(seconds=conf.current().expire_after)

    def renew() -> bool:
        if order.state == states.AWAITING_3DS and not supersede(order):
            raise ReferenceInUse(order)
        return insert(fresh, timezone.now() + lifetime)

    for _ in range(3):
        if database.committed(renew, order, fresh, durable=False):
            return fresh
        live = PaymentOrder.objects.filter(live_reference=fresh.live_key).first()
        if live is None:
            continue
        if live.state == states.INIT and same_purchase(live, order):
            return live
        if not same_purchase(live, order) or not supersede(live):
            raise ReferenceInUse(live)
    raise ReferenceInUse(_holder(fresh))


_COPIED: Final = (
    "channel",
    "terminal",
    "flow",
    "capture",
    "amount",
    "currency",
    "reference",
    "description",
    "customer_name",
    "customer_email",
    "user",
    "clerk",
    "pay_until",
    "content_type",
    "object_id",
    "success_url",
    "failure_url",
    "exemption",
)


def refuse_too_much(line: conf.Terminal, minor: int, currency: str) -> None:
    """Raises ``InvalidAmount`` for what the terminal does not take (minor units)."""
    if line.currencies and currency not in line.currencies:
        raise InvalidAmount(f"terminal {line.name!r} does not take {currency}")
    most = line.max_amount
    if most is not None and money.to_major(minor, currency) > most:
        raise InvalidAmount(f"terminal {line.name!r} takes at most {most} {currency}")


def _own_address(url: str | None) -> str:
    """http(s) or a path on this site: a ``javascript:`` address is a mistake."""
    address = url or ""
    if not address.startswith(("/", "https://", "http://")) and address:
        raise ValueError("success_url and failure_url must be paths or web addresses")
    urlsplit(address)  # a ValueError now is better than after the charge
    if len(address) > 500:
        raise ValueError("success_url or failure_url has more than 500 characters")
    return address


def purchase(order: PaymentOrder, cardholder: str) -> Purchase:
    """The order as the gateway is told it, the same in every call."""
    return Purchase(
        order_id=order.order_id,
        amount=order.amount,
        currency=order.currency,
        description=order.description,
        cardholder=cardholder or order.customer_name,
        email=order.customer_email,
        customer_id=order.contract.customer_id if order.contract else "",
        agreement=agreements.as_told(order),
        exemptions=order.exemption,
        details=people.details(order),
    )
