"""From a Django user and a shop's order to what 3-D Secure may be told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, cast

from django.utils import timezone

from nexi_payments import states
from nexi_payments.customers import Account, Address, Customer, Risk
from nexi_payments.flows import people
from nexi_payments.models import Operation, PaymentOrder

#: Our member → what shops call it, the first that is there and not empty.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "full_name"),
    "street": (
        *("street", "line1", "address_line1", "address_line_1", "address1"),
        *("street_address_1", "street_address", "address"),
    ),
    "more": (
        *("more", "line2", "address_line2", "address_line_2", "address2"),
        "street_address_2",
    ),
    "city": ("city", "line4", "town", "locality"),
    "post_code": ("post_code", "postcode", "postal_code", "zip_code", "zipcode", "zip"),
    "province": ("province", "state", "region", "country_area", "county"),
    "country": ("country", "country_code"),
}
_PHONES: Final = ("phone_number", "mobile_phone", "mobile", "phone", "telephone")
_HALF_A_YEAR: Final = timedelta(days=182)


def describe_customer(
    user: Any = None,
    order: Any = None,
    *,
    billing_address: Any = None,
    shipping_address: Any = None,
    **more: Any,
) -> Customer:
    """``create_order(customer=describe_customer(request.user, order))``.

    Of ``user``: name, e-mail, how old the account is, and what this app knows of
    earlier payments. Of ``order``: ``billing_address`` and ``shipping_address`` (or
    give them), objects or mappings with the usual names of members, and ``email`` for
    guests. ``more`` are members of ``Customer``, and win. Two queries for a user, none
    for a guest; raises nothing for what is missing or odd.
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
    found["name"] = people.usable_name(found["name"])
    found["email"] = people.usable_email(found["email"])
    return cast("Customer", {name: value for name, value in found.items() if value})


def _get(thing: Any, names: tuple[str, ...]) -> Any:
    """The first value that is there; a clever object that raises has none."""
    for name in names:
        try:
            if isinstance(thing, Mapping):
                value = thing.get(name)
            else:
                value = getattr(thing, name, None)
        except Exception:  # a property of the shop's: not worth a sale
            value = None
        if value and not callable(value):
            return value
    return ""


def _address(place: Any) -> Address | None:
    if not place:
        return None
    if isinstance(place, Address):
        return place
    found = {member: _get(place, names) for member, names in _NAMES.items()}
    found["name"] = found["name"] or _name_of(place)
    address = Address(**found)
    return address if any(found.values()) else None


def _name_of(thing: Any) -> str:
    """First and last name, as users and addresses have them."""
    parts = (_get(thing, ("first_name",)), _get(thing, ("last_name",)))
    return " ".join(str(part) for part in parts if part)


def _first_name(*places: Address | None) -> str:
    return next((str(one.name) for one in places if one and one.name), "")


def _phone(place: Any) -> str:
    number = _get(place, _PHONES)
    return str(getattr(number, "as_e164", "") or number)


def _account(user: Any, name: str, shipping: Address | None) -> Account:
    differs = None
    if name and shipping and shipping.name:
        differs = str(shipping.name).strip().casefold() != name.strip().casefold()
    now = timezone.now()
    orders = PaymentOrder.objects.filter(user_id=user.pk)
    begun = Operation.objects.filter(
        order__user_id=user.pk,
        kind__in=(states.AUTHENTICATION, states.MOTO),
        created_at__gt=now - timedelta(days=365),
    ).values_list("created_at", flat=True)
    moments = list(begun[:1000])
    return Account(
        created=_get(user, ("date_joined",)) or None,
        purchases=orders.filter(
            state__in=states.SUCCESSFUL, created_at__gt=now - _HALF_A_YEAR
        ).count(),
        attempts_today=sum(at > now - timedelta(days=1) for at in moments),
        attempts_this_year=len(moments),
        shipping_name_differs=differs,
    )


def _risk(billing: Address | None, shipping: Address | None) -> Risk | None:
    if not (billing and shipping):
        return None
    return Risk(ship_to="billing" if billing == shipping else "other")
