"""System checks of a deployment (``check --deploy``): what is acceptable in development
and not in production. Ids: docs/checks.md."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.base import BaseHandler
from django.utils.module_loading import import_string

from nexi_payments import conf
from nexi_payments.card_extraction import handlers
from nexi_payments.conf.loopback import is_loopback
from nexi_payments.signals import payment_paid, receiver_names
from nexi_payments.web import static_files

#: Where wrappers keep the application: WhiteNoise, Sentry, Werkzeug and others.
_WRAPPED_APPLICATION_ATTRIBUTES: Final = ("application", "app", "wsgi_app")


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """All checks of this module; none if the settings are invalid."""
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []  # E001 reports it
    return [
        *_check_environments(settings),
        *_check_sealed_cards(settings),
        *_check_phone_orders(settings),
        *_check_return_from_issuer(settings),
        *_check_servers(settings),
        *_check_static_files(settings),
        *_check_handlers(),
        *_check_receivers(),
    ]


def _check_environments(settings: conf.Settings) -> Iterator[CheckMessage]:
    for terminal in settings.terminals.values():
        if terminal.environment == conf.SIMULATOR:
            yield Error(
                f"Terminal {terminal.name!r} is the simulator: no card is charged.",
                hint="Set the API_KEY of a terminal at Nexi.",
                id="nexi_payments.E010",
            )
        elif terminal.environment == conf.SANDBOX:
            yield Warning(
                f"Terminal {terminal.name!r} is Nexi's sandbox.",
                hint="Set 'ENVIRONMENT': 'production' to charge real money.",
                id="nexi_payments.W010",
            )


def _check_sealed_cards(settings: conf.Settings) -> Iterator[CheckMessage]:
    if not settings.takes_cards:
        return
    if settings.sealed_card_cvv:
        yield Warning(
            "The security code is stored, sealed, during 3-D Secure.",
            hint="Some card brands forbid this. Ask your acquirer, or set"
            " SEALED_CARD_CVV to False.",
            id="nexi_payments.W011",
        )
    if settings.sealed_card_keys_derived:
        yield Warning(
            "SEALED_CARD_KEYS are derived from SECRET_KEY (DEBUG only).",
            hint="Set SEALED_CARD_KEYS before you set DEBUG to False: without them no"
            " payment starts.",
            id="nexi_payments.W012",
        )


def _check_phone_orders(settings: conf.Settings) -> Iterator[CheckMessage]:
    desk = settings.moto_terminals
    sender = getattr(django_settings, "DEFAULT_FROM_EMAIL", "")
    if desk and sender == global_settings.DEFAULT_FROM_EMAIL:
        yield Warning(
            f"Receipts and payment links of the desk are sent from {sender}.",
            hint="Mail servers drop such mail. Set DEFAULT_FROM_EMAIL to an address of "
            "your shop.",
            id="nexi_payments.W014",
        )


def _check_return_from_issuer(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Settings that block the browser's way back from the issuer, or to our pages."""
    site = urlsplit(settings.public_url)
    if is_loopback(site.hostname):
        yield Warning(
            f"PUBLIC_URL is {settings.public_url}, which is this machine.",
            hint="The issuer would send shoppers to their own machine. Set PUBLIC_URL "
            "to the https address of the shop.",
            id="nexi_payments.W015",
        )
    allowed = _csp_form_action()
    if allowed is not None and not _form_action_allows(allowed, site):
        yield Warning(
            "The form-action of your Content-Security-Policy does not allow our pages.",
            hint="Chromium blocks a form whose response redirects to an origin that is "
            "not listed. Add \"'self'\", or the origin of PUBLIC_URL, to form-action.",
            id="nexi_payments.W016",
        )
    for name in ("SESSION_COOKIE", "CSRF_COOKIE"):
        same_site = str(getattr(django_settings, f"{name}_SAMESITE", "")).lower()
        if same_site == "none" and not getattr(django_settings, f"{name}_SECURE"):
            yield Warning(
                f"{name}_SAMESITE is None, and {name}_SECURE is off.",
                hint="Browsers reject such a cookie: log-in and card forms fail. "
                f"Set {name}_SECURE to True; payments need no SameSite=None.",
                id="nexi_payments.W017",
            )


def _csp_form_action() -> list[str] | None:
    """The project's form-action, set for Django 6, django-csp 4 or django-csp 3;
    ``None`` if there is none."""
    django_csp_4 = getattr(django_settings, "CONTENT_SECURITY_POLICY", None) or {}
    for sources in (
        (getattr(django_settings, "SECURE_CSP", None) or {}).get("form-action"),
        (django_csp_4.get("DIRECTIVES") or {}).get("form-action"),
        getattr(django_settings, "CSP_FORM_ACTION", None),
    ):
        if isinstance(sources, str):
            return sources.split()
        if sources:
            return [str(source) for source in sources]
    return None


def _form_action_allows(allowed: list[str], site: SplitResult) -> bool:
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


