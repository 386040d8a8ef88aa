"""Amounts: ``Decimal`` major units and a currency outside, integer minor units inside.

All conversions are in this module, and none rounds. The exponents are those of Nexi's
table, which follows ISO 4217 for the codes in use (docs/gateway.md). Other codes are
rejected: with a wrong exponent a charge is wrong by a factor of 100.
"""

from __future__ import annotations

import sys
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final, Protocol

from nexi_payments.input_errors import InvalidAmount

#: Alphabetic code → (ISO 4217 number, digits after the point).
CURRENCIES: Final[dict[str, tuple[int, int]]] = {
    "AED": (784, 2),
    "AOA": (973, 2),
    "ARS": (32, 2),
    "AUD": (36, 2),
    "AZN": (944, 2),
    "BAM": (977, 2),
    "BGN": (975, 2),
    "BHD": (48, 3),
    "BRL": (986, 2),
    "BYN": (933, 2),
    "CAD": (124, 2),
    "CHF": (756, 2),
    "CLP": (152, 0),
    "CNY": (156, 2),
    "COP": (170, 2),
    "CZK": (203, 2),
    "DKK": (208, 2),
    "EGP": (818, 2),
    "EUR": (978, 2),
    "GBP": (826, 2),
    "GIP": (292, 2),
    "HKD": (344, 2),
    "HUF": (348, 2),
    "INR": (356, 2),
    "ISK": (352, 0),
    "JOD": (400, 3),
    "JPY": (392, 0),
    "KRW": (410, 0),
    "KWD": (414, 3),
    "KZT": (398, 2),
    "MKD": (807, 2),
    "MXN": (484, 2),
    "MYR": (458, 2),
    "NGN": (566, 2),
    "NOK": (578, 2),
    "PHP": (608, 2),
    "PLN": (985, 2),
    "QAR": (634, 2),
    "RON": (946, 2),
    "RSD": (941, 2),
    "RUB": (643, 2),
    "SAR": (682, 2),
    "SEK": (752, 2),
    "SGD": (702, 2),
    "THB": (764, 2),
    "TRY": (949, 2),
    "TWD": (901, 2),
    "UAH": (980, 2),
    "USD": (840, 2),
    "VND": (704, 0),
    "ZAR": (710, 2),
}
_BY_NUMBER: Final = {number: code for code, (number, _) in CURRENCIES.items()}

#: Symbols that every reader knows for this one currency. "$" stands for some twenty of
#: these codes, "¥" for two, "kr" for four.
_SYMBOLS: Final = {"EUR": "€", "GBP": "£"}
#: Languages that write the symbol before the number; all others write it behind.
_SYMBOL_FIRST: Final = ("en",)
_NO_BREAK_SPACE: Final = "\u00a0"

#: Never rounds. The thread's own context may be set to round to three digits.
_EXACT: Final = Context(prec=60, traps=[Inexact, InvalidOperation])

#: The maximum that is sent or accepted from a response: twelve digits of minor units.
MAX_MINOR: Final = 999_999_999_999


class Money(Protocol):
    """An amount with its currency: ``moneyed.Money``, and django-money's."""

    @property
    def amount(self) -> Decimal: ...

    @property
    def currency(self) -> Any: ...


def amount_and_currency(
    amount: Decimal | Money, currency: str | None
) -> tuple[Decimal, str]:
    """The amount in major units and its currency, from both arguments or a ``Money``.

    Raises ``InvalidAmount`` without a currency, or with two different ones.
    """
    moneyed = sys.modules.get("moneyed")  # a Money exists only if it was imported
    if moneyed is not None and isinstance(amount, moneyed.Money):
        own = str(amount.currency.code)
        if currency not in (None, own):
            raise InvalidAmount(f"amount is in {own}, currency says {currency}")
        return amount.amount, own
    if currency is None:
        raise InvalidAmount("amount needs a currency")
    return amount, currency  # type: ignore[return-value]  # to_minor rejects others


def exponent(currency: str) -> int:
    """Digits after the point. Raises ``InvalidAmount`` for an unknown code."""
    try:
        return CURRENCIES[currency][1]
    except (KeyError, TypeError):
        pass
    raise InvalidAmount(f"{currency!r} is not a currency this gateway is known to take")


def to_minor(amount: Decimal | int | str, currency: str) -> int:
    """Major units → minor units, exactly: ``Decimal("12.50"), "EUR"`` → ``1250``.

    Raises ``InvalidAmount`` for floats, for zero and negative amounts, for more
    decimals than the currency has, and for more than twelve digits.
    """
    digits = exponent(currency)
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int | str):
        raise InvalidAmount(f"amount must be a Decimal, not {type(amount).__name__}")
    try:
        value = Decimal(amount)
    except ArithmeticError:
        value = Decimal("NaN")
    if not value.is_finite():
        raise InvalidAmount("amount is not a number")
    if value <= 0:
        raise InvalidAmount("amount must be more than zero")
    if value.adjusted() > 12:  # before scaling: 1E+999999 would fill the memory
        raise InvalidAmount("amount has too many digits")
    try:
        minor = value.scaleb(digits, _EXACT)
    except ArithmeticError:
        minor = Decimal("0.5")
    if minor != minor.to_integral_value():
        raise InvalidAmount(f"{currency} has {digits} decimals, the amount has more")
    if minor > MAX_MINOR:
        raise InvalidAmount("amount has too many digits")
    return int(minor)


def to_major(minor: int, currency: str) -> Decimal:
    """Minor units → major units: ``1250, "EUR"`` → ``Decimal("12.50")``."""
    return Decimal(minor).scaleb(-exponent(currency), _EXACT)


def display(minor: int, currency: str) -> str:
    """Minor units → text for staff: ``123450, "EUR"`` → "1,234.50 EUR", localized."""
    return f"{display_number(minor, currency)} {currency}"


def display_with_symbol(minor: int, currency: str) -> str:
    """Minor units → text for shoppers, as people of the active language write it.

    ``123450, "EUR"`` → "€1,234.50" in English, "1.234,50 €" in Italian. A currency
    whose symbol is ambiguous keeps its code: "1,234.50 USD". Spaces do not break.
    """
    from django.utils import translation  # the gateway's client runs without Django

    number = display_number(minor, currency)
    symbol = _SYMBOLS.get(currency)
    language = (translation.get_language() or "en").partition("-")[0]
    if symbol and language in _SYMBOL_FIRST:
        return f"{symbol}{number}"
    return f"{number}{_NO_BREAK_SPACE}{symbol or currency}"


def display_number(minor: int, currency: str) -> str:
    """As ``display``, without the currency, for tables that name it in a column."""
    from django.utils import formats  # the gateway's client runs without Django

    return formats.number_format(
        to_major(minor, currency), exponent(currency), force_grouping=True
    )


def same_currency(code: str, expected: str) -> bool:
    """Whether a currency code of Nexi means ``expected``: Nexi uses "EUR" and "978"."""
    return alphabetic_code(code) == expected


def alphabetic_code(code: str) -> str:
    """``"978"``, ``"eur"``, ``"EUR"`` → ``"EUR"``; an unknown code in upper case."""
    code = code.strip().upper()
    if code.isascii() and code.isdigit() and len(code) <= 3:
        return _BY_NUMBER.get(int(code), code)
    return code
