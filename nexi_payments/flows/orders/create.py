"""Creates orders. Database work only, which may join the shop's own transaction."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import IntegrityError, models
from django.utils import timezone

from nexi_payments import conf, money, sealed_cards
from nexi_payments.customers import Customer
from nexi_payments.enums import Channel, OrderState, Reason
from nexi_payments.exceptions import CardDataNotAllowed, InvalidAmount, ReferenceInUse
from nexi_payments.flows.ledger import transitions
from nexi_payments.flows.orders import (
    contract_terms,
    customer_data,
    exemptions,
    order_ids,
)
from nexi_payments.flows.orders.contract_terms import ContractTerms
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.models import Contract, PaymentOrder, db_transactions, raw_sql
from nexi_payments.models.created_order import CreatedOrder, with_absolute_url
from nexi_payments.pan_scanner import reject_card_number, url_contains_card_number


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
    contract: ContractTerms | None = None,
    exemption: str | None = None,
) -> CreatedOrder:
    """Creates one attempt to charge ``amount`` (major units, no float) in ``currency``.

    A ``moneyed.Money`` is amount and currency. ``reference`` is the shop's own order
    number. While a payment for it is live, the same amount, currency and terminal
    return that payment. With other values the old attempt is superseded if its card was
    not used yet; otherwise ``ReferenceInUse`` is raised (``error.order`` is the live
    payment).

    ``customer`` may have ``name``, ``email`` and further data for 3-D Secure
    (``customers.Customer``). Of the further data, values that Nexi would reject are
    omitted without an error. ``expires_in`` is in seconds (default ``EXPIRE_AFTER``).
    ``success_url`` and ``failure_url`` must come from server code, never from a
    request. ``contract`` (``flows.ContractTerms``) saves the card, if the shopper
    consents on the card page. ``exemption`` is the 3-D Secure preference
    (``CHALLENGE_REQUESTED``, ``NO_PREFERENCE``); the default is that of
    ``EXEMPTION_RULE`` or the terminal.

    Raises ``InvalidAmount``, ``InvalidCustomer``, ``CardDataNotAllowed`` and
    ``ValueError`` before anything is written. Only the returned instance has
    ``get_absolute_url``: ``redirect(payment)`` sends the shopper to the card page.
    """
    order, _ = get_or_create_order(
        amount=amount,
        currency=currency,
        reference=reference,
        description=description,
        customer=customer,
        user=user,
        terminal=terminal,
        success_url=success_url,
        failure_url=failure_url,
        expires_in=expires_in,
        content_object=content_object,
        contract=contract,
        exemption=exemption,
    )
    return order


def get_or_create_order(
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
    contract: ContractTerms | None = None,
    exemption: str | None = None,
) -> tuple[CreatedOrder, bool]:
    """As ``create_order``; also returns whether the order was created now."""
    order = build(
        amount=amount,
        currency=currency,
        reference=reference,
        description=description,
        customer=customer,
        terminal=terminal,
    )
    order.user = user if getattr(user, "is_authenticated", False) else None
    order.success_url = _validated_url(success_url)
    order.failure_url = _validated_url(failure_url)
    for name, row in (("user", order.user), ("content_object", content_object)):
        # a UUID key exists before the row does
        if row is not None and (row.pk is None or row._state.adding):
            raise ValueError(f"{name} is not saved yet")
    if content_object is not None:
        order.content_object = content_object
        if len(str(content_object.pk)) > 255:
            raise ValueError("the key of content_object has more than 255 characters")
    if contract is not None:
        contract_terms.attach_contract(order, contract)
    order.exemption = exemptions.choose(order, exemption)
    seconds = conf.current().expire_after if expires_in is None else expires_in
    expires_at = timezone.now() + timedelta(seconds=seconds)
    order, created = insert_or_join(order, expires_at)
    return with_absolute_url(order), created


def build(
    *,
    amount: Decimal | money.Money,
    currency: str | None,
    reference: str | None,
    description: str,
    customer: Customer | Mapping[str, Any] | None,
    terminal: str,
) -> PaymentOrder:
    """Builds an unsaved order; arguments and errors as ``create_order``."""
    terminal_config = conf.current().terminal(terminal)
    major, currency = money.amount_and_currency(amount, currency)
    minor = money.to_minor(major, currency)
    validate_amount(terminal_config, minor, currency)
    contact = customer_data.validated_contact(customer)
    reference = (reference or "").strip() or None
    reject_card_number("reference", reference or "")
    reject_card_number("description", description)
    if len(reference or "") > 100:
        raise ValueError("reference has more than 100 characters")
    order = PaymentOrder(
        terminal=terminal_config.name,
        flow=terminal_config.flow,
        capture=terminal_config.capture,
        amount=minor,
        currency=currency,
        reference=reference,
        description=description[:255],
        customer_name=contact.get("name", ""),
        customer_email=contact.get("email", ""),
    )
    customer_data.attach_customer_info(order, customer)
    return order


def insert_or_join(
    order: PaymentOrder, expires_at: datetime
) -> tuple[PaymentOrder, bool]:
    """Inserts the order, or finds the live order of the same purchase.

    Returns it, and whether it was inserted. Raises ``ReferenceInUse``; see
    ``create_order``.
    """
    for _ in range(3):  # the live order may end between our insert and our SELECT
        if insert(order, expires_at):
            return order, True
        live = PaymentOrder.objects.filter(live_reference=order.live_key).first()
        live = live or find_by_nonce(order)
        if live is None:
            continue
        if same_purchase(live, order):
            return live, False
        if not supersede(live):
            raise ReferenceInUse(live)
    raise ReferenceInUse(_reference_holder(order))


def find_by_nonce(order: PaymentOrder) -> PaymentOrder | None:
    """The order that the same nonce created before, in any state, or ``None``."""
    if not order.request_nonce:
        return None
    return PaymentOrder.objects.filter(request_nonce=order.request_nonce).first()


def _reference_holder(order: PaymentOrder) -> PaymentOrder:
    """The order that holds the reference.

    Raises ``DoesNotExist`` when the insert failed for another reason, which waiting
    does not solve.
    """
    return PaymentOrder.objects.get(live_reference=order.live_key)


def same_purchase(one: PaymentOrder, other: PaymentOrder) -> bool:
    """Whether amount, currency, terminal and contract terms of two orders are equal."""
    names = ("amount", "currency", "terminal")
    same = all(getattr(one, name) == getattr(other, name) for name in names)
    return same and contract_terms.have_same_terms(one, other)


def insert(order: PaymentOrder, expires_at: datetime) -> bool:
    """Assigns ids and inserts. False when another live order holds the reference.

    Uses a savepoint inside a transaction of the shop, so that it stays usable.
    """
    order.public_id = new_public_id()
    order.order_id = _new_order_id(order)
    order.live_reference = order.live_key
    order.created_at = timezone.now()
    order.expires_at = order.next_poll_at = expires_at
    contract = contract_terms.assign_id(order)
    try:
        _save(order, contract)
    except IntegrityError:
        return False
    return True


def _new_order_id(order: PaymentOrder) -> str:
    """A random id; that of a contract's charge is derived (``order_ids``)."""
    if order.channel != Channel.MIT or order.contract is None:
        return order_ids.random_id()
    contract_id, reference = order.contract.contract_id, order.reference or ""
    rows = PaymentOrder.objects.filter(channel=Channel.MIT, reference=reference)
    taken = set(rows.values_list("order_id", flat=True))
    attempts = (
        order_ids.of_contract_charge(contract_id, reference, number)
        for number in itertools.count()
    )
    return next(one for one in attempts if one not in taken)


