"""An entry of ``TERMINALS`` → a frozen, validated ``Terminal``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import payment_methods
from nexi_payments.conf import validators
from nexi_payments.enums import CaptureMode, CardEntry, Flow, PaymentLinks
from nexi_payments.gateway.payloads import EXEMPTIONS, NO_PREFERENCE

SIMULATOR: Final = "simulator"
SANDBOX: Final = "sandbox"
PRODUCTION: Final = "production"
ENVIRONMENTS: Final = (SIMULATOR, SANDBOX, PRODUCTION)

#: ``CURRENCIES`` of a terminal that does not set it.
DEFAULT_CURRENCIES: Final = ("EUR",)

_API_PATH: Final = "/api/phoenix-0.0/psp/api/v1"
BASE_URLS: Final = {
    PRODUCTION: "https://xpay.nexigroup.com" + _API_PATH,
    SANDBOX: "https://xpaysandbox.nexigroup.com" + _API_PATH,
}
#: Nexi's own hosts for NPG. The last one is an older address of the sandbox.
NEXI_HOSTS: Final = {
    "xpay.nexigroup.com": PRODUCTION,
    "xpaysandbox.nexigroup.com": SANDBOX,
    "stg-ta.nexigroup.com": SANDBOX,
}


@dataclass(frozen=True)
class Terminal:
    """A terminal: an API key at Nexi and its options. ``max_amount`` in major units."""

    name: str
    api_key: str = field(repr=False)
    environment: str
    base_url: str  # "" = the built-in simulator
    flow: str = Flow.THREE_STEPS
    capture: str = CaptureMode.AUTOMATIC
    moto: bool = False
    max_amount: Decimal | None = None
    currencies: tuple[str, ...] = DEFAULT_CURRENCIES
    three_ds_hosts: tuple[str, ...] = ()
    link_terminal: str = ""
    cards: str = CardEntry.OWN_PAGE
    #: codes of ``payment_methods``; ``None`` = all that Nexi lists for the terminal
    methods: tuple[str, ...] | None = ()
    #: the terminal whose key opens the hosted page; "" = this one
    hosted_terminal: str = ""
    hosted_page_hosts: tuple[str, ...] = ()
    links: str = PaymentLinks.OWN_PAGE
    exemption: str = NO_PREFERENCE

    @property
    def is_live(self) -> bool:
        """Charges real money."""
        return self.environment == PRODUCTION

    @property
    def has_own_card_page(self) -> bool:
        """Whether cards may be sent from our pages, the API and the desk."""
        return self.cards == CardEntry.OWN_PAGE

    @property
    def takes_phone_cards(self) -> bool:
        """Whether clerks may enter cards. Without it the desk sends secure links."""
        return self.moto and self.has_own_card_page

    @property
    def sends_nexi_links(self) -> bool:
        """Whether Nexi's own payment links may be made."""
        return self.links == PaymentLinks.NEXI

    @property
    def has_hosted_page(self) -> bool:
        """Whether anything may be paid on Nexi's hosted page."""
        methods = self.methods != () or not self.has_own_card_page
        return methods or self.sends_nexi_links

    @property
    def simulated(self) -> bool:
        """Served by the simulator inside this process."""
        return self.environment == SIMULATOR and not self.base_url

    @property
    def host_environment(self) -> str:
        """The environment of Nexi's host in ``base_url``; "" for another host."""
        return NEXI_HOSTS.get(urlsplit(self.base_url).hostname or "", "")


TERMINAL_KEYS: Final = (
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
    "CARDS",
    "METHODS",
    "HOSTED_TERMINAL",
    "HOSTED_PAGE_HOSTS",
    "LINKS",
    "EXEMPTION",
)


