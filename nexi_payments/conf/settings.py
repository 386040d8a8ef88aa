"""``settings.NEXI_PAYMENTS`` → a frozen ``Settings`` object.

Validated once and cached until the setting changes. The error for an unknown key
suggests the closest known one.
"""

from __future__ import annotations

import hmac
import ipaddress
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from nexi_payments.conf import proxies, staff_rules, validators
from nexi_payments.conf.terminals import Terminal, load_terminal
from nexi_payments.enums import Duplicates
from nexi_payments.exceptions import TerminalNotConfigured

#: ``SEALED_CARD_BACKEND``: the database; any other value is the name of a cache
DATABASE: Final = "database"


@dataclass(frozen=True)
class Settings:
    """All values of ``NEXI_PAYMENTS``; durations in seconds."""

    terminals: Mapping[str, Terminal]
    public_url: str = ""
    #: dotted path of the URLconf of that host; "" = ROOT_URLCONF
    urlconf: str = ""
    sealed_card_keys: tuple[bytes, ...] = field(default=(), repr=False)
    sealed_card_keys_derived: bool = False
    #: dotted path of a function that returns the keys (``conf.sealed_card_keys``)
    sealed_card_keys_hook: str = ""
    sealed_card_ttl: float = 900
    sealed_card_cvv: bool = True
    sealed_card_backend: str = DATABASE
    connect_timeout: float = 5
    total_timeout: float = 25
    keep_alive: float = 10
    settle_after: float = 900
    watch_for: float = 259_200
    expire_after: float = 1800
    hosted_expire_after: float = 3600
    duplicates: str = Duplicates.REVIEW
    #: code of a payment method → fields of ``payment_methods.Method`` that differ
    method_overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    require_liability_shift: bool = False
    #: limit → (failed attempts, window in seconds)
    rate_limits: Mapping[str, tuple[int, float]] = field(
        default_factory=lambda: validators.DEFAULT_RATE_LIMITS
    )
    trusted_proxies: tuple[proxies.Network, ...] = ()
    #: whether peers without an address, on a unix socket, are a proxy of the shop
    trusts_unix_socket: bool = False
    retention: float | None = None  # None: personal data is never erased
    #: names, addresses and notes of staff stay that long; None: for ever
    audit_retention: float | None = 366 * 86_400
    simulator_state: str = ""
    merchant_name: str = ""  # the name that shoppers know
    mails: tuple[str, ...] = ()  # the e-mails that are sent automatically
    #: dotted path of a function: order or contract → language code
    mail_language: str = ""
    integrity: bool = False
    #: dotted path of a function that chooses the exemption to request from 3-D Secure
    exemption_rule: str = ""
    #: dotted path of a function that may veto a charge
    before_charge: str = ""
    #: dotted path of a function: whether the user of a request proved more than a
    #: password
    is_verified: str = ""
    #: dotted paths of authentication classes of the API that may move money although
    #: they prove a password alone
    api_password_authentication: tuple[str, ...] = ()
    #: dotted path of a function: where a guest has to show to be human
    captcha: str = ""
    #: dotted path of a function: reference → ``flows.ShopOrder``
    reference_lookup: str = ""
    reference_lookup_strict: bool = False
    #: how long calls are kept in the communication log; 0: none is logged
    communication_log: float = 7_776_000
    #: whether staff must choose a reason for a refund
    refund_reason_required: bool = False
    #: whether staff never see the digits of a card number while they type it
    mask_card_number: bool = False
    #: seconds after a soft decline until a due charge is retried
    charge_retries: tuple[float, ...] = (86_400, 259_200, 604_800)
    #: group → terminal → rights; empty: the permissions hold for all terminals
    terminal_rights: staff_rules.TerminalRights = field(default_factory=dict)
    #: permission → group → currency → minor units above which another person approves
    approval_ceilings: staff_rules.Ceilings = field(default_factory=dict)

    def terminal(self, name: str) -> Terminal:
        """Raises ``TerminalNotConfigured`` for an unknown name."""
        if name not in self.terminals:
            hint = validators.did_you_mean(name, self.terminals)
            raise TerminalNotConfigured(name, hint)
        return self.terminals[name]

    def is_live(self, name: str) -> bool:
        """Whether a terminal moves real money. An unknown one may have: True."""
        terminal = self.terminals.get(name)
        return terminal is None or terminal.is_live

    @property
    def moto_terminals(self) -> list[Terminal]:
        """The terminals with ``MOTO``, in the order of the settings."""
        return [terminal for terminal in self.terminals.values() if terminal.moto]

    @property
    def desk_terminals(self) -> list[Terminal]:
        """The terminals of the phone order desk: those with ``MOTO``. Without any, all
        on which shoppers pay: the desk only sends secure links then.
        """
        every = list(self.terminals.values())
        openers = {one.hosted_terminal for one in every if one.hosted_terminal}
        shops = [one for one in every if one.name not in openers]
        return self.moto_terminals or shops or every

    def link_terminal(self, terminal: Terminal) -> Terminal | None:
        """The terminal on which customers pay secure links of ``terminal``, or
        ``None``: ``LINK_TERMINAL``; without it "default" where ``terminal`` takes phone
        orders, else ``terminal`` itself.
        """
        usual = "default" if terminal.takes_phone_cards else terminal.name
        return self.terminals.get(terminal.link_terminal or usual)

    @property
    def verification_terminals(self) -> list[Terminal]:
        """The terminals that take cards, for zero-amount verifications: those with
        ``MOTO`` first."""
        found = [one for one in self.terminals.values() if one.has_own_card_page]
        return sorted(found, key=lambda terminal: not terminal.moto)

    @property
    def takes_cards(self) -> bool:
        """Whether any terminal takes cards from our pages, the API or the desk."""
        return any(one.has_own_card_page for one in self.terminals.values())

    @property
    def has_hosted_page(self) -> bool:
        """Whether any terminal sends shoppers to Nexi's hosted page."""
        return any(one.has_hosted_page for one in self.terminals.values())

    def hosted_terminal(self, terminal: Terminal) -> Terminal:
        """The terminal whose key opens the hosted page for ``terminal``. Raises
        ``TerminalNotConfigured``."""
        return self.terminal(terminal.hosted_terminal or terminal.name)

    @property
    def logs_calls(self) -> bool:
        """Whether calls to Nexi are written to the communication log."""
        return self.communication_log > 0

    @property
    def takeover_after(self) -> float:
        """Seconds after which a send whose process died is over for certain."""
        return 2 * self.total_timeout

    @property
    def lag(self) -> float:
        """Seconds that Nexi's lists may lag behind what it executed."""
        return self.settle_after / 15

    @property
    def claim_timeout(self) -> float:
        """Seconds after which the request that claimed an order has ended."""
        return self.total_timeout + 5

    @property
    def has_trusted_proxies(self) -> bool:
        return bool(self.trusted_proxies) or self.trusts_unix_socket

    def is_trusted_proxy(
        self, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
    ) -> bool:
        """Whether the peer at ``address`` is a proxy of the shop. ``None`` is a peer on
        a unix socket."""
        if address is None:
            return self.trusts_unix_socket
        return any(address in proxy for proxy in self.trusted_proxies)

    @property
    def order_prefix(self) -> str:
        """The first three characters of our order ids. On a shared terminal they tell
        our orders from others. Derived from SECRET_KEY, which they do not reveal."""
        digest = self.derived_key(b"order prefix")
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        return "".join(alphabet[byte % 32] for byte in digest[:3])

    def derived_key(self, purpose: bytes) -> bytes:
        """A secret of 32 bytes that is in no database, derived from SECRET_KEY."""
        secret = str(django_settings.SECRET_KEY).encode()
        return hmac.digest(secret, b"nexi_payments/" + purpose, "sha256")