@db_transactions.retried(durable=False)
def _save(order: PaymentOrder, contract: Contract | None) -> None:
    if contract is not None:
        contract.save(force_insert=True)
        order.contract = contract
    raw_sql.insert(order)
    customer_data.save_customer_info(order)


def new_public_id() -> str:
    """128 random bits for the URLs of the payment's pages."""
    return secrets.token_hex(16)


@db_transactions.retried(durable=False)
def supersede(order: PaymentOrder) -> bool:
    """Fails an attempt whose card was not used yet; False when it is too late."""
    ended = transitions.transition(
        order,
        OrderState.FAILED,
        sources=(OrderState.INIT, OrderState.AWAITING_3DS),
        conditions={"claimed_at": None},
        reason=Reason.SUPERSEDED,
    )
    if ended:
        sealed_cards.shred(order)
    return ended


def create_attempt(order: PaymentOrder) -> tuple[PaymentOrder, bool]:
    """Creates a new attempt for a card posted to a failed or abandoned order.

    Same purchase, new ids. If a third order holds the reference, it is returned when no
    card was posted to it and superseded when it is at the issuer. If it is being paid,
    ``ReferenceInUse`` is raised. Also returns whether the attempt was created now.
    """
    attempt = PaymentOrder(
        retry_of=order.retry_of or order,
        contract=contract_terms.copy_terms(order),
        **{name: getattr(order, name) for name in _COPIED_FIELDS},
    )
    for _ in range(3):
        if _insert_attempt(attempt, order):
            return attempt, True
        live = PaymentOrder.objects.filter(live_reference=attempt.live_key).first()
        if live is None:
            continue
        if live.state == OrderState.INIT and same_purchase(live, order):
            return live, False
        if not same_purchase(live, order) or not supersede(live):
            raise ReferenceInUse(live)
    raise ReferenceInUse(_reference_holder(attempt))


