"""Whom an order is for: name and e-mail on its row, more for 3-D Secure beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from nexi_payments import customers
from nexi_payments.card import holds_card_number
from nexi_payments.conf.reading import did_you_mean
from nexi_payments.exceptions import CardDataNotAllowed, InvalidCustomer
from nexi_payments.models import CustomerDetails, PaymentOrder


def contact(customer: Mapping[str, Any] | None) -> dict[str, str]:
    """Name and e-mail, checked: they are written on the order and may have a mail sent.

    Raises ``InvalidCustomer``, for an unknown member too, and ``CardDataNotAllowed``.
    """
    found: dict[str, str] = {}
    for name, value in (customer or {}).items():
        if name not in customers.MEMBERS:
            hint = did_you_mean(name, customers.MEMBERS)
            raise InvalidCustomer(f"customer has an unknown member {name!r}{hint}")
        if name not in ("name", "email"):
            continue
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


def usable_name(given: Any) -> str:
    """As much of a name as an order takes; "" rather than an error."""
    name = str(given or "").strip()
    return "" if holds_card_number(name) else name[:255]


def usable_email(given: Any) -> str:
    """An e-mail address that an order takes, or ""."""
    try:
        return contact({"email": given}).get("email", "")
    except (InvalidCustomer, CardDataNotAllowed):
        return ""


def attach_details(order: PaymentOrder, customer: Mapping[str, Any] | None) -> None:
    """What Nexi may be told, kept with an order that is not on disk yet."""
    told = customers.tell(customer or {}, timezone.now().date())
    if told.info or told.left_out:
        order.details = CustomerDetails(told=told.info, left_out=told.left_out)


def save_details(order: PaymentOrder) -> None:
    """Called in the commit of a new order."""
    made: CustomerDetails | None = order._state.fields_cache.get("details")
    if made is not None:
        made.order = order
        made.save(force_insert=True)
    else:
        order._state.fields_cache["details"] = None  # as select_related says "none"


def details(order: PaymentOrder) -> dict[str, Any]:
    """Further members of ``customerInfo``, as the first attempt was given them."""
    try:
        first = order if order.retry_of_id is None else order.retry_of
        return dict(first.details.told) if first else {}
    except CustomerDetails.DoesNotExist:
        return {}
