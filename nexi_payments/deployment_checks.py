"""System checks of a deployment: what is tolerable at a desk and not in front of
shoppers. Ids: docs/checks.md."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from django.apps import apps
from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from nexi_payments import conf
from nexi_payments.doctor.shop import has_api, names_of
from nexi_payments.signals import payment_paid

#: Apps that ask for a second factor at the log-in.
_SECOND_FACTORS: Final = (
    "django_otp",
    "two_factor",
    "allauth.mfa",
    "mfa",
    "djangosaml2",
    "mozilla_django_oidc",
)


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """What is tolerable at a desk and not in front of shoppers."""
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []  # E001 says it
    return [
        *_environments(settings),
        *_cards(settings),
        *_desk(settings),
        *_way_back(settings),
        *_servers(settings),
        *_static_host(settings),
        *_receivers(),
    ]


def _environments(settings: conf.Settings) -> Iterator[CheckMessage]:
    for terminal in settings.terminals.values():
        if terminal.environment == conf.SIMULATOR:
            yield Error(
                f"Terminal {terminal.name!r} is the simulator: nobody is charged.",
                hint="Give it the API_KEY of a terminal at Nexi.",
                id="nexi_payments.E010",
            )
        elif terminal.environment == conf.SANDBOX:
            yield Warning(
                f"Terminal {terminal.name!r} is Nexi's sandbox.",
                hint="Say 'ENVIRONMENT': 'production' to take real money.",
                id="nexi_payments.W010",
            )


def _cards(settings: conf.Settings) -> Iterator[CheckMessage]:
    if settings.hold_cvv:
        yield Warning(
            "The security code is held, sealed, during 3-D Secure.",
            hint="Some card brands forbid it. Ask your acquirer, or set HOLD_CVV to "
            "False.",
            id="nexi_payments.W011",
        )
    if settings.hold_keys_derived:
        yield Warning(
            "HOLD_KEYS are derived from SECRET_KEY (DEBUG only).",
            hint="Set HOLD_KEYS before DEBUG goes: without them no payment begins.",
            id="nexi_payments.W012",
        )


def _desk(settings: conf.Settings) -> Iterator[CheckMessage]:
    desks = [one.name for one in settings.terminals.values() if one.moto]
    if desks and not any(apps.is_installed(name) for name in _SECOND_FACTORS):
        yield Warning(
            f"Staff key cards for {', '.join(desks)} with a password alone.",
            hint="PCI DSS 8.4.2 wants a second factor for whoever gets at card data: "
            "django-otp, django-allauth's MFA, or your single sign-on. Silence this "
            "when it is there.",
            id="nexi_payments.W013",
        )
    sender = getattr(django_settings, "DEFAULT_FROM_EMAIL", "")
    if desks and sender == global_settings.DEFAULT_FROM_EMAIL:
        yield Warning(
            f"Receipts and links of the desk are mailed from {sender}.",
            hint="Mail servers drop that. Set DEFAULT_FROM_EMAIL to an address of "
            "your shop.",
            id="nexi_payments.W014",
        )


def _way_back(settings: conf.Settings) -> Iterator[CheckMessage]:
    """What keeps a browser from coming back from the bank, or from getting to us."""
    site = urlsplit(settings.public_url)
    if site.hostname in conf.LOOPBACK:
        yield Warning(
            f"PUBLIC_URL is {settings.public_url}: this machine.",
            hint="Every shopper's bank would send him to his own. Set PUBLIC_URL to "
            "the https address of the shop.",
            id="nexi_payments.W015",
        )
    allowed = _form_action()
    if allowed is not None and not _lets_through(allowed, site):
        yield Warning(
            "Your Content-Security-Policy has a form-action that does not name our"
            " pages.",
            hint="Chromium blocks a form whose answer redirects to a place that is "
            "not listed. Add \"'self'\", or the origin of PUBLIC_URL, to form-action.",
            id="nexi_payments.W016",
        )
    for name in ("SESSION_COOKIE", "CSRF_COOKIE"):
        marked = str(getattr(django_settings, f"{name}_SAMESITE", "")).lower()
        if marked == "none" and not getattr(django_settings, f"{name}_SECURE"):
            yield Warning(
                f"{name}_SAMESITE is None, and {name}_SECURE is off.",
                hint="Browsers refuse such a cookie: nobody can log in or post a card. "
                f"Set {name}_SECURE to True; payments need no SameSite=None.",
                id="nexi_payments.W017",
            )


def _form_action() -> list[str] | None:
    """The host's form-action as Django 6, django-csp 4 or django-csp 3 has it; ``None``
    where there is none."""
    new = getattr(django_settings, "CONTENT_SECURITY_POLICY", None) or {}
    for found in (
        (getattr(django_settings, "SECURE_CSP", None) or {}).get("form-action"),
        (new.get("DIRECTIVES") or {}).get("form-action"),
        getattr(django_settings, "CSP_FORM_ACTION", None),
    ):
        if isinstance(found, str):
            return found.split()
        if found:
            return [str(source) for source in found]
    return None


def _lets_through(allowed: list[str], site: SplitResult) -> bool:
    host = site.hostname or ""
    for source in allowed:
        bare = urlsplit(source if "://" in source else f"//{source}").hostname or ""
        if (
            source in ("'self'", "*", "https:")
            or bare == host
            or (bare.startswith("*.") and host.endswith(bare[1:]))
        ):
            return True
    return False


def _servers(settings: conf.Settings) -> Iterator[CheckMessage]:
    behind = django_settings.SECURE_PROXY_SSL_HEADER or (
        django_settings.USE_X_FORWARDED_HOST
    )
    if behind and not settings.trusted_proxies:
        yield Warning(
            "There is a proxy in front, and TRUSTED_PROXIES is empty.",
            hint="Every visitor has the proxy's address: the rate limit per address "
            "would stop all at once. Set TRUSTED_PROXIES to its network.",
            id="nexi_payments.W018",
        )
    patience = _gunicorn_timeout()
    if patience and patience <= settings.total_timeout:
        yield Warning(
            f"gunicorn ends a worker after {patience} s, TOTAL_TIMEOUT is"
            f" {settings.total_timeout:g}.",
            hint="A charge would be cut off, and be in doubt. Set --timeout above "
            "TOTAL_TIMEOUT, by five seconds at least.",
            id="nexi_payments.W019",
        )
    kind = django_settings.CACHES["default"].get("BACKEND", "").rpartition(".")[2]
    if kind in ("LocMemCache", "DummyCache") and has_api():
        yield Warning(
            f"The API counts requests in a {kind}.",
            hint="Its throttles hold for one process each, or not at all. Give "
            "CACHES['default'] a Redis, Memcached or database.",
            id="nexi_payments.W020",
        )


def _static_host(settings: conf.Settings) -> Iterator[CheckMessage]:
    try:
        host = urlsplit(static("nexi_payments/card.js")).hostname
    except ValueError:
        return  # not collected yet
    elsewhere = host and host != urlsplit(settings.public_url).hostname
    if elsewhere and not settings.integrity:
        yield Warning(
            f"The script of the card page comes from {host}, unchecked.",
            hint="Whoever changes it there reads cards. Set INTEGRITY to True if "
            "that host sends Access-Control-Allow-Origin and changes no file.",
            id="nexi_payments.W024",
        )


def _gunicorn_timeout() -> int:
    """As far as it can be known: 0 = not, or without end."""
    words = os.environ.get("GUNICORN_CMD_ARGS", "")
    found = re.search(r"(?:^|\s)(?:--timeout[=\s]|-t\s*)([0-9]{1,6})(?:\s|$)", words)
    return int(found[1]) if found else 0


def _receivers() -> Iterator[CheckMessage]:
    if not names_of(payment_paid):
        yield Warning(
            "Nobody receives payment_paid.",
            hint="Connect a receiver in the ready() of an AppConfig: the result page "
            "may never be opened, the signal is sent all the same.",
            id="nexi_payments.W021",
        )