def _check_servers(settings: conf.Settings) -> Iterator[CheckMessage]:
    behind_proxy = django_settings.SECURE_PROXY_SSL_HEADER or (
        django_settings.USE_X_FORWARDED_HOST
    )
    if behind_proxy and not settings.has_trusted_proxies:
        yield Warning(
            "The site is behind a proxy, and TRUSTED_PROXIES is empty.",
            hint="Every visitor has the proxy's address: the rate limit per address "
            "would stop every visitor at once. Set TRUSTED_PROXIES to its network.",
            id="nexi_payments.W018",
        )
    if socket := _unix_socket():
        yield from _check_unix_socket(socket, settings)
    timeout = _gunicorn_timeout()
    if timeout and timeout <= settings.total_timeout:
        yield Warning(
            f"gunicorn ends a worker after {timeout} s, TOTAL_TIMEOUT is"
            f" {settings.total_timeout:g}.",
            hint="A charge would be cut off, and its outcome unknown. Set --timeout at "
            "least five seconds above TOTAL_TIMEOUT.",
            id="nexi_payments.W019",
        )
    kind = django_settings.CACHES["default"].get("BACKEND", "").rpartition(".")[2]
    if kind in ("LocMemCache", "DummyCache") and conf.has_api():
        yield Warning(
            f"The API counts requests in a {kind}.",
            hint="Its throttles work per process, or not at all. Set CACHES['default'] "
            "to Redis, Memcached or a database.",
            id="nexi_payments.W020",
        )


def _check_handlers() -> Iterator[CheckMessage]:
    """W025: a handler of the project may skip the extraction of cards."""
    handler_by_path = {"django.core.handlers": BaseHandler()}
    for setting in ("WSGI_APPLICATION", "ASGI_APPLICATION"):
        dotted = getattr(django_settings, setting, None)
        if dotted and (handler := _find_handler(dotted)) is not None:
            handler_by_path[dotted] = handler
    for path, handler in handler_by_path.items():
        if not handlers.extracts_cards(handler):
            yield Warning(
                f"{path} loads its middleware without Django's load_middleware().",
                hint="Card numbers are taken out of requests there, before an error "
                "mail can show them. Call super().load_middleware().",
                id="nexi_payments.W025",
            )


def _find_handler(dotted: str) -> BaseHandler | None:
    """Django's handler inside its wrappers; ``None`` if it cannot be found."""
    with suppress(Exception):  # Django reports an application that cannot be imported
        application: Any = import_string(dotted)
        for _ in range(8):
            if isinstance(application, BaseHandler):
                return application
            wrapped = (
                getattr(application, name, None)
                for name in _WRAPPED_APPLICATION_ATTRIBUTES
            )
            application = next((inner for inner in wrapped if inner is not None), None)
    return None


def _check_static_files(settings: conf.Settings) -> Iterator[CheckMessage]:
    if missing := static_files.missing_files():
        yield Warning(
            f"Static files have no URL: {', '.join(missing)}.",
            hint="Run collectstatic after each upgrade: until then our pages come "
            "without these files, unstyled.",
            id="nexi_payments.W027",
        )
        return
    host = urlsplit(static_files.url("nexi_payments/card.js")).hostname
    other_host = host and host != urlsplit(settings.public_url).hostname
    if other_host and not settings.integrity:
        yield Warning(
            f"The card page's script comes from {host}, without an integrity hash.",
            hint="A changed script there could read cards. Set INTEGRITY to True if "
            "that host sends Access-Control-Allow-Origin and changes no file.",
            id="nexi_payments.W024",
        )


def _check_unix_socket(socket: str, settings: conf.Settings) -> Iterator[CheckMessage]:
    if not settings.trusts_unix_socket:
        yield Warning(
            f"The server listens on {socket}, and TRUSTED_PROXIES lacks 'unix'.",
            hint="A peer on a unix socket has no address: the rate limit per address "
            "counts all visitors together. Add 'unix' to TRUSTED_PROXIES, and let the "
            "proxy in front set X-Forwarded-For.",
            id="nexi_payments.W036",
        )


def _unix_socket() -> str:
    """Where gunicorn or uvicorn listens, by their environment; "" if it is no socket or
    unknown."""
    arguments = os.environ.get("GUNICORN_CMD_ARGS", "")
    match = re.search(r"(?:^|\s)(?:--bind[=\s]|-b\s*)['\"]?(unix:[^\s'\"]+)", arguments)
    return match[1] if match else os.environ.get("UVICORN_UDS", "")


def _gunicorn_timeout() -> int:
    """Seconds, from ``GUNICORN_CMD_ARGS``; 0 if unknown or unlimited."""
    arguments = os.environ.get("GUNICORN_CMD_ARGS", "")
    match = re.search(
        r"(?:^|\s)(?:--timeout[=\s]|-t\s*)([0-9]{1,6})(?:\s|$)", arguments
    )
    return int(match[1]) if match else 0


def _check_receivers() -> Iterator[CheckMessage]:
    if not receiver_names(payment_paid):
        yield Warning(
            "payment_paid has no receiver.",
            hint="Connect a receiver in the ready() of an AppConfig: the result page "
            "may never be opened, the signal is always sent.",
            id="nexi_payments.W021",
        )
