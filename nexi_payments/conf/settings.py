"""``settings.NEXI_PAYMENTS`` → one frozen ``Settings``, checked once, dropped when the
setting changes. An unknown key is an error that names its neighbour.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from nexi_payments.conf import reading
from nexi_payments.conf.terminals import (
    PRODUCTION,
    Terminal,
)
from nexi_payments.conf.terminals import read as read_terminal

#: where sealed cards wait; anything else is the name of a cache
DATABASE: Final = "database"


@dataclass(frozen=True)
class Settings:
    """Everything in ``NEXI_PAYMENTS``; times in seconds."""

    terminals: Mapping[str, Terminal]
    public_url: str = ""
    hold_keys: tuple[bytes, ...] = field(default=(), repr=False)
    hold_keys_derived: bool = False
    hold_ttl: float = 900
    hold_cvv: bool = True
    hold_backend: str = DATABASE
    connect_timeout: float = 5
    total_timeout: float = 25
    keep_alive: float = 10
    settle_after: float = 900
    watch_for: float = 259_200
    expire_after: float = 1800
    require_liability_shift: bool = False
    #: limit → (attempts that fail, seconds in which)
    rate_limits: Mapping[str, tuple[int, float]] = field(
        default_factory=lambda: reading.RATE_LIMITS
    )
    trusted_proxies: tuple[reading.Network, ...] = ()
    retention: float | None = None  # None = personal data stays
    simulator_state: str = ""
    merchant_name: str = ""  # as the shopper knows the shop
    mails: tuple[str, ...] = ()  # which go out by themselves
    #: dotted path of a function: order or card on file → language code
    mail_language: str = ""
    integrity: bool = False
    #: dotted path of a function that says what 3-D Secure is asked for
    exemption_rule: str = ""
    #: seconds after a soft decline at which a due charge is tried again
    charge_retries: tuple[float, ...] = (86_400, 259_200, 604_800)

    def terminal(self, name: str) -> Terminal:
        try:
            return self.terminals[name]
        except KeyError:
            pass
        raise ImproperlyConfigured(
            f"NEXI_PAYMENTS['TERMINALS'] has no {name!r}"
            + reading.did_you_mean(name, self.terminals)
        )

    @property
    def claim_deadline(self) -> float:
        """After this long a claimed order's request is surely over."""
        return self.total_timeout + 5

    @property
    def order_prefix(self) -> str:
        """Three characters at the front of our order ids, so that a sweep of a shared
        terminal sees ours only. They come from SECRET_KEY and tell nothing about it."""
        digest = hmac.digest(
            str(django_settings.SECRET_KEY).encode(),
            b"nexi_payments/order prefix",
            "sha256",
        )
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        return "".join(alphabet[byte % 32] for byte in digest[:3])


_SETTINGS: Final = (
    "TERMINALS",
    "PUBLIC_URL",
    "HOLD_KEYS",
    "HOLD_TTL",
    "HOLD_CVV",
    "HOLD_BACKEND",
    "CONNECT_TIMEOUT",
    "TOTAL_TIMEOUT",
    "KEEP_ALIVE",
    "SETTLE_AFTER",
    "WATCH_FOR",
    "EXPIRE_AFTER",
    "REQUIRE_LIABILITY_SHIFT",
    "RATE_LIMITS",
    "TRUSTED_PROXIES",
    "RETENTION",
    "SIMULATOR_STATE",
    "MERCHANT_NAME",
    "MAILS",
    "MAIL_LANGUAGE",
    "INTEGRITY",
    "EXEMPTION_RULE",
    "CHARGE_RETRIES",
)
_SECONDS: Final = (
    ("HOLD_TTL", 0.001),
    ("CONNECT_TIMEOUT", 0.001),
    ("TOTAL_TIMEOUT", 0.001),
    ("KEEP_ALIVE", 0),
    ("SETTLE_AFTER", 0),
    ("WATCH_FOR", 0),
    ("EXPIRE_AFTER", 0.001),
)
_cached: dict[str, Settings] = {}
_lock = threading.Lock()


def current() -> Settings:
    """The settings in force. Raises ``ImproperlyConfigured`` with what to mend."""
    found = _cached.get("now")
    if found is None:
        with _lock:
            found = _cached["now"] = load()
    return found


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in {"NEXI_PAYMENTS", "DEBUG", "SECRET_KEY"}:
        _cached.clear()


setting_changed.connect(_forget, dispatch_uid="nexi_payments.conf")


def load(raw: Any = None) -> Settings:
    """Reads and checks the dict; for ``current()`` and the system checks."""
    raw = raw or getattr(django_settings, "NEXI_PAYMENTS", None)
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured("NEXI_PAYMENTS must be a dict with 'TERMINALS'")
    reading.refuse_unknown(raw, _SETTINGS, "NEXI_PAYMENTS")
    terminals = raw.get("TERMINALS")
    if not isinstance(terminals, Mapping) or not terminals:
        raise ImproperlyConfigured(
            "NEXI_PAYMENTS['TERMINALS'] must name at least one terminal, 'default'"
        )
    read = {name: read_terminal(name, options) for name, options in terminals.items()}
    real = any(not terminal.simulated for terminal in read.values())
    keys, derived = reading.hold_keys(raw.get("HOLD_KEYS"), needed=real)
    live = any(terminal.environment == PRODUCTION for terminal in read.values())
    return Settings(
        terminals=read,
        public_url=reading.web_address(
            raw.get("PUBLIC_URL"), "NEXI_PAYMENTS['PUBLIC_URL']", may_be_http=not live
        ),
        rate_limits=reading.rate_limits(
            raw.get("RATE_LIMITS"), "NEXI_PAYMENTS['RATE_LIMITS']"
        ),
        retention=reading.a_day_or_more(
            raw.get("RETENTION"), "NEXI_PAYMENTS['RETENTION']"
        ),
        trusted_proxies=reading.networks(
            raw.get("TRUSTED_PROXIES"), "NEXI_PAYMENTS['TRUSTED_PROXIES']"
        ),
        simulator_state=str(raw.get("SIMULATOR_STATE") or ""),
        merchant_name=str(raw.get("MERCHANT_NAME") or ""),
        mails=reading.some_of(
            raw.get("MAILS", ()), reading.MAILS, "NEXI_PAYMENTS['MAILS']"
        ),
        mail_language=reading.dotted_path(
            raw.get("MAIL_LANGUAGE"), "NEXI_PAYMENTS['MAIL_LANGUAGE']"
        ),
        exemption_rule=reading.dotted_path(
            raw.get("EXEMPTION_RULE"), "NEXI_PAYMENTS['EXEMPTION_RULE']"
        ),
        charge_retries=reading.pauses(
            raw.get("CHARGE_RETRIES", Settings.charge_retries),
            "NEXI_PAYMENTS['CHARGE_RETRIES']",
        ),
        hold_keys=keys,
        hold_backend=reading.one_of(
            raw.get("HOLD_BACKEND", DATABASE),
            (DATABASE, *django_settings.CACHES),
            "NEXI_PAYMENTS['HOLD_BACKEND']",
        ),
        hold_keys_derived=derived,
        **{
            name.lower(): reading.boolean(raw[name], f"NEXI_PAYMENTS[{name!r}]")
            for name in ("HOLD_CVV", "REQUIRE_LIABILITY_SHIFT", "INTEGRITY")
            if name in raw
        },
        **_numbers(raw),
    )


def _numbers(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.lower(): reading.seconds(
            raw[name], f"NEXI_PAYMENTS[{name!r}]", least=least
        )
        for name, least in _SECONDS
        if name in raw
    }
