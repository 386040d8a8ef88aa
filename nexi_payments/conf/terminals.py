"""One entry of ``TERMINALS`` → one frozen ``Terminal``, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import states
from nexi_payments.conf import reading
from nexi_payments.gateway.payloads import EXEMPTIONS, NO_PREFERENCE

SIMULATOR: Final = "simulator"
SANDBOX: Final = "sandbox"
PRODUCTION: Final = "production"
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
    exemption: str = NO_PREFERENCE

    @property
    def simulated(self) -> bool:
        """Served by the simulator inside this process."""
        return self.environment == SIMULATOR and not self.base_url


KEYS: Final = (
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
    "EXEMPTION",
)


def read(name: str, raw: Any) -> Terminal:
    """One entry of ``TERMINALS``, checked."""
    where = f"NEXI_PAYMENTS['TERMINALS'][{name!r}]"
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured(f"{where} must be a dict")
    reading.refuse_unknown(raw, KEYS, where)
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
    reading.refuse_unknown_currencies(currencies, f"{where}['CURRENCIES']")
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
        exemption=reading.one_of(
            raw.get("EXEMPTION", NO_PREFERENCE), EXEMPTIONS, f"{where}['EXEMPTION']"
        ),
    )


def _environment(value: Any, key: str, where: str) -> str:
    """A key without a word is the sandbox; no key: the simulator (DEBUG, tests)."""
    if value is None and key:
        return SANDBOX
    if value is None and _may_simulate():
        return SIMULATOR
    if value is None:
        raise ImproperlyConfigured(
            f"{where} needs an API_KEY (without one, only DEBUG has the simulator)"
        )
    environment = reading.one_of(value, ENVIRONMENTS, f"{where}['ENVIRONMENT']")
    if environment != SIMULATOR and not key:
        raise ImproperlyConfigured(f"{where} needs an API_KEY for {environment}")
    return environment


def _may_simulate() -> bool:
    """DEBUG, or a test run: Django's test environment has a mail outbox."""
    return bool(django_settings.DEBUG) or hasattr(mail, "outbox")