@db_transactions.retried(durable=False)
def _insert_attempt(attempt: PaymentOrder, order: PaymentOrder) -> bool:
    """Inserts an attempt, after superseding ``order`` if that is at the issuer."""
    if order.state == OrderState.AWAITING_3DS and not supersede(order):
        raise ReferenceInUse(PaymentOrder.objects.get(pk=order.pk))
    lifetime = timedelta(seconds=conf.current().expire_after)
    return insert(attempt, timezone.now() + lifetime)


_COPIED_FIELDS: Final = (
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


def validate_amount(terminal: conf.Terminal, amount: int, currency: str) -> None:
    """Raises ``InvalidAmount`` for what the terminal does not accept (minor units)."""
    if terminal.currencies and currency not in terminal.currencies:
        raise InvalidAmount(f"terminal {terminal.name!r} does not accept {currency}")
    most = terminal.max_amount
    if most is not None and money.to_major(amount, currency) > most:
        raise InvalidAmount(
            f"terminal {terminal.name!r} accepts at most {most} {currency}"
        )


def _validated_url(url: str | None) -> str:
    """Accepts http(s) URLs and paths of this site, not ``javascript:`` and the like."""
    address = url or ""
    if not address.startswith(("/", "https://", "http://")) and address:
        raise ValueError("success_url and failure_url must be paths or web addresses")
    urlsplit(address)  # raises ValueError now rather than after the charge
    if len(address) > 500:
        raise ValueError("success_url or failure_url has more than 500 characters")
    if url_contains_card_number(address):
        raise CardDataNotAllowed(
            "success_url or failure_url seems to contain a card number"
        )
    return address


def build_purchase(order: PaymentOrder, cardholder: str) -> Purchase:
    """The order as the gateway takes it, the same in every call."""
    return Purchase(
        order_id=order.order_id,
        amount=order.amount,
        currency=order.currency,
        description=order.description,
        cardholder=cardholder or order.customer_name,
        email=order.customer_email,
        customer_id=order.contract.customer_id if order.contract else "",
        contract=contract_terms.gateway_agreement(order),
        exemptions=order.exemption,
        customer_info=customer_data.get_customer_info(order),
        reference=order.reference or "",
    )