_KEYS: Final = (
    "TERMINALS",
    "PUBLIC_URL",
    "URLCONF",
    "SEALED_CARD_KEYS",
    "SEALED_CARD_TTL",
    "SEALED_CARD_CVV",
    "SEALED_CARD_BACKEND",
    "CONNECT_TIMEOUT",
    "TOTAL_TIMEOUT",
    "KEEP_ALIVE",
    "SETTLE_AFTER",
    "WATCH_FOR",
    "EXPIRE_AFTER",
    "HOSTED_EXPIRE_AFTER",
    "DUPLICATES",
    "METHOD_OVERRIDES",
    "REQUIRE_LIABILITY_SHIFT",
    "RATE_LIMITS",
    "TRUSTED_PROXIES",
    "RETENTION",
    "AUDIT_RETENTION",
    "SIMULATOR_STATE",
    "MERCHANT_NAME",
    "MAILS",
    "MAIL_LANGUAGE",
    "INTEGRITY",
    "EXEMPTION_RULE",
    "BEFORE_CHARGE",
    "CAPTCHA",
    "IS_VERIFIED",
    "API_PASSWORD_AUTHENTICATION",
    "REFERENCE_LOOKUP",
    "REFERENCE_LOOKUP_STRICT",
    "MASK_CARD_NUMBER",
    "REFUND_REASON_REQUIRED",
    "CHARGE_RETRIES",
    "APPROVAL_CEILINGS",
    "COMMUNICATION_LOG",
    "TERMINAL_RIGHTS",
)
_HOOKS: Final = (
    "MAIL_LANGUAGE",
    "EXEMPTION_RULE",
    "BEFORE_CHARGE",
    "CAPTCHA",
    "IS_VERIFIED",
    "REFERENCE_LOOKUP",
)
_SWITCHES: Final = (
    "SEALED_CARD_CVV",
    "REQUIRE_LIABILITY_SHIFT",
    "INTEGRITY",
    "REFERENCE_LOOKUP_STRICT",
    "MASK_CARD_NUMBER",
    "REFUND_REASON_REQUIRED",
)
_DURATIONS: Final = (
    ("SEALED_CARD_TTL", 0.001),
    ("CONNECT_TIMEOUT", 0.001),
    ("TOTAL_TIMEOUT", 0.001),
    ("KEEP_ALIVE", 0),
    ("SETTLE_AFTER", 0),
    ("WATCH_FOR", 0),
    ("EXPIRE_AFTER", 0.001),
    ("HOSTED_EXPIRE_AFTER", 0.001),
    ("COMMUNICATION_LOG", 0),
)
_cached: dict[str, Settings] = {}
_lock = threading.Lock()


