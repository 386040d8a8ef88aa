"""What the shop knows about a reference: the setting ``REFERENCE_LOOKUP``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils.module_loading import import_string

from nexi_payments import conf, money
from nexi_payments.customers import Customer
from nexi_payments.exceptions import (
    ShopOrderDiffers,
    ShopOrderError,
    ShopOrderUnavailable,
    ShopOrderUnknown,
)
from nexi_payments.flows.orders import create, customer_data
from nexi_payments.models import PaymentOrder
from nexi_payments.models.text_storage import storable_line

log = logging.getLogger("nexi_payments.hooks")


@dataclass(frozen=True)
class ShopOrder:
    """The shop's order behind a reference, as ``REFERENCE_LOOKUP`` returns it.

    ``amount`` in major units (no float), or a ``moneyed.Money``; the amount that is
    still to be paid. The other values are those of ``create_order``, and come along
    into the payment.
    """

    amount: Decimal | money.Money
    currency: str | None = None
    description: str = ""
    customer: Customer | Mapping[str, Any] | None = None
    user: Any = None
    content_object: models.Model | None = None

    @property
    def minor(self) -> int:
        """The amount in minor units; 0 if nothing is left to pay."""
        amount, currency = money.amount_and_currency(self.amount, self.currency)
        if isinstance(amount, int | Decimal) and not amount:
            return 0 * money.exponent(currency)
        return money.to_minor(amount, currency)

    @property
    def currency_code(self) -> str:
        return money.amount_and_currency(self.amount, self.currency)[1]

    @property
    def contact(self) -> dict[str, str]:
        """Name and e-mail of the customer."""
        return customer_data.validated_contact(self.customer)


def look_up(reference: object, *, terminal: str, user: Any = None) -> ShopOrder | None:
    """Asks the shop for the order of a reference. ``None`` without ``REFERENCE_LOOKUP``
    and without a reference.

    ``user`` is who asks: the clerk, or the API's user. Raises ``ShopOrderUnknown``, and
    ``ShopOrderUnavailable`` if the function fails or returns something else; the log
    says what. Also raises ``InvalidReference`` and ``CardDataNotAllowed``.
    """
    text = create.reference_text(reference)
    path = conf.current().reference_lookup
    if not path or not text:
        return None
    try:
        found = import_string(path)(text, terminal=terminal, user=user)
        if found is not None:
            _validate(found)
    except Exception:
        log.exception("REFERENCE_LOOKUP failed for reference %s", text)
        found = ShopOrderUnavailable(text)
    if isinstance(found, ShopOrderUnavailable):
        raise found  # outside of the except block: the shop's error is in the log
    if found is None:
        raise ShopOrderUnknown(text)
    shop_order: ShopOrder = found
    return shop_order


def _validate(found: Any) -> None:
    """Raises what ``create_order`` would raise for its values."""
    if not isinstance(found, ShopOrder):
        raise TypeError(f"not a ShopOrder: {type(found).__name__}")
    found.minor, found.contact  # noqa: B018  they raise
    storable_line("description", found.description)
    create.attach_owner(PaymentOrder(), found.user, found.content_object)


def require_agreement(
    order: PaymentOrder, *, user: Any, accepted: str | None
) -> ShopOrder | None:
    """Looks up the shop's order of an unsaved phone order, and compares both.

    Raises a ``ShopOrderError`` if the shop does not know the reference, cannot say, or
    has another amount or currency: always with ``REFERENCE_LOOKUP_STRICT``, else if
    ``accepted`` is given and is not the error's ``difference``. ``None`` when there is
    nothing to compare with.
    """
    found = None
    try:
        found = look_up(order.reference, terminal=order.terminal, user=user)
        error = None if found is None else _difference(order, found)
    except ShopOrderError as problem:
        error = problem
    if error is not None:
        strict = conf.current().reference_lookup_strict
        if strict or accepted not in (None, error.difference):
            raise error
    return found


def _difference(order: PaymentOrder, found: ShopOrder) -> ShopOrderError | None:
    if (found.minor, found.currency_code) == (order.amount, order.currency):
        return None
    return ShopOrderDiffers(
        order.reference or "",
        amounts=((order.amount, order.currency), (found.minor, found.currency_code)),
    )
