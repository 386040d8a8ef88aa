"""Plain values → ``customerInfo``. Members, lengths and codes: the published API.

None of it is worth a sale: what Nexi would not take is left out and noted for staff,
longer texts are cut. (Nexi does not refuse a payment for a bad address either; it
warns, and does not consider the address.)
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from nexi_payments.card import holds_card_number
from nexi_payments.customers.countries import alpha3
from nexi_payments.customers.reasons import (
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
from nexi_payments.customers.values import Account, Address, Risk


@dataclass(frozen=True)
class Told:
    """``info`` goes into ``customerInfo`` as it is; ``left_out`` names what does not,
    and why: ("billing_address.country", "no_country")."""

    info: dict[str, Any]
    left_out: list[tuple[str, str]]


class _LeaveOut(Exception):
    pass


def tell(customer: Mapping[str, Any], today: date) -> Told:
    """Everything but name and e-mail, as Nexi takes it. Never raises for a value."""
    reader = _Reader(today)
    info: dict[str, Any] = {}
    for name, member in _ADDRESSES.items():
        info[member] = reader.group(name, Address, customer.get(name), _ADDRESS)
    if phone := reader.value("mobile_phone", customer.get("mobile_phone"), _mobile):
        info["mobilePhoneCountryCode"], info["mobilePhone"] = phone
    for name, member in _PHONES.items():
        info[member] = reader.value(name, customer.get(name), _phone)
    info["cardHolderAcctInfo"] = reader.group(
        "account", Account, customer.get("account"), _ACCOUNT
    )
    info["merchantRiskIndicator"] = reader.group(
        "risk", Risk, customer.get("risk"), _RISK
    )
    return Told({name: it for name, it in info.items() if it}, reader.left_out)


class _Reader:
    def __init__(self, today: date) -> None:
        self.today = today
        self.left_out: list[tuple[str, str]] = []

    def value(self, name: str, given: Any, read: Callable[[Any], Any]) -> Any:
        """``None`` for what was not given, and for what is left out."""
        if given is None or given == "":
            return None
        try:
            return read(given)
        except _LeaveOut as why:
            self.left_out.append((name, str(why)))
        except Exception:  # somebody's lazy or clever object: not worth a sale
            self.left_out.append((name, UNKNOWN))
        return None

    def group(
        self, name: str, kind: Any, given: Any, members: Mapping[str, _Member]
    ) -> dict[str, Any]:
        if given is None:
            return {}
        known = [field.name for field in dataclasses.fields(kind)]
        if isinstance(given, kind):
            given = {one: getattr(given, one) for one in known}
        if not isinstance(given, Mapping):
            self.left_out.append((name, UNKNOWN))
            return {}
        found: dict[str, Any] = {}
        for one in given:
            if one not in known:
                # its name may be anything, a card number too
                self.left_out.append((f"{name}.?", UNKNOWN))
        for one in known:
            read = members[one]
            value = self.value(
                f"{name}.{one}",
                given.get(one),
                lambda it, read=read: read(it, self.today),  # type: ignore[misc]
            )
            found.update(value or {})
        return found


# -- values --------------------------------------------------------------------------

_Member = Callable[[Any, date], dict[str, Any]]
#: Nexi refuses a body with "JavaScript in a field" (PS0041); nobody lives there.
_SCRIPT: Final = re.compile(r"[<>]|javascript:", re.IGNORECASE)
_SPACES: Final = re.compile(r"\s+")
_EMAIL: Final = re.compile(r"[^@\s<>\"]{1,64}@[^@\s<>\"]{3,190}")


def _text(given: Any, longest: int) -> str:
    text = _SPACES.sub(" ", str(given)).strip()
    if holds_card_number(text):
        raise _LeaveOut(CARD)
    if not text or not text.isprintable() or _SCRIPT.search(text):
        raise _LeaveOut(NO_TEXT)
    return text[:longest].rstrip()


def _words(member: str, longest: int) -> _Member:
    return lambda given, today: {member: _text(given, longest)}


def _country(given: Any, today: date) -> dict[str, Any]:
    if code := alpha3(given):
        return {"country": code}
    raise _LeaveOut(NO_COUNTRY)


def _province(given: Any, today: date) -> dict[str, Any]:
    # three letters on paper; the sandbox took an address with more than two for none
    code = _text(given, 50).upper()
    code = re.sub(r"^[A-Z]{2}-", "", code)
    if re.fullmatch(r"[A-Z0-9]{1,2}", code):
        return {"province": code}
    raise _LeaveOut(NO_PROVINCE)


def _number(given: Any) -> str:
    """A telephone number: digits, a plus before them where there was one."""
    text = str(given).strip()
    digits = re.sub(r"[\s()./-]", "", text.replace("(0)", ""))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not re.fullmatch(r"\+?[0-9]{4,17}", digits):
        raise _LeaveOut(NO_PHONE)
    # "+" and a country code are no card, but for lengths that only cards have (E.164)
    if not (digits[0] == "+" and len(digits) <= 15) and holds_card_number(digits):
        raise _LeaveOut(CARD)
    return digits


def _phone(given: Any) -> str:
    return _number(given)[:18]


#: Country codes of one and two digits; all others have three (ITU E.164).
_SHORT_CODES: Final = re.compile(
    r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
)


def _mobile(given: Any) -> tuple[str, str]:
    number = _number(given)
    if not number.startswith("+"):
        raise _LeaveOut(NO_PHONE)  # whose country code is it?
    short = _SHORT_CODES.match(number, 1)
    split = short.end() if short else 4
    country, rest = number[:split], number[split:]
    if not 4 <= len(rest) <= 15:
        raise _LeaveOut(NO_PHONE)
    return country, rest


def _day(given: Any) -> date:
    if isinstance(given, datetime):
        return given.date()
    if isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        raise _LeaveOut(NO_DATE) from None


def _since(member: str, indicator: str, codes: tuple[str, str, str, str]) -> _Member:
    """A date, and its age as Nexi's code: today, < 30 days, 30 to 60, more."""

    def read(given: Any, today: date) -> dict[str, Any]:
        day = _day(given)
        age = (today - day).days
        if age < -1 or day.year < 1900:  # a day ahead may be a time zone
            raise _LeaveOut(NO_DATE)
        band = 0 if age <= 0 else 1 if age < 30 else 2 if age <= 60 else 3
        return {member: day.isoformat(), indicator: codes[band]}

    return read


