"""``settings.NEXI_PAYMENTS`` → one frozen ``Settings``, checked once, dropped when the
setting changes. An unknown key is an error that names its neighbour.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from nexi_payments import money, states
from nexi_payments.conf import reading
from nexi_payments.exceptions import InvalidAmount

SIMULATOR: Final = "simulator"
SANDBOX: Final = "sandbox"
PRODUCTION: Final = "production"
#: where sealed cards wait; anything else is the name of a cache
DATABASE: Final = "database"
ENVIRONMENTS: Final = (SIMULATOR, SANDBOX, PRODUCTION)

_API: Final = "/api/phoenix-0.0/psp/api/v1"
BASE_URLS: Final = {
    PRODUCTION: "https://xpay.nexigroup.com" + _API,
    SANDBOX: "https://xpaysandbox.nexigroup.com" + _API,
}


@dataclass(frozen=True)
class Terminal:
    """One API key at Nexi and what may be done with it."""

    name: str
    api_key: str = field(repr=False)
    environment: str
    base_url: str  # "" = the built-in simulator
    flow: str = states.FLOW_3STEPS
    capture: str = states.CAPTURE_AUTOMATIC
    moto: bool = False
    max_amount: Decimal | None = None
    currencies: tuple[str, ...] = ()
    three_ds_hosts: tuple[str, ...] = ()
    link_terminal: str = ""

    @property
    def simulated(self) -> bool:
        """Served by the simulator inside this process."""
        return self.environment == SIMULATOR and not self.base_url


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
)
_TERMINAL: Final = (
    "API_KEY",
    "ENVIRONMENT",
    "BASE_URL",
    "FLOW",
    "CAPTURE",
    "MOTO",
    "MAX_AMOUNT",
    "CURRENCIES",
    "THREE_DS_HOSTS",
    "LINK_TERMINAL",
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


def load() -> Settings:
    """Reads and checks the dict; for ``current()`` and the system checks."""
    raw = getattr(django_settings, "NEXI_PAYMENTS", None)
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured("NEXI_PAYMENTS must be a dict with 'TERMINALS'")
    reading.refuse_unknown(raw, _SETTINGS, "NEXI_PAYMENTS")
    terminals = raw.get("TERMINALS")
    if not isinstance(terminals, Mapping) or not terminals:
        raise ImproperlyConfigured(
            "NEXI_PAYMENTS['TERMINALS'] must name at least one terminal, 'default'"
        )
    keys, derived = reading.hold_keys(raw.get("HOLD_KEYS"))
    read = {name: _terminal(name, options) for name, options in terminals.items()}
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
        hold_keys=keys,
        hold_backend=reading.one_of(
            raw.get("HOLD_BACKEND", DATABASE),
            (DATABASE, *django_settings.CACHES),
            "NEXI_PAYMENTS['HOLD_BACKEND']",
        ),
        hold_keys_derived=derived,
        **{
            name.lower(): reading.boolean(raw[name], f"NEXI_PAYMENTS[{name!r}]")
            for name in ("HOLD_CVV", "REQUIRE_LIABILITY_SHIFT")
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


def _terminal(name: str, raw: Any) -> Terminal:
    where = f"NEXI_PAYMENTS['TERMINALS'][{name!r}]"
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured(f"{where} must be a dict")
    reading.refuse_unknown(raw, _TERMINAL, where)
    key = reading.api_key(raw.get("API_KEY"), f"{where}['API_KEY']")
    environment = _environment(raw.get("ENVIRONMENT"), key, where)
    base_url = reading.web_address(
        raw.get("BASE_URL") or BASE_URLS.get(environment),
        f"{where}['BASE_URL']",
        may_be_http=environment != PRODUCTION,
    )
    if environment == SIMULATOR and not base_url and not _may_simulate():
        raise ImproperlyConfigured(
            f"{where} is the simulator, which takes no money: not without DEBUG"
        )
    currencies = reading.texts(raw.get("CURRENCIES"), f"{where}['CURRENCIES']")
    _known(currencies, where)
    host = urlsplit(base_url).netloc
    hosts = reading.texts(raw.get("THREE_DS_HOSTS"), f"{where}['THREE_DS_HOSTS']")
    return Terminal(
        name=name,
        api_key=key or "simulator",
        environment=environment,
        base_url=base_url,
        flow=reading.one_of(
            raw.get("FLOW", states.FLOW_3STEPS), states.FLOWS, f"{where}['FLOW']"
        ),
        capture=reading.one_of(
            raw.get("CAPTURE", states.CAPTURE_AUTOMATIC),
            states.CAPTURES,
            f"{where}['CAPTURE']",
        ),
        moto=reading.boolean(raw.get("MOTO", False), f"{where}['MOTO']"),
        max_amount=reading.amount_ceiling(
            raw.get("MAX_AMOUNT"), f"{where}['MAX_AMOUNT']"
        ),
        currencies=currencies,
        three_ds_hosts=hosts or ((host,) if host else ()),
        link_terminal=str(raw.get("LINK_TERMINAL") or ""),
    )


def _environment(value: Any, key: str, where: str) -> str:
    """A key without a word is the sandbox; no key and DEBUG is the simulator."""
    if value is None and key:
        return SANDBOX
    if value is None and django_settings.DEBUG:
        return SIMULATOR
    if value is None:
        raise ImproperlyConfigured(
            f"{where} needs an API_KEY (without one, only DEBUG has the simulator)"
        )
    environment = reading.one_of(value, ENVIRONMENTS, f"{where}['ENVIRONMENT']")
    if environment != SIMULATOR and not key:
        raise ImproperlyConfigured(f"{where} needs an API_KEY for {environment}")
    return environment


def _known(currencies: tuple[str, ...], where: str) -> None:
    for currency in currencies:
        try:
            money.exponent(currency)
        except InvalidAmount as error:
            raise ImproperlyConfigured(f"{where}['CURRENCIES']: {error}") from None


def _may_simulate() -> bool:
    """DEBUG, or a test run: Django's test environment has a mail outbox."""
    return bool(django_settings.DEBUG) or hasattr(mail, "outbox")