def current() -> Settings:
    """The current settings. Raises ``ImproperlyConfigured``; the message names the
    setting to fix."""
    settings = _cached.get("current")
    if settings is None:
        with _lock:
            settings = load()
            _refuse_debug(settings)
            _cached["current"] = settings
    return settings


def _refuse_debug(settings: Settings) -> None:
    """A server that was not started by ``manage.py`` runs no system check (E021)."""
    live = [one.name for one in settings.terminals.values() if one.is_live]
    if live and django_settings.DEBUG:
        raise ImproperlyConfigured(
            f"terminal {live[0]!r} charges real money, and DEBUG is on: error pages"
            " show settings and variables to every visitor"
        )


def _clear_cache(*, setting: str, **kwargs: Any) -> None:
    if setting in {"NEXI_PAYMENTS", "DEBUG", "SECRET_KEY"}:
        _cached.clear()


setting_changed.connect(_clear_cache, dispatch_uid="nexi_payments.conf")


def load(raw: Any = None) -> Settings:
    """Validate the dict. For ``current()`` and the system checks.

    Raises ``ImproperlyConfigured``.
    """
    raw = raw or getattr(django_settings, "NEXI_PAYMENTS", None)
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured("NEXI_PAYMENTS must be a dict with 'TERMINALS'")
    validators.reject_unknown_keys(raw, _KEYS, "NEXI_PAYMENTS")
    options_by_name = raw.get("TERMINALS")
    if not isinstance(options_by_name, Mapping) or not options_by_name:
        raise ImproperlyConfigured(
            "NEXI_PAYMENTS['TERMINALS'] must name at least one terminal, 'default'"
        )
    terminals = {
        name: load_terminal(name, options) for name, options in options_by_name.items()
    }
    # cards are sealed during 3-D Secure on our own page only
    real = any(
        terminal.has_own_card_page and not terminal.simulated
        for terminal in terminals.values()
    )
    listed = raw.get("SEALED_CARD_KEYS")
    hook = validators.card_keys_hook(listed, "NEXI_PAYMENTS['SEALED_CARD_KEYS']")
    keys, derived = (
        ((), False) if hook else validators.sealed_card_keys(listed, needed=real)
    )
    live = any(terminal.is_live for terminal in terminals.values())
    return Settings(
        terminals=terminals,
        public_url=validators.absolute_url(
            raw.get("PUBLIC_URL"), "NEXI_PAYMENTS['PUBLIC_URL']", allow_http=not live
        ),
        urlconf=validators.dotted_path(raw.get("URLCONF"), "NEXI_PAYMENTS['URLCONF']"),
        rate_limits=validators.rate_limits(
            raw.get("RATE_LIMITS"), "NEXI_PAYMENTS['RATE_LIMITS']"
        ),
        retention=validators.retention_seconds(
            raw.get("RETENTION"), "NEXI_PAYMENTS['RETENTION']"
        ),
        audit_retention=validators.retention_seconds(
            raw.get("AUDIT_RETENTION", Settings.audit_retention),
            "NEXI_PAYMENTS['AUDIT_RETENTION']",
        ),
        **proxies.trusted_proxies(
            raw.get("TRUSTED_PROXIES"), "NEXI_PAYMENTS['TRUSTED_PROXIES']"
        ),
        simulator_state=str(raw.get("SIMULATOR_STATE") or ""),
        merchant_name=str(raw.get("MERCHANT_NAME") or ""),
        mails=validators.subset_of(
            raw.get("MAILS", ()), validators.EMAIL_KINDS, "NEXI_PAYMENTS['MAILS']"
        ),
        charge_retries=validators.retry_delays(
            raw.get("CHARGE_RETRIES", Settings.charge_retries),
            "NEXI_PAYMENTS['CHARGE_RETRIES']",
        ),
        terminal_rights=staff_rules.terminal_rights(
            raw.get("TERMINAL_RIGHTS"), "NEXI_PAYMENTS['TERMINAL_RIGHTS']"
        ),
        approval_ceilings=staff_rules.approval_ceilings(
            raw.get("APPROVAL_CEILINGS"), "NEXI_PAYMENTS['APPROVAL_CEILINGS']"
        ),
        duplicates=validators.one_of(
            raw.get("DUPLICATES", Duplicates.REVIEW),
            Duplicates.values,
            "NEXI_PAYMENTS['DUPLICATES']",
        ),
        method_overrides=validators.method_overrides(
            raw.get("METHOD_OVERRIDES"), "NEXI_PAYMENTS['METHOD_OVERRIDES']"
        ),
        api_password_authentication=validators.dotted_paths(
            raw.get("API_PASSWORD_AUTHENTICATION"),
            "NEXI_PAYMENTS['API_PASSWORD_AUTHENTICATION']",
        ),
        sealed_card_keys=keys,
        sealed_card_backend=validators.one_of(
            raw.get("SEALED_CARD_BACKEND", DATABASE),
            (DATABASE, *django_settings.CACHES),
            "NEXI_PAYMENTS['SEALED_CARD_BACKEND']",
        ),
        sealed_card_keys_derived=derived,
        sealed_card_keys_hook=hook,
        **_hooks(raw),
        **_switches(raw),
        **_durations(raw),
    )


def _hooks(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.lower(): validators.dotted_path(raw.get(name), f"NEXI_PAYMENTS[{name!r}]")
        for name in _HOOKS
    }


def _switches(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.lower(): validators.boolean(raw[name], f"NEXI_PAYMENTS[{name!r}]")
        for name in _SWITCHES
        if name in raw
    }


def _durations(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.lower(): validators.seconds(
            raw[name], f"NEXI_PAYMENTS[{name!r}]", minimum=minimum
        )
        for name, minimum in _DURATIONS
        if name in raw
    }
