"""Customer data for 3-D Secure, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypedDict


@dataclass(frozen=True)
class Address:
    """``country`` as alpha-2 or alpha-3, ``province`` as its code ("RM", "IT-RM")."""

    name: str = ""
    street: str = ""
    street2: str = ""
    city: str = ""
    post_code: str = ""
    province: str = ""
    country: Any = ""


@dataclass(frozen=True)
class Account:
    """The customer's account at the shop. Dates are sent with Nexi's code for their
    age.

    ``guest``: bought without an account. ``purchases``: in the last six months.
    ``attempts_today`` and ``attempts_this_year``: all payments started, successful or
    not. ``cards_added_today``: cards saved in the last 24 hours.
    """

    guest: bool | None = None
    created: date | None = None
    changed: date | None = None
    password_changed: date | None = None
    purchases: int | None = None
    attempts_today: int | None = None
    attempts_this_year: int | None = None
    cards_added_today: int | None = None
    shipping_address_since: date | None = None
    shipping_name_differs: bool | None = None
    card_since: date | None = None
    suspicious: bool | None = None


@dataclass(frozen=True)
class Risk:
    """This purchase. ``delivery``: "at once", "same day", "overnight", "later".
    ``ship_to``: "billing", "known" (used before), "other", "store", "digital",
    "tickets" or "nothing".

    The amount of a gift card is missing: Nexi's API does not say whether it is in
    major or minor units.
    """

    delivery: str = ""
    delivery_email: str = ""
    ship_to: str = ""
    pre_order: bool | None = None
    pre_order_date: date | None = None
    reorder: bool | None = None
    gift_cards: int | None = None


class Customer(TypedDict, total=False):
    """``create_order(customer=…)``. Phones with their country code: "+39 06 …"."""

    name: str
    email: str
    billing_address: Address | Mapping[str, Any] | None
    shipping_address: Address | Mapping[str, Any] | None
    mobile_phone: str
    home_phone: str
    work_phone: str
    account: Account | Mapping[str, Any] | None
    risk: Risk | Mapping[str, Any] | None


MEMBERS: Final = tuple(Customer.__annotations__)
