"""System checks of the settings. Ids: docs/checks.md."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import ImproperlyConfigured
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import NoReverseMatch

from nexi_payments import conf, page_paths
from nexi_payments.conf.settings import DATABASE
from nexi_payments.enums import Flow
from nexi_payments.web import sri

#: Aliases of Nexi's older XPay: of a test terminal, of a real one.
_LEGACY_XPAY_ALIAS: Final = re.compile(r"ALIAS_|payment_[0-9]+$", re.IGNORECASE)
#: Seconds. A card is stored for the duration of a challenge only.
_MAX_SEALED_CARD_TTL: Final = 900
#: Seconds of twelve months, one of them in a leap year.
_MIN_AUDIT_RETENTION: Final = 366 * 86_400


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E001 if ``conf`` rejects the settings; the other checks need valid settings."""
    try:
        settings = conf.load()
    except ImproperlyConfigured as error:
        return [
            Error(
                str(error),
                hint="All keys and their types are in the table of settings.",
                id="nexi_payments.E001",
            )
        ]
    return [
        *_check_urls(settings),
        *_check_project(),
        *_check_sealed_cards(settings),
        *_check_terminals(settings),
        *_check_api_keys(settings),
        *_check_integrity(settings),
        *_check_audit(settings),
    ]


def _check_urls(settings: conf.Settings) -> Iterator[CheckMessage]:
    simulated = all(terminal.simulated for terminal in settings.terminals.values())
    if not settings.public_url and not simulated:
        yield Error(
            "NEXI_PAYMENTS['PUBLIC_URL'] is not set.",
            hint="The issuer sends the shopper back to it. Set it to the origin of the "
            "shop, e.g. 'https://shop.example'. The Host header is never used.",
            id="nexi_payments.E002",
        )
    parts = urlsplit(settings.public_url)
    if parts.path:
        yield Error(
            "NEXI_PAYMENTS['PUBLIC_URL'] must end after the host name.",
            hint="The path comes from your URLconf.",
            id="nexi_payments.E003",
        )
    yield from _check_urlconf()


def _check_urlconf() -> Iterator[CheckMessage]:
    """E004. Checks run without a request: ``request.urlconf`` is not seen here."""
    name = page_paths.urlconf()
    try:
        page_paths.public_path("pay", "x")
    except (NoReverseMatch, ImportError) as error:
        problem = (
            f"The URLs of nexi_payments are not included in {name}."
            if isinstance(error, NoReverseMatch)
            else f"NEXI_PAYMENTS['URLCONF'] cannot be imported: {name}."
        )
        yield Error(
            problem,
            hint='path("payments/", include("nexi_payments.urls")). If each host name '
            "has a URLconf of its own, set NEXI_PAYMENTS['URLCONF'] to that of the"
            " host of PUBLIC_URL.",
            id="nexi_payments.E004",
        )


def _check_project() -> Iterator[CheckMessage]:
    if not django_settings.USE_TZ:
        yield Error(
            "USE_TZ is off.",
            hint="Set USE_TZ = True. Deadlines of payments need unambiguous times, and "
            "local time is ambiguous at DST changes. Pages still show TIME_ZONE.",
            id="nexi_payments.E017",
        )
    try:
        get_template("nexi_payments/pay.html")
    except (TemplateDoesNotExist, ImproperlyConfigured):
        yield Error(
            "The templates of nexi_payments are not found.",
            hint="Set APP_DIRS in a DjangoTemplates engine of TEMPLATES, or add the "
            "loader django.template.loaders.app_directories.Loader.",
            id="nexi_payments.E018",
        )


def _check_sealed_cards(settings: conf.Settings) -> Iterator[CheckMessage]:
    if not _has_card_keys(settings) and settings.takes_cards:
        yield Error(
            "NEXI_PAYMENTS['SEALED_CARD_KEYS'] is empty.",
            hint="The sealed card is stored during 3-D Secure. Make a key with: python "
            '-c "import base64, os; '
            'print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
            id="nexi_payments.E005",
        )
    if len(set(settings.sealed_card_keys)) < len(settings.sealed_card_keys):
        yield Warning(
            "SEALED_CARD_KEYS has the same key twice.",
            hint="This rotation changed nothing: put a new key first.",
            id="nexi_payments.W002",
        )
    if not settings.sealed_card_keys_derived and _keys_made_from_secret_key() & set(
        settings.sealed_card_keys
    ):
        yield Error(
            "A key in SEALED_CARD_KEYS is SECRET_KEY, or derived from it.",
            hint="A leaked SECRET_KEY must not open sealed cards: make a random key.",
            id="nexi_payments.E019",
        )
    if settings.sealed_card_ttl > _MAX_SEALED_CARD_TTL:
        yield Warning(
            "SEALED_CARD_TTL is longer than 15 minutes.",
            hint="A challenge takes a few minutes; do not store cards any longer. The "
            "default is 900.",
            id="nexi_payments.W003",
        )
    yield from _check_sealed_card_cache(settings.sealed_card_backend)
    if settings.claim_timeout > settings.settle_after > 0 and any(
        terminal.is_live for terminal in settings.terminals.values()
    ):
        yield Warning(
            "SETTLE_AFTER is shorter than the longest request.",
            hint="A charge still under way could be recorded as failed. The default is "
            "900.",
            id="nexi_payments.W004",
        )


