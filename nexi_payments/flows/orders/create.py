"""Creates orders. Database work only, which may join the shop's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.db import models
from django.utils import timezone

from nexi_payments import conf, money
from nexi_payments.customers import Customer
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    InvalidAmount,
    InvalidReference,
)
from nexi_payments.flows.orders import (
    attempts,
    contract_terms,
    customer_data,
    exemptions,
)
from nexi_payments.flows.orders.contract_terms import ContractTerms
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.models import PaymentOrder
from nexi_payments.models.created_order import CreatedOrder, with_absolute_url
from nexi_payments.models.text_storage import reject_text, storable_line
from nexi_payments.pan_scanner import url_contains_card_number
from nexi_payments.text_input import URL_OR_PATH, has_control_characters


def create_order(
    *,
    amount: Decimal | money.Money,
    currency: str | None = None,
    reference: object = None,
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

    A ``moneyed.Money`` is amount and currency. A free order (0) needs no payment and
    raises ``InvalidAmount``. ``description`` is cut to 255 characters.

    ``reference`` is the shop's own order number, of any type: its text counts, of at
    most 100 characters. While a payment for it is live, the same amount, currency and
    terminal return that payment. With other values the old attempt is superseded if its
    card was not used yet; otherwise ``ReferenceInUse`` is raised (``error.order`` is
    the live payment).

    ``customer`` may have ``name``, ``email`` and further data for 3-D Secure
    (``customers.Customer``). Of the further data, values that Nexi would reject are
    omitted without an error. ``expires_in`` is in seconds (default ``EXPIRE_AFTER``).
    ``success_url`` and ``failure_url`` must come from server code, never from a
    request. ``content_object`` is the row of the shop that is paid for: staff pages
    link to it, and ``PaymentOrder.objects.for_object`` finds its payments.
    ``contract`` (``flows.ContractTerms``) saves the card, if the shopper
    consents on the card page. ``exemption`` is the 3-D Secure preference
    (``CHALLENGE_REQUESTED``, ``NO_PREFERENCE``); the default is that of
    ``EXEMPTION_RULE`` or the terminal.

    Raises ``InvalidAmount``, ``InvalidReference``, ``InvalidCustomer``,
    ``CardDataNotAllowed`` and ``ValueError`` before anything is written; all are
    ``ValueError``. Only the returned instance has ``get_absolute_url``:
    ``redirect(payment)`` sends the shopper to the card page.
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
    reference: object = None,
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
    attach_owner(order, user, content_object)
    order.success_url = _validated_url(success_url)
    order.failure_url = _validated_url(failure_url)
    if contract is not None:
        contract_terms.attach_contract(order, contract)
    order.exemption = exemptions.choose(order, exemption)
    seconds = conf.current().expire_after if expires_in is None else expires_in
    expires_at = timezone.now() + timedelta(seconds=seconds)
    order, created = attempts.insert_or_join(order, expires_at)
    return with_absolute_url(order), created


def build(
    *,
    amount: Decimal | money.Money,
    currency: str | None,
    reference: object,
    description: str,
    customer: Customer | Mapping[str, Any] | None,
    terminal: str,
) -> PaymentOrder:
    """Builds an unsaved order; arguments and errors as ``create_order``."""
    terminal_config = conf.current().terminal(terminal)
    major, currency = money.amount_and_currency(amount, currency)
    if isinstance(major, int | Decimal) and not major:
        raise InvalidAmount("amount is zero: a free order needs no payment")
    minor = money.to_minor(major, currency)
    validate_amount(terminal_config, minor, currency)
    contact = customer_data.validated_contact(customer)
    number = reference_text(reference) or None
    description = storable_line("description", description)
    order = PaymentOrder(
        terminal=terminal_config.name,
        flow=terminal_config.flow,
        capture=terminal_config.capture,
        amount=minor,
        currency=currency,
        reference=number,
        description=description[:255],
        customer_name=contact.get("name", ""),
        customer_email=contact.get("email", ""),
    )
    customer_data.attach_customer_info(order, customer)
    return order


def attach_owner(
    order: PaymentOrder, user: Any, content_object: models.Model | None
) -> None:
    """Sets the user, unless anonymous, and the shop's own row of an unsaved order.

    Raises ``ValueError`` for rows that are not saved.
    """
    order.user = user if getattr(user, "is_authenticated", False) else None
    for name, row in (("user", order.user), ("content_object", content_object)):
        # a UUID key exists before the row does
        if row is not None and (row.pk is None or row._state.adding):
            raise ValueError(f"{name} is not saved yet")
    if content_object is not None:
        order.content_object = content_object
        if len(str(content_object.pk)) > 255:
            raise ValueError("the key of content_object has more than 255 characters")


def reference_text(reference: object) -> str:
    """A reference of any type (a number, a UUID) as text, without space around it; ""
    for ``None``.

    Raises ``InvalidReference`` and ``CardDataNotAllowed``.
    """
    text = "" if reference is None else str(reference).strip()
    reject_text("reference", text)
    if has_control_characters(text):
        raise InvalidReference("reference has a line break or a control character")
    if len(text) > 100:
        raise InvalidReference(
            f"reference has {len(text)} characters, more than 100: use the key of your"
            " order, and the description for the rest"
        )
    return text


def validate_amount(terminal: conf.Terminal, amount: int, currency: str) -> None:
    """Raises ``InvalidAmount`` for what the terminal does not accept (minor units)."""
    if currency not in terminal.currencies:
        raise InvalidAmount(
            f"terminal {terminal.name!r} does not accept {currency}, only"
            f" {', '.join(terminal.currencies)}: add it to the terminal's CURRENCIES"
        )
    most = terminal.max_amount
    if most is not None and money.to_major(amount, currency) > most:
        raise InvalidAmount(
            f"terminal {terminal.name!r} accepts at most {most} {currency}"
        )


def _validated_url(url: str | None) -> str:
    """Accepts http(s) URLs and paths of this site, not ``javascript:`` and the like.

    "//evil" and "/\\evil" are no paths: browsers read them as another host.
    """
    address = url or ""
    if address and not URL_OR_PATH.fullmatch(address):
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
