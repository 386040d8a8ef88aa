"""Plain values → ``customerInfo``. Members, lengths and codes: Nexi's published API.

Bad customer data never stops a payment. A value that Nexi would reject is omitted and
recorded for staff; long texts are truncated. (Nexi itself does not reject a payment for
a bad address: it returns a warning and ignores the address.)
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from nexi_payments.customers.countries import alpha3
from nexi_payments.customers.omissions import (
    CARD,
    NO_COUNTRY,
    NO_DATE,
    NO_EMAIL,
    NO_NUMBER,
    NO_PHONE,
    NO_PROVINCE,
    NO_TEXT,
    UNKNOWN,
)
from nexi_payments.customers.types import Account, Address, Risk
from nexi_payments.pan_scanner import contains_card_number


@dataclass(frozen=True)
class CustomerInfo:
    """``members`` of ``customerInfo``; ``omitted`` values as (name, reason), for
    example ("billing_address.country", "no_country")."""

    members: dict[str, Any]
    omitted: list[tuple[str, str]]


class _Omitted(Exception):
    """A value is not sent; the argument is the reason (``omissions``)."""


def build_customer_info(customer: Mapping[str, Any], today: date) -> CustomerInfo:
    """``customerInfo`` without name and e-mail. Raises nothing for invalid values."""
    builder = _Builder(today)
    members: dict[str, Any] = {}
    for name, member in _ADDRESSES.items():
        members[member] = builder.group(name, Address, customer.get(name), _ADDRESS)
    if phone := builder.value("mobile_phone", customer.get("mobile_phone"), _mobile):
        members["mobilePhoneCountryCode"], members["mobilePhone"] = phone
    for name, member in _PHONES.items():
        members[member] = builder.value(name, customer.get(name), _phone)
    members["cardHolderAcctInfo"] = builder.group(
        "account", Account, customer.get("account"), _ACCOUNT
    )
    members["merchantRiskIndicator"] = builder.group(
        "risk", Risk, customer.get("risk"), _RISK
    )
    return CustomerInfo(
        {name: value for name, value in members.items() if value}, builder.omitted
    )


class _Builder:
    def __init__(self, today: date) -> None:
        self.today = today
        self.omitted: list[tuple[str, str]] = []

    def value(self, name: str, given: Any, convert: Callable[[Any], Any]) -> Any:
        """The converted value; ``None`` if it is empty or omitted."""
        if given is None or given == "":
            return None
        try:
            return convert(given)
        except _Omitted as reason:
            self.omitted.append((name, str(reason)))
        except Exception:  # an object of the shop's may raise anything
            self.omitted.append((name, UNKNOWN))
        return None

    def group(
        self,
        name: str,
        dataclass_type: Any,
        given: Any,
        members: Mapping[str, _MemberBuilder],
    ) -> dict[str, Any]:
        """Nexi's members of a group, given as a dataclass or a mapping of the same
        names."""
        if given is None:
            return {}
        known = [field.name for field in dataclasses.fields(dataclass_type)]
        if isinstance(given, dataclass_type):
            given = {field: getattr(given, field) for field in known}
        if not isinstance(given, Mapping):
            self.omitted.append((name, UNKNOWN))
            return {}
        built: dict[str, Any] = {}
        for field in given:
            if field not in known:
                # the unknown name is not recorded: it may be a card number
                self.omitted.append((f"{name}.?", UNKNOWN))
        for field in known:
            build = members[field]
            value = self.value(
                f"{name}.{field}",
                given.get(field),
                lambda raw, build=build: build(raw, self.today),  # type: ignore[misc]
            )
            built.update(value or {})
        return built


# -- values --------------------------------------------------------------------------

_MemberBuilder = Callable[[Any, date], dict[str, Any]]
#: Nexi rejects bodies that look like script (PS0041).
_SCRIPT: Final = re.compile(r"[<>]|javascript:", re.IGNORECASE)
_WHITESPACE: Final = re.compile(r"\s+")
_EMAIL: Final = re.compile(r"[^@\s<>\"]{1,64}@[^@\s<>\"]{3,190}")


def _text(given: Any, max_length: int) -> str:
    text = _WHITESPACE.sub(" ", str(given)).strip()
    if contains_card_number(text):
        raise _Omitted(CARD)
    if not text or not text.isprintable() or _SCRIPT.search(text):
        raise _Omitted(NO_TEXT)
    return text[:max_length].rstrip()


def _text_member(member: str, max_length: int) -> _MemberBuilder:
    return lambda given, today: {member: _text(given, max_length)}


def _country(given: Any, today: date) -> dict[str, Any]:
    if code := alpha3(given):
        return {"country": code}
    raise _Omitted(NO_COUNTRY)


def _province(given: Any, today: date) -> dict[str, Any]:
    # three letters in the API's description; with more than two, the sandbox ignored
    # the address
    code = _text(given, 50).upper()
    code = re.sub(r"^[A-Z]{2}-", "", code)
    if re.fullmatch(r"[A-Z0-9]{1,2}", code):
        return {"province": code}
    raise _Omitted(NO_PROVINCE)


def _phone_number(given: Any) -> str:
    """A phone number: digits, with the leading plus if there was one."""
    text = str(given).strip()
    digits = re.sub(r"[\s()./-]", "", text.replace("(0)", ""))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not re.fullmatch(r"\+?[0-9]{4,17}", digits):
        raise _Omitted(NO_PHONE)
    if contains_card_number(digits):
        raise _Omitted(CARD)
    return digits


def _phone(given: Any) -> str:
    return _phone_number(given)[:18]


#: Country codes of one and two digits; all others have three (ITU E.164).
_SHORT_COUNTRY_CODES: Final = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
)


def _mobile(given: Any) -> tuple[str, str]:
    number = _phone_number(given)
    if not number.startswith("+"):
        raise _Omitted(NO_PHONE)  # its country code is unknown
    short = _SHORT_COUNTRY_CODES.match(number, 1)
    split = short.end() if short else 4
    country, rest = number[:split], number[split:]
    if not 4 <= len(rest) <= 15:
        raise _Omitted(NO_PHONE)
    return country, rest


def _as_date(given: Any) -> date:
    if isinstance(given, datetime):
        return given.date()
    if isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        raise _Omitted(NO_DATE) from None


def _date_with_age(
    member: str, indicator: str, codes: tuple[str, str, str, str]
) -> _MemberBuilder:
    """A date, and its age as Nexi's code: today, < 30 days, 30 to 60, more."""

    def build(given: Any, today: date) -> dict[str, Any]:
        day = _as_date(given)
        age = (today - day).days
        if age < -1 or day.year < 1900:  # one day ahead may be another time zone
            raise _Omitted(NO_DATE)
        band = 0 if age <= 0 else 1 if age < 30 else 2 if age <= 60 else 3
        return {member: day.isoformat(), indicator: codes[band]}

    return build


