"""Builds 3-D Secure customer data from a Django user and a shop's order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, cast

from django.utils import timezone

from nexi_payments import enums
from nexi_payments.customers import Account, Address, Customer, Risk
from nexi_payments.enums import OperationKind
from nexi_payments.flows.orders import customer_data
from nexi_payments.models import Operation, PaymentOrder

#: Our member → usual names in shops; the first non-empty one is used.
_ADDRESS_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "full_name"),
    "street": (
        *("street", "line1", "address_line1", "address_line_1", "address1"),
        *("street_address_1", "street_address", "address"),
    ),
    "street2": (
        *("street2", "line2", "address_line2", "address_line_2", "address2"),
        "street_address_2",
    ),
    "city": ("city", "line4", "town", "locality"),
    "post_code": ("post_code", "postcode", "postal_code", "zip_code", "zipcode", "zip"),
    "province": ("province", "state", "region", "country_area", "county"),
    "country": ("country", "country_code"),
}
_PHONE_ALIASES: Final = ("phone_number", "mobile_phone", "mobile", "phone", "telephone")
_HALF_A_YEAR: Final = timedelta(days=182)


def describe_customer(
    user: Any = None,
    order: Any = None,
    *,
    billing_address: Any = None,
    shipping_address: Any = None,
    **more: Any,
) -> Customer:
    """Customer data for ``create_order(customer=…)``.

    From ``user``: name, e-mail, age of the account, and earlier payments. From
    ``order``: ``billing_address`` and ``shipping_address`` (or pass them), as objects
    or mappings with the usual member names, and ``email`` for guests. ``more`` are
    members of ``Customer`` and take precedence. Two queries for a user, none for a
    guest. Missing or odd values raise nothing.
    """
    known = bool(getattr(user, "is_authenticated", False))
    billing = _address(billing_address or _get(order, ("billing_address",)))
    place = shipping_address or _get(order, ("shipping_address",))
    shipping = _address(place)
    name = _name_of(user) if known else ""
    found: dict[str, Any] = {
        "name": name or _first_name(billing, shipping),
        "email": str(
            (_get(user, ("email",)) if known else "")
            or _get(order, ("email", "guest_email"))
        ),
        "billing_address": billing,
        "shipping_address": shipping,
        "mobile_phone": _phone(place),
        "account": _account(user, name, shipping) if known else Account(guest=True),
        "risk": _risk(billing, shipping),
    }
    found.update(more)
    found["name"] = customer_data.usable_name(found["name"])
    found["email"] = customer_data.usable_email(found["email"])
    return cast("Customer", {name: value for name, value in found.items() if value})


def _get(thing: Any, names: tuple[str, ...]) -> Any:
    """The first non-empty value; a property that raises counts as empty."""
    for name in names:
        try:
            if isinstance(thing, Mapping):
                value = thing.get(name)
            else:
                value = getattr(thing, name, None)
        except Exception:  # a property of the shop: it must not cost a sale
            value = None
        if value and not callable(value):
            return value
    return ""


def _address(place: Any) -> Address | None:
    if not place:
        return None
    if isinstance(place, Address):
        return place
    found = {member: _get(place, names) for member, names in _ADDRESS_ALIASES.items()}
    found["name"] = found["name"] or _name_of(place)
    address = Address(**found)
    return address if any(found.values()) else None


def _name_of(thing: Any) -> str:
    """First and last name of a user or an address."""
    parts = (_get(thing, ("first_name",)), _get(thing, ("last_name",)))
    return " ".join(str(part) for part in parts if part)


def _first_name(*places: Address | None) -> str:
    return next((str(one.name) for one in places if one and one.name), "")


def _phone(place: Any) -> str:
    number = _get(place, _PHONE_ALIASES)
    return str(getattr(number, "as_e164", "") or number)


def _account(user: Any, name: str, shipping: Address | None) -> Account:
    differs = None
    if name and shipping and shipping.name:
        differs = str(shipping.name).strip().casefold() != name.strip().casefold()
    now = timezone.now()
    orders = PaymentOrder.objects.filter(user_id=user.pk)
    begun = Operation.objects.filter(
        order__user_id=user.pk,
        kind__in=(OperationKind.AUTHENTICATION, OperationKind.MOTO),
        created_at__gt=now - timedelta(days=365),
    ).values_list("created_at", flat=True)
    moments = list(begun[:1000])
    return Account(
        created=_get(user, ("date_joined",)) or None,
        purchases=orders.filter(
            state__in=enums.SUCCESSFUL, created_at__gt=now - _HALF_A_YEAR
        ).count(),
        attempts_today=sum(at > now - timedelta(days=1) for at in moments),
        attempts_this_year=len(moments),
        shipping_name_differs=differs,
    )


def _risk(billing: Address | None, shipping: Address | None) -> Risk | None:
    if not (billing and shipping):
        return None
    return Risk(ship_to="billing" if billing == shipping else "other")
