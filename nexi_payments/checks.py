"""System checks: what is set wrong, before it costs money. Ids: docs/checks.md."""

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
from django.urls import NoReverseMatch, reverse

from nexi_payments import conf, integrity, states
from nexi_payments.doctor.shop import has_api
from nexi_payments.doctor.terminals import HOSTS

#: An alias as that system gives it: of a test terminal, of a real one.
_OLDER_XPAY: Final = re.compile(r"ALIAS_|payment_[0-9]+$", re.IGNORECASE)
#: Seconds. Sealed or not, a card is kept for a challenge and no longer.
_LONGEST_HOLD: Final = 900


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E001 for anything ``conf`` refuses; the rest needs readable settings."""
    try:
        settings = conf.load()
    except ImproperlyConfigured as error:
        return [
            Error(
                str(error),
                hint="All keys and their kinds are in the table of settings.",
                id="nexi_payments.E001",
            )
        ]
    return [
        *_addresses(settings),
        *_project(),
        *_holding(settings),
        *_terminals(settings),
        *_keys(settings),
        *_digests(settings),
    ]


def _addresses(settings: conf.Settings) -> Iterator[CheckMessage]:
    simulated = all(terminal.simulated for terminal in settings.terminals.values())
    if not settings.public_url and not simulated:
        yield Error(
            "NEXI_PAYMENTS['PUBLIC_URL'] is not set.",
            hint="The bank sends the shopper back to it, e.g. 'https://shop.example'. "
            "It is never taken from the Host header of a request.",
            id="nexi_payments.E002",
        )
    parts = urlsplit(settings.public_url)
    if parts.path:
        yield Error(
            "NEXI_PAYMENTS['PUBLIC_URL'] must end after the host name.",
            hint="The path comes from your URLconf.",
            id="nexi_payments.E003",
        )
    try:
        reverse("nexi_payments:pay", args=["x"])
    except NoReverseMatch:
        yield Error(
            "The URLs of nexi_payments are not included.",
            hint='path("payments/", include("nexi_payments.urls"))',
            id="nexi_payments.E004",
        )


def _project() -> Iterator[CheckMessage]:
    if not django_settings.USE_TZ:
        yield Error(
            "USE_TZ is off.",
            hint="Deadlines of payments are moments; local time has an hour twice a "
            "year that is none. Set USE_TZ = True: what is shown stays in TIME_ZONE.",
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


def _holding(settings: conf.Settings) -> Iterator[CheckMessage]:
    if not settings.hold_keys:
        yield Error(
            "NEXI_PAYMENTS['HOLD_KEYS'] is empty.",
            hint="The card waits sealed during 3-D Secure. Make a key with: python -c "
            '"import base64, os; '
            'print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
            id="nexi_payments.E005",
        )
    if len(set(settings.hold_keys)) < len(settings.hold_keys):
        yield Warning(
            "HOLD_KEYS has the same key twice.",
            hint="A rotation that changed nothing: put a new key first.",
            id="nexi_payments.W002",
        )
    if not settings.hold_keys_derived and _known_secrets() & set(settings.hold_keys):
        yield Error(
            "A key in HOLD_KEYS is SECRET_KEY, or made from it.",
            hint="A leaked SECRET_KEY must not open held cards: make a random key.",
            id="nexi_payments.E019",
        )
    if settings.hold_ttl > _LONGEST_HOLD:
        yield Warning(
            "HOLD_TTL is longer than 15 minutes.",
            hint="A challenge takes a few minutes; longer is a card kept for nothing. "
            "The default is 900.",
            id="nexi_payments.W003",
        )
    yield from _cache_of_cards(settings.hold_backend)
    if settings.claim_deadline > settings.settle_after > 0 and any(
        terminal.environment == conf.PRODUCTION
        for terminal in settings.terminals.values()
    ):
        yield Warning(
            "SETTLE_AFTER is shorter than a request may take.",
            hint="A charge still under way could be given up. The default is 900.",
            id="nexi_payments.W004",
        )


def _known_secrets() -> set[bytes]:
    """Keys that somebody has made of ``SECRET_KEY`` in an obvious way."""
    secret = str(django_settings.SECRET_KEY).encode()
    made = (secret, b"nexi_payments/hold/" + secret)
    return {secret[:32], *(hashlib.sha256(one).digest() for one in made)}


def _cache_of_cards(name: str) -> Iterator[CheckMessage]:
    """Only a cache that all processes share, and that no disk remembers."""
    if name == conf.DATABASE:
        return
    backend = django_settings.CACHES[name].get("BACKEND", "")
    kind = backend.rpartition(".")[2]
    if kind in ("LocMemCache", "DummyCache", "FileBasedCache", "DatabaseCache"):
        yield Error(
            f"HOLD_BACKEND {name!r} is a {kind}: no place for held cards.",
            hint="It must be shared by all processes and keep nothing on a disk: "
            "a Redis or Memcached without persistence, or leave HOLD_BACKEND out.",
            id="nexi_payments.E011",
        )


def _terminals(settings: conf.Settings) -> Iterator[CheckMessage]:
    for terminal in settings.terminals.values():
        if terminal.link_terminal and terminal.link_terminal not in settings.terminals:
            yield Error(
                f"LINK_TERMINAL of {terminal.name!r} names no terminal.",
                hint="Take one of the names in TERMINALS: "
                f"{', '.join(settings.terminals)}.",
                id="nexi_payments.E006",
            )
        if settings.require_liability_shift and terminal.flow == states.FLOW_2STEPS:
            yield Error(
                f"REQUIRE_LIABILITY_SHIFT needs the 3-step flow on {terminal.name!r}.",
                hint="With 2 steps Nexi does not tell the ECI before the charge.",
                id="nexi_payments.E007",
            )
        theirs = HOSTS.get(urlsplit(terminal.base_url).hostname or "")
        if theirs and theirs != terminal.environment:
            yield Error(
                f"Terminal {terminal.name!r} says {terminal.environment}, and its"
                f" BASE_URL is Nexi's {theirs}.",
                hint="Leave BASE_URL out: ENVIRONMENT chooses it.",
                id="nexi_payments.E020",
            )
    desks = [one.name for one in settings.terminals.values() if one.moto]
    if desks and not (apps.is_installed("django.contrib.admin") or has_api()):
        yield Warning(
            f"Nobody can key a card for {', '.join(desks)}: MOTO is on, and there is no"
            " desk.",
            hint="The desk is in django.contrib.admin; or include "
            "nexi_payments.api.urls; or take MOTO away.",
            id="nexi_payments.W008",
        )


def _keys(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Keys of Nexi by how they look and where they stand. Never shown."""
    places: dict[str, set[str]] = {}
    for terminal in settings.terminals.values():
        if terminal.simulated:
            continue
        places.setdefault(terminal.api_key, set()).add(terminal.environment)
        if _OLDER_XPAY.match(terminal.api_key):
            yield Warning(
                f"The API_KEY of {terminal.name!r} looks like an alias of Nexi's older"
                " XPay.",
                hint="That system (alias and MAC) is another product. Ask Nexi for an "
                "API key of NPG, XPay Global; manage.py nexi_doctor tries it.",
                id="nexi_payments.W009",
            )
        if terminal.environment == conf.PRODUCTION and django_settings.DEBUG:
            yield Error(
                f"Terminal {terminal.name!r} takes real money, and DEBUG is on.",
                hint="Error pages show settings and variables to everybody: set DEBUG "
                "to False, or use the sandbox.",
                id="nexi_payments.E021",
            )
    if any(len(environments) > 1 for environments in places.values()):
        yield Error(
            "The same API_KEY stands in terminals of different environments.",
            hint="A key belongs to one of sandbox and production: the other terminal "
            "would be refused.",
            id="nexi_payments.E022",
        )


def _digests(settings: conf.Settings) -> Iterator[CheckMessage]:
    """The setting makes no sense where the files cannot be read."""
    if not settings.integrity:
        return
    lacking = [name for name in integrity.FILES if not integrity.digest(name)]
    if lacking:
        yield Warning(
            f"INTEGRITY is on, and cannot be had for {', '.join(lacking)}.",
            hint="Install django.contrib.staticfiles and run collectstatic, where the "
            "pages are made, too; or leave INTEGRITY out: these tags have none.",
            id="nexi_payments.W023",
        )


def check_outside_debug(**kwargs: Any) -> list[CheckMessage]:
    """E009: the mounted simulator is reachable with a real gateway beside it."""
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []
    kinds = {terminal.simulated for terminal in settings.terminals.values()}
    if kinds == {True, False} and not django_settings.DEBUG:
        return [
            Error(
                "One terminal is the built-in simulator, another is not.",
                hint="Whoever reaches the simulated one pays nothing.",
                id="nexi_payments.E009",
            )
        ]
    return []