def _has_card_keys(settings: conf.Settings) -> bool:
    """A function that gives them is checked as the other hooks are (E024)."""
    return bool(settings.sealed_card_keys or settings.sealed_card_keys_hook)


def _keys_made_from_secret_key() -> set[bytes]:
    """Obvious derivations of ``SECRET_KEY``."""
    secret = str(django_settings.SECRET_KEY).encode()
    inputs = (secret, b"nexi_payments/sealed_cards/" + secret)
    return {secret[:32], *(hashlib.sha256(data).digest() for data in inputs)}


def _check_sealed_card_cache(name: str) -> Iterator[CheckMessage]:
    """Sealed cards need a cache that all processes share and that writes to no disk."""
    if name == DATABASE:
        return
    backend = django_settings.CACHES[name].get("BACKEND", "")
    kind = backend.rpartition(".")[2]
    if kind in ("LocMemCache", "DummyCache", "FileBasedCache", "DatabaseCache"):
        yield Error(
            f"SEALED_CARD_BACKEND {name!r} is a {kind}, which cannot store sealed"
            " cards.",
            hint="All processes must share it, and it must not write to a disk: use "
            "Redis or Memcached without persistence, or remove SEALED_CARD_BACKEND.",
            id="nexi_payments.E011",
        )


def _check_terminals(settings: conf.Settings) -> Iterator[CheckMessage]:
    for terminal in settings.terminals.values():
        if terminal.link_terminal and terminal.link_terminal not in settings.terminals:
            yield Error(
                f"LINK_TERMINAL of {terminal.name!r} names no terminal.",
                hint="Use one of the names in TERMINALS: "
                f"{', '.join(settings.terminals)}.",
                id="nexi_payments.E006",
            )
        if settings.require_liability_shift and terminal.flow == Flow.TWO_STEPS:
            yield Error(
                f"REQUIRE_LIABILITY_SHIFT needs the 3-step flow on {terminal.name!r}.",
                hint="With 2 steps Nexi does not tell the ECI before the charge.",
                id="nexi_payments.E007",
            )
        environment = terminal.host_environment
        if environment and environment != terminal.environment:
            yield Error(
                f"ENVIRONMENT of {terminal.name!r} is {terminal.environment}, and its"
                f" BASE_URL is Nexi's {environment}.",
                hint="Remove BASE_URL: ENVIRONMENT chooses it.",
                id="nexi_payments.E020",
            )
    moto = [terminal.name for terminal in settings.moto_terminals]
    if moto and not (apps.is_installed("django.contrib.admin") or conf.has_api()):
        yield Warning(
            f"MOTO is on for {', '.join(moto)}, and there is no phone order desk.",
            hint="The desk needs django.contrib.admin. Install it, or include "
            "nexi_payments.api.urls, or remove MOTO.",
            id="nexi_payments.W008",
        )


def _check_api_keys(settings: conf.Settings) -> Iterator[CheckMessage]:
    """The form of Nexi's API keys, and the terminals that use them. No key is shown."""
    environments_by_key: dict[str, set[str]] = {}
    for terminal in settings.terminals.values():
        if terminal.simulated:
            continue
        environments = environments_by_key.setdefault(terminal.api_key, set())
        environments.add(terminal.environment)
        if _LEGACY_XPAY_ALIAS.match(terminal.api_key):
            yield Warning(
                f"The API_KEY of {terminal.name!r} looks like an alias of Nexi's older"
                " XPay.",
                hint="That system (alias and MAC) is another product. Ask Nexi for an "
                "API key of NPG, XPay Global; manage.py nexi_doctor tests it.",
                id="nexi_payments.W009",
            )
        if terminal.is_live and django_settings.DEBUG:
            yield Error(
                f"Terminal {terminal.name!r} charges real money, and DEBUG is on.",
                hint="Error pages show settings and variables to every visitor: set "
                "DEBUG to False, or use the sandbox.",
                id="nexi_payments.E021",
            )
    if any(len(environments) > 1 for environments in environments_by_key.values()):
        yield Error(
            "Terminals of different environments have the same API_KEY.",
            hint="A key belongs either to the sandbox or to production: Nexi would "
            "reject the other terminal.",
            id="nexi_payments.E022",
        )


def _check_audit(settings: conf.Settings) -> Iterator[CheckMessage]:
    kept_for = settings.audit_retention
    if kept_for is not None and kept_for < _MIN_AUDIT_RETENTION:
        yield Warning(
            "AUDIT_RETENTION is shorter than 366 days.",
            hint="PCI DSS 10.5.1 requires the audit trail of twelve months. The default"
            " is 366 days.",
            id="nexi_payments.W051",
        )


def _check_integrity(settings: conf.Settings) -> Iterator[CheckMessage]:
    """``INTEGRITY`` needs files that can be read."""
    if not settings.integrity:
        return
    unreadable = [name for name in sri.FILES if not sri.digest(name)]
    if unreadable:
        yield Warning(
            f"INTEGRITY is on, and these files cannot be read: {', '.join(unreadable)}."
            " Their tags have no hash.",
            hint="Install django.contrib.staticfiles and run collectstatic on each "
            "server that renders pages, too; or remove INTEGRITY.",
            id="nexi_payments.W023",
        )