def _count(member: str) -> _Member:
    def read(given: Any, today: date) -> dict[str, Any]:
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            raise _LeaveOut(NO_NUMBER)
        return {member: min(given, 9999)}

    return read


def _code(member: str, codes: Mapping[Any, str]) -> _Member:
    def read(given: Any, today: date) -> dict[str, Any]:
        if given not in codes:
            raise _LeaveOut(UNKNOWN)
        return {member: codes[given]}

    return read


def _guest(given: Any, today: date) -> dict[str, Any]:
    return {"chAccAgeIndicator": "01"} if given is True else {}


def _email(given: Any, today: date) -> dict[str, Any]:
    text = _text(given, 255)
    if not _EMAIL.fullmatch(text):
        raise _LeaveOut(NO_EMAIL)
    return {"deliveryEmail": text}


def _future(given: Any, today: date) -> dict[str, Any]:
    return {"preOrderDate": _day(given).isoformat()}


_FIRST_TO_FOUR: Final = ("01", "02", "03", "04")
_SECOND_TO_FIVE: Final = ("02", "03", "04", "05")
_ADDRESSES: Final = {
    "billing_address": "billingAddress",
    "shipping_address": "shippingAddress",
}
_PHONES: Final = {"home_phone": "homePhone", "work_phone": "workPhone"}
_ADDRESS: Final[Mapping[str, _Member]] = {
    "name": _words("name", 50),
    "street": _words("street", 50),
    "more": _words("additionalInfo", 50),
    "city": _words("city", 40),
    "post_code": _words("postCode", 16),
    "province": _province,
    "country": _country,
}
_ACCOUNT: Final[Mapping[str, _Member]] = {
    "guest": _guest,
    "created": _since("chAccDate", "chAccAgeIndicator", _SECOND_TO_FIVE),
    "changed": _since("chAccChangeDate", "chAccChangeIndicator", _FIRST_TO_FOUR),
    "password_changed": _since(
        "chAccPwChangeDate", "chAccPwChangeIndicator", _SECOND_TO_FIVE
    ),
    "purchases": _count("nbPurchaseAccount"),
    "attempts_today": _count("txnActivityDay"),
    "attempts_this_year": _count("txnActivityYear"),
    "cards_added_today": _count("provisionAttemptsDay"),
    "shipping_address_since": _since(
        "destinationAddressUsageDate",
        "destinationAddressUsageIndicator",
        _FIRST_TO_FOUR,
    ),
    "shipping_name_differs": _code(
        "destinationNameIndicator", {False: "01", True: "02"}
    ),
    "card_since": _since("paymentAccAgeDate", "paymentAccIndicator", _SECOND_TO_FIVE),
    "suspicious": _code("suspiciousAccActivity", {False: "01", True: "02"}),
}
_RISK: Final[Mapping[str, _Member]] = {
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
    "pre_order_date": _future,
    "reorder": _code("reorderItemsIndicator", {False: "01", True: "02"}),
    "gift_cards": _count("giftCardCount"),
}