def load_terminal(name: str, raw: Any) -> Terminal:
    """Validate an entry of ``TERMINALS``. Raises ``ImproperlyConfigured``."""
    where = f"NEXI_PAYMENTS['TERMINALS'][{name!r}]"
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured(f"{where} must be a dict")
    validators.reject_unknown_keys(raw, TERMINAL_KEYS, where)
    key = validators.api_key(raw.get("API_KEY"), f"{where}['API_KEY']")
    environment = _environment(raw.get("ENVIRONMENT"), key, where)
    base_url = validators.absolute_url(
        raw.get("BASE_URL") or BASE_URLS.get(environment),
        f"{where}['BASE_URL']",
        allow_http=environment != PRODUCTION,
    )
    if environment == SIMULATOR and not base_url and not _simulator_allowed():
        raise ImproperlyConfigured(
            f"{where} is the simulator, which charges no money: it needs DEBUG"
        )
    currencies = validators.string_list(raw.get("CURRENCIES"), f"{where}['CURRENCIES']")
    validators.reject_unknown_currencies(currencies, f"{where}['CURRENCIES']")
    host = urlsplit(base_url).netloc
    hosts = validators.string_list(
        raw.get("THREE_DS_HOSTS"), f"{where}['THREE_DS_HOSTS']"
    )
    return Terminal(
        name=name,
        api_key=key or "simulator",
        environment=environment,
        base_url=base_url,
        flow=validators.one_of(
            raw.get("FLOW", Flow.THREE_STEPS), Flow.values, f"{where}['FLOW']"
        ),
        capture=validators.one_of(
            raw.get("CAPTURE", CaptureMode.AUTOMATIC),
            CaptureMode.values,
            f"{where}['CAPTURE']",
        ),
        moto=validators.boolean(raw.get("MOTO", False), f"{where}['MOTO']"),
        max_amount=validators.max_amount(
            raw.get("MAX_AMOUNT"), f"{where}['MAX_AMOUNT']"
        ),
        currencies=currencies or DEFAULT_CURRENCIES,
        three_ds_hosts=hosts or ((host,) if host else ()),
        link_terminal=str(raw.get("LINK_TERMINAL") or ""),
        cards=validators.one_of(
            raw.get("CARDS", CardEntry.OWN_PAGE), CardEntry.values, f"{where}['CARDS']"
        ),
        methods=_methods(raw.get("METHODS", ()), f"{where}['METHODS']"),
        hosted_terminal=str(raw.get("HOSTED_TERMINAL") or ""),
        hosted_page_hosts=validators.string_list(
            raw.get("HOSTED_PAGE_HOSTS"), f"{where}['HOSTED_PAGE_HOSTS']"
        )
        or ((host,) if host else ()),
        links=validators.one_of(
            raw.get("LINKS", PaymentLinks.OWN_PAGE),
            PaymentLinks.values,
            f"{where}['LINKS']",
        ),
        exemption=validators.one_of(
            raw.get("EXEMPTION", NO_PREFERENCE), EXEMPTIONS, f"{where}['EXEMPTION']"
        ),
    )


def _methods(value: Any, where: str) -> tuple[str, ...] | None:
    """``METHODS``: "auto" → ``None``; else known codes, in the order of the setting."""
    if value == "auto":
        return None
    codes = validators.string_list(value, where)
    for code in codes:
        if code == payment_methods.CARDS:
            raise ImproperlyConfigured(
                f"{where} names 'CARDS': set CARDS to 'hosted_page' for cards on Nexi's"
                " hosted page"
            )
        if code not in payment_methods.KNOWN:
            hint = validators.did_you_mean(code, payment_methods.KNOWN)
            raise ImproperlyConfigured(f"{where}: unknown method {code!r}{hint}")
    return codes


def _environment(value: Any, key: str, where: str) -> str:
    """``ENVIRONMENT``; without it, a key means the sandbox, and no key the simulator
    (in DEBUG and tests only)."""
    if value is None and key:
        return SANDBOX
    if value is None and _simulator_allowed():
        return SIMULATOR
    if value is None:
        raise ImproperlyConfigured(
            f"{where} needs an API_KEY (the simulator without one needs DEBUG)"
        )
    environment = validators.one_of(value, ENVIRONMENTS, f"{where}['ENVIRONMENT']")
    if environment != SIMULATOR and not key:
        raise ImproperlyConfigured(f"{where} needs an API_KEY for {environment}")
    return environment


def _simulator_allowed() -> bool:
    """In DEBUG and in test runs, where Django sets ``mail.outbox``."""
    return bool(django_settings.DEBUG) or hasattr(mail, "outbox")
