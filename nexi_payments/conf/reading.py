"""One function for each kind of value in ``NEXI_PAYMENTS``; each names what to mend."""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import ipaddress
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import money
from nexi_payments.exceptions import InvalidAmount

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def refuse_unknown(raw: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in raw:
        if name not in known:
            raise ImproperlyConfigured(
                f"{where} has an unknown key {name!r}{did_you_mean(name, known)}"
            )


def did_you_mean(name: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f". Did you mean {close[0]!r}?" if close else ""


def refuse_unknown_currencies(currencies: Iterable[str], where: str) -> None:
    for currency in currencies:
        try:
            money.exponent(currency)
        except InvalidAmount as error:
            raise ImproperlyConfigured(f"{where}: {error}") from None


def one_of(value: Any, allowed: Sequence[str], where: str) -> str:
    if value not in allowed:
        raise ImproperlyConfigured(
            f"{where} is {value!r}; it must be one of {', '.join(allowed)}"
            + did_you_mean(value, allowed)
        )
    return str(value)


def seconds(value: Any, where: str, *, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ImproperlyConfigured(f"{where} must be a number of seconds")
    if not math.isfinite(value) or value < least:
        raise ImproperlyConfigured(f"{where} must be at least {least} seconds")
    return value


def a_day_or_more(value: Any, where: str) -> float | None:
    return None if value is None else seconds(value, where, least=86_400)


#: limit → (attempts that fail, seconds in which)
RATE_LIMITS: Final[dict[str, tuple[int, float]]] = {
    "reference": (5, 3600),
    "user": (10, 3600),
    "address": (30, 600),
    # of all shoppers together: beyond it guests are slowed down, nobody is refused
    "everyone": (200, 600),
}


def rate_limits(value: Any, where: str) -> dict[str, tuple[int, float]]:
    """``{"address": (30, 600)}`` changes one, ``None`` switches one off, "off" all."""
    if value is None:
        return RATE_LIMITS
    if value == "off":
        return {}
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"{where} must be a dict, or 'off'")
    refuse_unknown(value, tuple(RATE_LIMITS), where)
    limits = dict(RATE_LIMITS)
    for name, pair in value.items():
        if pair is None:
            del limits[name]
            continue
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise ImproperlyConfigured(f"{where}[{name!r}] must be (count, seconds)")
        count, window = pair
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ImproperlyConfigured(f"{where}[{name!r}] must allow at least one")
        limits[name] = (count, seconds(window, f"{where}[{name!r}]", least=1))
    return limits


def dotted_path(value: Any, where: str) -> str:
    """``"shop.rules.challenge"``; whether it is there shows when it is called."""
    path = str(value or "").strip()
    if path and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", path, re.ASCII):
        raise ImproperlyConfigured(f"{where} must be a dotted path to a function")
    return path


#: What ``MAILS`` may name: a template of ``mail/`` each.
MAILS: Final = ("receipt", "charge_failed", "card_expires")


def some_of(value: Any, allowed: Sequence[str], where: str) -> tuple[str, ...]:
    """A list of known words."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ImproperlyConfigured(f"{where} must be a list")
    return tuple(one_of(one, allowed, where) for one in value)


def pauses(value: Any, where: str) -> tuple[float, ...]:
    """Seconds, each an hour or more; none = never again."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ImproperlyConfigured(f"{where} must be a list of seconds")
    return tuple(seconds(one, where, least=3600) for one in value)


def networks(value: Any, where: str) -> tuple[Network, ...]:
    """Addresses and networks: ``["10.0.0.0/8", "::1"]``."""
    found = []
    for text in texts(value, where):
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise ImproperlyConfigured(f"{where}: {text!r} is no network") from None
    return tuple(found)


def boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise ImproperlyConfigured(f"{where} must be True or False")
    return value


def api_key(value: Any, where: str) -> str:
    """Stripped: secrets read from files end in a newline."""
    key = str(value or "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        # never shown, and never let into a header where the error would show it
        raise ImproperlyConfigured(f"{where} has characters that no key has")
    return key


def web_address(value: Any, where: str, *, may_be_http: bool) -> str:
    """An absolute URL without query. http only for loopback hosts, if at all."""
    address = str(value or "").strip().rstrip("/")
    if not address:
        return ""
    parts = urlsplit(address)
    local = parts.hostname in LOOPBACK and may_be_http
    if (
        parts.scheme not in (("https", "http") if local else ("https",))
        or not parts.hostname
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise ImproperlyConfigured(
            f"{where} must be an https address without user, query or fragment"
            " (http only on this machine, and not in production)"
        )
    return address


def amount_ceiling(value: Any, where: str) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise ImproperlyConfigured(f"{where} must be a Decimal in major units")
    if not Decimal(value).is_finite() or value <= 0:
        raise ImproperlyConfigured(f"{where} must be more than zero")
    return Decimal(value)


def texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence | frozenset | set):
        raise ImproperlyConfigured(f"{where} must be a list of texts")
    return tuple(str(item) for item in value)


def hold_keys(value: Any, *, needed: bool) -> tuple[tuple[bytes, ...], bool]:
    """The keys, first one current, and whether they were derived from SECRET_KEY.

    Derived only with DEBUG, or where they are not ``needed`` as every terminal is
    simulated: a leaked SECRET_KEY must not open held cards.
    """
    found = texts(value, "NEXI_PAYMENTS['HOLD_KEYS']")
    if not found:
        if needed and not django_settings.DEBUG:
            return (), False
        secret = b"nexi_payments/hold/" + str(django_settings.SECRET_KEY).encode()
        return (hashlib.sha256(secret).digest(),), True
    keys = []
    for text in found:
        try:
            key = base64.b64decode(text.strip() + "==", altchars=b"-_")
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 32:
            raise ImproperlyConfigured(
                "NEXI_PAYMENTS['HOLD_KEYS'] must be URL-safe base64 keys of 32 bytes"
            )
        keys.append(key)
    return tuple(keys), False
