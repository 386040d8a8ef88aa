"""System checks of Nexi's hosted page: terminals, methods, notifications. Ids:
docs/checks.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import conf, payment_methods
from nexi_payments.enums import Duplicates


def check_hosted_page(**kwargs: Any) -> list[CheckMessage]:
    """E026, E027, W032, W034. With settings that cannot be read, E001 is enough."""
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []
    return [
        *_check_openers(settings),
        *_check_phone_orders(settings),
        *_check_duplicates(settings),
    ]


def check_notifications(**kwargs: Any) -> list[CheckMessage]:
    """W033, before a deployment."""
    try:
        settings = conf.load()
    except ImproperlyConfigured:
        return []
    return list(_check_notifications(settings))


def _check_openers(settings: conf.Settings) -> Iterator[CheckMessage]:
    """The terminals whose keys open the hosted page."""
    for terminal in settings.terminals.values():
        if not terminal.hosted_terminal:
            continue
        opener = settings.terminals.get(terminal.hosted_terminal)
        if opener is None:
            yield Error(
                f"HOSTED_TERMINAL of {terminal.name!r} names no terminal.",
                hint="Use one of the names in TERMINALS: "
                f"{', '.join(settings.terminals)}.",
                id="nexi_payments.E026",
            )
        elif opener.environment != terminal.environment:
            yield Error(
                f"HOSTED_TERMINAL of {terminal.name!r} is {opener.environment}, and the"
                f" terminal is {terminal.environment}.",
                hint="A purchase would be paid with real money on one page and with "
                "none on the other: name a terminal of the same environment.",
                id="nexi_payments.E027",
            )


def _check_phone_orders(settings: conf.Settings) -> Iterator[CheckMessage]:
    names = [one.name for one in settings.moto_terminals if not one.has_own_card_page]
    if names:
        yield Warning(
            f"MOTO is on for {', '.join(names)}, and CARDS is 'hosted_page': no card"
            " may be entered there.",
            hint="Remove MOTO: clerks send secure links without it. Or set CARDS to "
            "'own_page', which needs a verified SAQ D.",
            id="nexi_payments.W032",
        )


def _check_duplicates(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Methods that the settings name and that Nexi cannot refund."""
    if settings.duplicates != Duplicates.REFUND:
        return
    named = dict.fromkeys(
        code for one in settings.terminals.values() for code in one.methods or ()
    )
    rows = (payment_methods.find(one, settings.method_overrides) for one in named)
    without = [one.code for one in rows if one and one.refunds == payment_methods.NONE]
    if without:
        yield Warning(
            f"DUPLICATES is 'refund', and Nexi cannot refund {', '.join(without)}.",
            hint="A duplicate that was paid so waits in the review queue until staff "
            "decide. Look at it daily, or silence this check.",
            id="nexi_payments.W034",
        )


def _check_notifications(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Nexi calls https on port 443 only. Without calls the reconciler finds all."""
    real = [one for one in settings.terminals.values() if not one.simulated]
    if not settings.public_url or not any(one.has_hosted_page for one in real):
        return
    # an address without https is this machine: E001, W015
    if urlsplit(settings.public_url).port not in (None, 443):
        yield Warning(
            f"Nexi cannot send notifications to {settings.public_url}.",
            hint="It calls https on port 443 only. Payments on Nexi's hosted page are "
            "found without them, by the shopper's return or by nexi_reconcile, which "
            "is later.",
            id="nexi_payments.W033",
        )
