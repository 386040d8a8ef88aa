"""System checks: what is set wrong, before it costs money. Ids: docs/checks.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import (
    CheckMessage,
    Error,
    Tags,
    Warning,  # noqa: A004  Django's own name
    register,
)
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from nexi_payments import conf, states

#: Apps that ask for a second factor at the log-in.
_SECOND_FACTORS: Final = (
    "django_otp",
    "two_factor",
    "allauth.mfa",
    "mfa",
    "djangosaml2",
    "mozilla_django_oidc",
)


@register(Tags.security)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E001 for anything ``conf`` refuses; the rest needs readable settings."""
    try:
        settings = conf.load()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="nexi_payments.E001")]
    return [*_addresses(settings), *_holding(settings), *_terminals(settings)]


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


def _holding(settings: conf.Settings) -> Iterator[CheckMessage]:
    if not settings.hold_keys:
        yield Error(
            "NEXI_PAYMENTS['HOLD_KEYS'] is empty.",
            hint="The card waits sealed during 3-D Secure. Make a key with: python -c "
            '"import base64, os; '
            'print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
            id="nexi_payments.E005",
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
                id="nexi_payments.E006",
            )
        if settings.require_liability_shift and terminal.flow == states.FLOW_2STEPS:
            yield Error(
                f"REQUIRE_LIABILITY_SHIFT needs the 3-step flow on {terminal.name!r}.",
                hint="With 2 steps Nexi does not tell the ECI before the charge.",
                id="nexi_payments.E007",
            )


@register(Tags.security, deploy=True)
def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """What is tolerable at a desk and not in front of shoppers."""
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []  # E001 says it
    found: list[CheckMessage] = []
    for terminal in settings.terminals.values():
        if terminal.environment == conf.SIMULATOR:
            found.append(
                Error(
                    f"Terminal {terminal.name!r} is the simulator: nobody is charged.",
                    id="nexi_payments.E010",
                )
            )
        elif terminal.environment == conf.SANDBOX:
            found.append(
                Warning(
                    f"Terminal {terminal.name!r} is Nexi's sandbox.",
                    hint="Say 'ENVIRONMENT': 'production' to take real money.",
                    id="nexi_payments.W010",
                )
            )
    if settings.hold_cvv:
        found.append(
            Warning(
                "The security code is held, sealed, during 3-D Secure.",
                hint="Some card brands forbid it. Ask your acquirer, or set HOLD_CVV "
                "to False.",
                id="nexi_payments.W011",
            )
        )
    desks = [one.name for one in settings.terminals.values() if one.moto]
    if desks and not any(apps.is_installed(name) for name in _SECOND_FACTORS):
        found.append(
            Warning(
                f"Staff key cards for {', '.join(desks)} with a password alone.",
                hint="PCI DSS 8.4.2 wants a second factor for whoever gets at card "
                "data: django-otp, django-allauth's MFA, or your single sign-on. "
                "Silence this when it is there.",
                id="nexi_payments.W013",
            )
        )
    if settings.hold_keys_derived:
        found.append(
            Warning(
                "HOLD_KEYS are derived from SECRET_KEY (DEBUG only).",
                id="nexi_payments.W012",
            )
        )
    return found


@register(Tags.security)
def check_outside_debug(**kwargs: Any) -> list[CheckMessage]:
    """W002: the mounted simulator is reachable with a real gateway beside it."""
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
