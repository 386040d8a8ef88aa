"""Creates orders. Database work only, which may join the shop's own transaction."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import IntegrityError, models
from django.utils import timezone

from nexi_payments import conf, money, sealed_cards
from nexi_payments.customers import Customer
from nexi_payments.enums import Channel, OrderState
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    InvalidAmount,
    InvalidReference,
    OrderNotPayable,
    ReferenceInUse,
)
from nexi_payments.flows.ledger import transitions
from nexi_payments.flows.orders import (
    contract_terms,
    customer_data,
    exemptions,
    order_ids,
    purchase,
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
    order, created = insert_or_join(order, expires_at)
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
    reject_card_number("description", description)
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
    reject_card_number("reference", text)
    if len(text) > 100:
        raise InvalidReference(
            f"reference has {len(text)} characters, more than 100: use the key of your"
            " order, and the description for the rest"
        )
    return text


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
        live = purchase.live_attempt(order) or find_by_nonce(order)
        if live is None:
            continue
        if same_purchase(live, order):
            return live, False
        if _insert_in_place_of(live, order, expires_at):
            return order, True
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
    names = ("amount", "currency")
    same = all(getattr(one, name) == getattr(other, name) for name in names)
    same = same and shop_terminal(one) == shop_terminal(other)
    return same and contract_terms.have_same_terms(one, other)


def shop_terminal(order: PaymentOrder) -> str:
    """The name of the terminal that the shop chose. The hosted page may use the key of
    another one.
    """
    return order.hosted_page.shop_terminal if order.is_hosted else order.terminal


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
def supersede(
    order: PaymentOrder,
    replace: Callable[[], PaymentOrder],
    *,
    even_if_pending: bool = False,
) -> bool:
    """Fails an attempt whose card was not used yet, and shreds its sealed card.

    In the same commit, ``replace`` returns the attempt that takes its place. False when
    it is too late, or when Nexi is still confirming a payment on the attempt's page;
    ``even_if_pending`` if another attempt has the money already.
    """
    ended = transitions.supersede(order, replace, even_if_pending=even_if_pending)
    if ended:
        sealed_cards.shred(order)
    return ended


def _insert_in_place_of(
    live: PaymentOrder, order: PaymentOrder, expires_at: datetime
) -> bool:
    """Supersedes ``live`` and inserts ``order``, in one commit.

    False when neither was done, because another attempt was faster. Raises
    ``ReferenceInUse`` when the card of ``live`` was used.
    """

    def replace() -> PaymentOrder:
        if not insert(order, expires_at):
            raise _ReferenceTaken
        return order

    try:
        if supersede(live, replace):
            return True
    except _ReferenceTaken:
        return False
    raise ReferenceInUse(PaymentOrder.objects.get(pk=live.pk))


class _ReferenceTaken(Exception):
    """Rolls back: another attempt took the reference."""


def create_attempt(order: PaymentOrder) -> tuple[PaymentOrder, bool]:
    """Creates a new attempt for a card posted to a failed or abandoned order.

    Same purchase, new ids. If a third order holds the reference, it is returned when no
    card was posted to it and superseded when it is at the issuer. If it is being paid,
    ``ReferenceInUse`` is raised. Raises ``OrderNotPayable`` when the shop has cancelled
    ``order``. Also returns whether the attempt was created now.
    """
    attempt = PaymentOrder(
        retry_of=order.retry_of or order,
        contract=contract_terms.copy_terms(order),
        **{name: getattr(order, name) for name in _COPIED_FIELDS},
        **_terminal_columns(order),
    )
    open_ = (OrderState.AWAITING_3DS, OrderState.AWAITING_HOSTED_PAGE)
    live = order if order.state in open_ else None
    for _ in range(3):
        if _insert_attempt(attempt, order, live):
            return attempt, True
        live = purchase.live_attempt(attempt)
        if live is None:
            continue
        if live.state == OrderState.INIT and same_purchase(live, order):
            return live, False
        if not same_purchase(live, order):
            raise ReferenceInUse(live)
    raise ReferenceInUse(_reference_holder(attempt))


@db_transactions.retried(durable=False)
def _insert_attempt(
    attempt: PaymentOrder, order: PaymentOrder, live: PaymentOrder | None
) -> bool:
    """Inserts an attempt, in place of ``live`` if there is one. False when another
    attempt was faster.
    """
    # locks the row against a concurrent cancel, which then finds the new attempt
    where = {"pk": order.pk, "cancelled_at": None}
    if not raw_sql.update(PaymentOrder, where, {}, increment="version"):
        raise OrderNotPayable(PaymentOrder.objects.get(pk=order.pk))
    expires_at = timezone.now() + timedelta(seconds=conf.current().expire_after)
    if live is None:
        return insert(attempt, expires_at)
    return _insert_in_place_of(live, attempt, expires_at)


def _terminal_columns(order: PaymentOrder) -> dict[str, str]:
    """Those of the shop's terminal, in case that the hosted page changed them."""
    if not order.is_hosted:
        return {name: getattr(order, name) for name in ("terminal", "flow", "capture")}
    terminal = conf.current().terminal(shop_terminal(order))
    return {
        "terminal": terminal.name,
        "flow": terminal.flow,
        "capture": terminal.capture,
    }


_COPIED_FIELDS: Final = (
    "channel",
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
