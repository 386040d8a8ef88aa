"""Making an order: pure database work, which may join the shop's own transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, models
from django.utils import timezone

from nexi_payments import conf, hold, money, states
from nexi_payments.card import holds_card_number, made_text_holds_card_number
from nexi_payments.conf.reading import did_you_mean
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    InvalidAmount,
    InvalidCustomer,
    ReferenceInUse,
)
from nexi_payments.flows import moves
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.models import PaymentOrder, database
from nexi_payments.states import Reason

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_CUSTOMER: Final = ("name", "email")


def create_order(
    *,
    amount: Decimal,
    currency: str,
    reference: str | None = None,
    description: str = "",
    customer: Mapping[str, str] | None = None,
    user: Any = None,
    terminal: str = "default",
    success_url: str | None = None,
    failure_url: str | None = None,
    expires_in: float | None = None,
    content_object: models.Model | None = None,
) -> PaymentOrder:
    """One attempt to be paid ``amount`` (major units, no float) in ``currency``.

    ``reference`` is the shop's own order number; while a payment for it is live, asking
    again with the same amount, currency and terminal gives that payment back. With
    others, the old attempt is superseded if its card has not been used yet, else
    ``ReferenceInUse`` (``error.order`` is the live one) is raised.

    ``customer`` may have ``name`` and ``email``; ``expires_in`` is in seconds
    (``EXPIRE_AFTER`` by default). ``success_url`` and ``failure_url`` must come from
    server code, never from a request. Raises ``InvalidAmount``, ``InvalidCustomer`` and
    ``CardDataNotAllowed`` before anything is written.
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
    if content_object is not None:
        order.content_object = content_object
    seconds = conf.current().expire_after if expires_in is None else expires_in
    return insert_or_join(order, timezone.now() + timedelta(seconds=seconds))


def build(
    *,
    amount: Decimal,
    currency: str,
    reference: str | None,
    description: str,
    customer: Mapping[str, str] | None,
    terminal: str,
) -> PaymentOrder:
    """A row that is not on disk yet; arguments and errors as ``create_order``."""
    line = conf.current().terminal(terminal)
    minor = money.to_minor(amount, currency)
    refuse_too_much(line, minor, currency)
    person = _customer(customer)
    reference = (reference or "").strip() or None
    for name, text in (("reference", reference), ("description", description)):
        if made_text_holds_card_number(text or ""):
            raise CardDataNotAllowed(f"{name} holds what could be a card number")
    if len(reference or "") > 100:
        raise ValueError("reference has more than 100 characters")
    return PaymentOrder(
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


def insert_or_join(order: PaymentOrder, expires_at: datetime) -> PaymentOrder:
    """Inserts, or gives back the live order of the same purchase; ``create_order``."""
    for _ in range(3):  # the live order may end between our insert and our look
        if insert(order, expires_at):
            return order
        live = PaymentOrder.objects.filter(live_reference=order.live_key).first()
        if live is None:
            continue
        if same_purchase(live, order):
            return live
        if not supersede(live):
            raise ReferenceInUse(live)
    raise ReferenceInUse(_holder(order))


def _holder(order: PaymentOrder) -> PaymentOrder:
    """Who holds the reference. Raises ``DoesNotExist`` when the insert failed for
    another reason, which no shop can mend by waiting."""
    return PaymentOrder.objects.get(live_reference=order.live_key)


def same_purchase(one: PaymentOrder, other: PaymentOrder) -> bool:
    facts = ("amount", "currency", "terminal")
    return all(getattr(one, fact) == getattr(other, fact) for fact in facts)


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
    try:
        database.committed(lambda: order.save(force_insert=True), order, durable=False)
    except IntegrityError:
        order.pk = None
        order._state.adding = True
        return False
    return True


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
)


def refuse_too_much(line: conf.Terminal, minor: int, currency: str) -> None:
    """Raises ``InvalidAmount`` for what the terminal does not take (minor units)."""
    if line.currencies and currency not in line.currencies:
        raise InvalidAmount(f"terminal {line.name!r} does not take {currency}")
    most = line.max_amount
    if most is not None and money.to_major(minor, currency) > most:
        raise InvalidAmount(f"terminal {line.name!r} takes at most {most} {currency}")


def _customer(customer: Mapping[str, str] | None) -> dict[str, str]:
    found = {}
    for name, value in (customer or {}).items():
        if name not in _CUSTOMER:
            hint = did_you_mean(name, _CUSTOMER)
            raise InvalidCustomer(f"customer has an unknown member {name!r}{hint}")
        found[name] = str(value or "").strip()
        if holds_card_number(found[name]):
            raise CardDataNotAllowed(
                f"customer {name} holds what could be a card number"
            )
    if len(found.get("name", "")) > 255:
        raise InvalidCustomer("customer name has more than 255 characters")
    if email := found.get("email"):
        try:
            validate_email(email)
        except ValidationError:
            email = ""
        if not email or len(email) > 254:
            raise InvalidCustomer("customer email is not an e-mail address")
    return found


def _own_address(url: str | None) -> str:
    """http(s) or a path on this site: a ``javascript:`` address is a mistake."""
    address = url or ""
    if not address.startswith(("/", "https://", "http://")) and address:
        raise ValueError("success_url and failure_url must be paths or web addresses")
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
    )
