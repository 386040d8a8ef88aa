"""One validator per kind of setting.

Each raises ``ImproperlyConfigured``, and the message names the setting and the fix.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import money, payment_methods
from nexi_payments.conf.loopback import is_loopback
from nexi_payments.exceptions import InvalidAmount


def reject_unknown_keys(
    raw: Mapping[str, Any], known: Sequence[str], setting: str
) -> None:
    for name in raw:
        if name not in known:
            raise ImproperlyConfigured(
                f"{setting} has an unknown key {name!r}{did_you_mean(name, known)}"
            )


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """ ". Did you mean 'TERMINALS'?", or "" if no known name is close."""
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f". Did you mean {close[0]!r}?" if close else ""


def reject_unknown_currencies(currencies: Iterable[str], setting: str) -> None:
    for currency in currencies:
        try:
            money.exponent(currency)
        except InvalidAmount as error:
            raise ImproperlyConfigured(f"{setting}: {error}") from None


def one_of(value: Any, allowed: Sequence[str], setting: str) -> str:
    if value not in allowed:
        raise ImproperlyConfigured(
            f"{setting} is {value!r}; it must be one of {', '.join(allowed)}"
            + did_you_mean(value, allowed)
        )
    return str(value)


def seconds(value: Any, setting: str, *, minimum: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ImproperlyConfigured(f"{setting} must be a number of seconds")
    if not math.isfinite(value) or value < minimum:
        raise ImproperlyConfigured(f"{setting} must be at least {minimum} seconds")
    return value


def retention_seconds(value: Any, setting: str) -> float | None:
    return None if value is None else seconds(value, setting, minimum=86_400)


#: limit → (failed attempts, window in seconds)
DEFAULT_RATE_LIMITS: Final[dict[str, tuple[int, float]]] = {
    "reference": (5, 3600),
    "user": (10, 3600),
    "address": (30, 600),
    "clerk": (60, 3600),  # phone orders and card verifications of one user
    "everyone": (200, 600),  # all shoppers: then guests wait, or show to be human
}


def rate_limits(value: Any, setting: str) -> dict[str, tuple[int, float]]:
    """``{"address": (30, 600)}`` changes a limit, ``None`` switches it off; "off"
    switches all off."""
    if value is None:
        return DEFAULT_RATE_LIMITS
    if value == "off":
        return {}
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"{setting} must be a dict, or 'off'")
    reject_unknown_keys(value, tuple(DEFAULT_RATE_LIMITS), setting)
    limits = dict(DEFAULT_RATE_LIMITS)
    for name, pair in value.items():
        if pair is None:
            del limits[name]
            continue
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise ImproperlyConfigured(f"{setting}[{name!r}] must be (count, seconds)")
        count, window = pair
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ImproperlyConfigured(f"{setting}[{name!r}] must allow at least one")
        limits[name] = (count, seconds(window, f"{setting}[{name!r}]", minimum=1))
    return limits


def card_keys_hook(value: Any, setting: str) -> str:
    """The dotted path in ``SEALED_CARD_KEYS``; "" for a list of keys. The error does
    not show what may be a key."""
    if not isinstance(value, str):
        return ""
    try:
        return dotted_path(value, setting)
    except ImproperlyConfigured:
        raise ImproperlyConfigured(
            f"{setting} must be a list of keys, or the dotted path of a function"
        ) from None


def dotted_path(value: Any, setting: str) -> str:
    """``"shop.rules.challenge"``. The function is imported when it is called."""
    path = str(value or "").strip()
    if path and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", path, re.ASCII):
        raise ImproperlyConfigured(f"{setting} must be a dotted path to a function")
    return path


def dotted_paths(value: Any, setting: str) -> tuple[str, ...]:
    return tuple(dotted_path(one, setting) for one in string_list(value, setting))


#: The values of ``MAILS``; each is the name of a template in ``email/``.
EMAIL_KINDS: Final = ("receipt", "charge_failed", "card_expires")


def subset_of(value: Any, allowed: Sequence[str], setting: str) -> tuple[str, ...]:
    """A list whose items are in ``allowed``."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ImproperlyConfigured(f"{setting} must be a list")
    return tuple(one_of(item, allowed, setting) for item in value)