def _count(member: str) -> _MemberBuilder:
    def build(given: Any, today: date) -> dict[str, Any]:
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            raise _Omitted(NO_NUMBER)
        return {member: min(given, 9999)}

    return build


def _code(member: str, codes: Mapping[Any, str]) -> _MemberBuilder:
    def build(given: Any, today: date) -> dict[str, Any]:
        if given not in codes:
            raise _Omitted(UNKNOWN)
        return {member: codes[given]}

    return build


def _guest(given: Any, today: date) -> dict[str, Any]:
    return {"chAccAgeIndicator": "01"} if given is True else {}


def _email(given: Any, today: date) -> dict[str, Any]:
    text = _text(given, 255)
    if not _EMAIL.fullmatch(text):
        raise _Omitted(NO_EMAIL)
    return {"deliveryEmail": text}


def _pre_order_date(given: Any, today: date) -> dict[str, Any]:
    return {"preOrderDate": _as_date(given).isoformat()}


_FIRST_TO_FOUR: Final = ("01", "02", "03", "04")
_SECOND_TO_FIVE: Final = ("02", "03", "04", "05")
_ADDRESSES: Final = {
    "billing_address": "billingAddress",
    "shipping_address": "shippingAddress",
}
_PHONES: Final = {"home_phone": "homePhone", "work_phone": "workPhone"}
_ADDRESS: Final[Mapping[str, _MemberBuilder]] = {
    "name": _text_member("name", 50),
    "street": _text_member("street", 50),
    "street2": _text_member("additionalInfo", 50),
    "city": _text_member("city", 40),
    "post_code": _text_member("postCode", 16),
    "province": _province,
    "country": _country,
}
_ACCOUNT: Final[Mapping[str, _MemberBuilder]] = {
    "guest": _guest,
    "created": _date_with_age("chAccDate", "chAccAgeIndicator", _SECOND_TO_FIVE),
    "changed": _date_with_age(
        "chAccChangeDate", "chAccChangeIndicator", _FIRST_TO_FOUR
    ),
    "password_changed": _date_with_age(
        "chAccPwChangeDate", "chAccPwChangeIndicator", _SECOND_TO_FIVE
    ),
    "purchases": _count("nbPurchaseAccount"),
    "attempts_today": _count("txnActivityDay"),
    "attempts_this_year": _count("txnActivityYear"),
    "cards_added_today": _count("provisionAttemptsDay"),
    "shipping_address_since": _date_with_age(
        "destinationAddressUsageDate",
        "destinationAddressUsageIndicator",
        _FIRST_TO_FOUR,
    ),
    "shipping_name_differs": _code(
        "destinationNameIndicator", {False: "01", True: "02"}
    ),
    "card_since": _date_with_age(
        "paymentAccAgeDate", "paymentAccIndicator", _SECOND_TO_FIVE
    ),
    "suspicious": _code("suspiciousAccActivity", {False: "01", True: "02"}),
}
_RISK: Final[Mapping[str, _MemberBuilder]] = {
    "delivery": _code(
        "deliveryTimeframe",
        {"at once": "01", "same day": "02", "overnight": "03", "later": "04"},
    ),
    "delivery_email": _email,
    "ship_to": _code(
        "shipIndicator",
        {
            "billing": "01",
            "known": "02",
            "other": "03",
            "store": "04",
            "digital": "05",
            "tickets": "06",
            "nothing": "07",
        },
    ),
    "pre_order": _code("preOrderPurchaseIndicator", {False: "01", True: "02"}),
    "pre_order_date": _pre_order_date,
    "reorder": _code("reorderItemsIndicator", {False: "01", True: "02"}),
    "gift_cards": _count("giftCardCount"),
}
