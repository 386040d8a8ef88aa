"""Customer contact data and 3-D Secure details of an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from nexi_payments import customers
from nexi_payments.conf.validators import did_you_mean
from nexi_payments.exceptions import CardDataNotAllowed, InvalidCustomer, UnstorableText
from nexi_payments.models import CustomerDetails, PaymentOrder
from nexi_payments.models.text_storage import reject_text, unstorable_character
from nexi_payments.pan_scanner import (
    MAX_TEXT_LENGTH,
    contains_card_number,
    reject_card_number,
)
from nexi_payments.text_input import has_control_characters, one_line


def validated_contact(customer: Mapping[str, Any] | None) -> dict[str, str]:
    """Validates name and e-mail, which are stored on the order and used for e-mails.

    Raises ``InvalidCustomer``, also for an unknown member, and ``CardDataNotAllowed``.
    """
    found: dict[str, str] = {}
    for name, value in (customer or {}).items():
        if name not in customers.MEMBERS:
            hint = did_you_mean(name, customers.MEMBERS)
            reject_card_number("the name of a member of customer", str(name))
            raise InvalidCustomer(f"customer has an unknown member {name!r}{hint}")
        if name not in ("name", "email"):
            continue
        found[name] = str(value or "").strip()
        reject_text(f"customer {name}", found[name])
        if has_control_characters(found[name]):
            raise InvalidCustomer(f"customer {name} has a control character")
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


def usable_name(value: Any) -> str:
    """A name in one line, cut to 255 characters; "" if it seems to contain a card
    number, or cannot be stored."""
    name = one_line(str(value or ""))
    if contains_card_number(name[:MAX_TEXT_LENGTH]) or unstorable_character(name):
        return ""
    return name[:255]


def usable_email(value: Any) -> str:
    """A valid e-mail address, or ""."""
    try:
        return validated_contact({"email": value}).get("email", "")
    except (InvalidCustomer, CardDataNotAllowed, UnstorableText):
        return ""


def attach_customer_info(
    order: PaymentOrder, customer: Mapping[str, Any] | None
) -> None:
    """Attaches unsaved 3-D Secure details to an unsaved order."""
    built = customers.build_customer_info(customer or {}, timezone.now().date())
    if built.members or built.omitted:
        order.details = CustomerDetails(
            customer_info=built.members, omitted=built.omitted
        )


def save_customer_info(order: PaymentOrder) -> None:
    """Saves the details. Call it in the commit of a new order."""
    details: CustomerDetails | None = order._state.fields_cache.get("details")
    if details is not None:
        details.order = order
        details.save(force_insert=True)
    else:
        order._state.fields_cache["details"] = None  # as select_related caches "none"


def get_customer_info(order: PaymentOrder) -> dict[str, Any]:
    """Further members of ``customerInfo``, from the first attempt."""
    try:
        first = order if order.retry_of_id is None else order.retry_of
        return dict(first.details.customer_info) if first else {}
    except CustomerDetails.DoesNotExist:
        return {}