def retry_delays(value: Any, setting: str) -> tuple[float, ...]:
    """Seconds, each an hour or more; an empty list means no retries."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ImproperlyConfigured(f"{setting} must be a list of seconds")
    return tuple(seconds(delay, setting, minimum=3600) for delay in value)


def boolean(value: Any, setting: str) -> bool:
    if not isinstance(value, bool):
        raise ImproperlyConfigured(f"{setting} must be True or False")
    return value


def api_key(value: Any, setting: str) -> str:
    """The key without surrounding white space: secrets read from files end in a
    newline."""
    key = str(value or "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        # rejected here, because the error about an invalid header would show the key
        raise ImproperlyConfigured(
            f"{setting} has characters that are not valid in an API key"
        )
    return key


def absolute_url(value: Any, setting: str, *, allow_http: bool) -> str:
    """An https URL without user, query and fragment; "" if empty.

    ``allow_http`` permits http for loopback hosts.
    """
    url = str(value or "").strip().rstrip("/")
    if not url:
        return ""
    parts = urlsplit(url)
    http_allowed = is_loopback(parts.hostname) and allow_http
    if (
        parts.scheme not in (("https", "http") if http_allowed else ("https",))
        or not parts.hostname
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise ImproperlyConfigured(
            f"{setting} must be an https URL without user, query or fragment"
            " (http only on this machine, and not in production)"
        )
    return url


def max_amount(value: Any, setting: str) -> Decimal | None:
    """Major units; ``None`` means no maximum."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise ImproperlyConfigured(f"{setting} must be a Decimal in major units")
    if not Decimal(value).is_finite() or value <= 0:
        raise ImproperlyConfigured(f"{setting} must be more than zero")
    return Decimal(value)


def string_list(value: Any, setting: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence | frozenset | set):
        raise ImproperlyConfigured(f"{setting} must be a list of strings")
    return tuple(str(item) for item in value)


def sealed_card_keys(value: Any, *, needed: bool) -> tuple[tuple[bytes, ...], bool]:
    """The keys, the current one first, and whether they were derived from SECRET_KEY.

    They are derived only in DEBUG, or if they are not ``needed`` because every terminal
    is simulated: a leaked SECRET_KEY must not open sealed cards.
    """
    setting = "NEXI_PAYMENTS['SEALED_CARD_KEYS']"
    encoded_keys = string_list(value, setting)
    if not encoded_keys:
        if needed and not django_settings.DEBUG:
            return (), False
        secret = (
            b"nexi_payments/sealed_cards/" + str(django_settings.SECRET_KEY).encode()
        )
        return (hashlib.sha256(secret).digest(),), True
    return decoded_card_keys(encoded_keys, setting), False


def decoded_card_keys(keys: Iterable[Any], setting: str) -> tuple[bytes, ...]:
    """Keys as 32 bytes or as URL-safe base64 of them. No error shows a key."""
    decoded = tuple(map(_decoded_card_key, keys))
    if any(len(key) != 32 for key in decoded):
        raise ImproperlyConfigured(
            f"{setting} must be URL-safe base64 keys of 32 bytes"
        )
    return decoded


def _decoded_card_key(key: Any) -> bytes:
    """Without a valid key: b""."""
    if isinstance(key, bytes):
        return key
    try:
        return base64.b64decode(str(key).strip() + "==", altchars=b"-_")
    except (binascii.Error, ValueError):
        return b""


_OVERRIDE_KEYS: Final = (
    "LABEL",
    "MIN",
    "MAX",
    "CURRENCIES",
    "REFUNDS",
    "CANCELS",
    "CONFIRMS_WITHIN",
)


def method_overrides(value: Any, setting: str) -> dict[str, dict[str, Any]]:
    """``{"PAYPAL": {"MAX": Decimal(500)}}`` → code → fields of ``Method``."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(f"{setting} must be a dict")
    reject_unknown_keys(value, tuple(payment_methods.KNOWN), setting)
    return {
        code: _method_fields(raw, f"{setting}[{code!r}]") for code, raw in value.items()
    }


def _method_fields(raw: Any, setting: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured(f"{setting} must be a dict")
    reject_unknown_keys(raw, _OVERRIDE_KEYS, setting)
    found: dict[str, Any] = {}
    if "LABEL" in raw:
        found["label"] = raw["LABEL"]
    for key, name in (("MIN", "minimum"), ("MAX", "maximum")):
        if key in raw:
            found[name] = max_amount(raw[key], f"{setting}[{key!r}]")
    if "CURRENCIES" in raw:
        where = f"{setting}['CURRENCIES']"
        found["currencies"] = string_list(raw["CURRENCIES"], where)
        reject_unknown_currencies(found["currencies"], where)
    if "REFUNDS" in raw:
        found["refunds"] = one_of(
            raw["REFUNDS"], payment_methods.REFUNDS, f"{setting}['REFUNDS']"
        )
    if "CANCELS" in raw:
        found["cancels"] = boolean(raw["CANCELS"], f"{setting}['CANCELS']")
    if "CONFIRMS_WITHIN" in raw:
        value = raw["CONFIRMS_WITHIN"]
        found["confirms_within"] = None
        if value is not None:
            where = f"{setting}['CONFIRMS_WITHIN']"
            found["confirms_within"] = timedelta(
                seconds=seconds(value, where, minimum=0)
            )
    return found
