"""The project's configuration: system checks, URLs, signal receivers, keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.core.checks import ERROR, Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.urls import NoReverseMatch

from nexi_payments import conf, page_paths, signals
from nexi_payments.doctor.findings import OK, WARNING, Finding

#: In the order of ``signals``.
_SIGNALS: Final = tuple(
    name for name, value in vars(signals).items() if isinstance(value, Signal)
)


def system_checks() -> Iterator[Finding]:
    """The app's messages of ``manage.py check``, without ``--deploy``."""
    for message in run_checks(tags=[Tags.security]):
        if str(message.id).startswith("nexi_payments.") and not message.is_silenced():
            yield Finding(
                "checks",
                f"{message.id}: {message.msg}",
                WARNING if message.level >= ERROR else OK,
                {"id": message.id, "hint": message.hint},
                indent=0,
            )


def absolute_urls() -> Iterator[Finding]:
    """The URLs that the issuer and the browser get."""
    yield Finding("urls", "urls:", indent=0)
    try:
        site = conf.site_address()
        return_path = page_paths.public_path("return", "PAYMENT", "TOKEN")
        result = page_paths.public_path("result", "PAYMENT")
        status = page_paths.public_path("status", "PAYMENT")
    except (ImproperlyConfigured, NoReverseMatch) as error:
        yield Finding("urls", f"none: {error}", WARNING)
        return
    paths = {"ReturnUrl": return_path, "result": result, "status": status}
    for name, path in paths.items():
        url = site + path.replace("PAYMENT", "<payment>").replace("TOKEN", "<token>")
        yield Finding("urls", f"{name}: {url}", data={name: url})


def receivers() -> Iterator[Finding]:
    """The receivers of each signal. Without one for ``payment_paid``, the shop does not
    learn that an order is paid."""
    yield Finding("receivers", "receivers:", indent=0)
    for name in _SIGNALS:
        connected = signals.receiver_names(getattr(signals, name))
        is_missing = name == "payment_paid" and not connected
        yield Finding(
            "receivers",
            f"{name}: {', '.join(connected) or 'none'}",
            WARNING if is_missing else OK,
            {name: connected},
        )


def sealed_card_keys(settings: conf.Settings) -> Iterator[Finding]:
    """The number of keys and their origin, never the keys."""
    if not settings.takes_cards:
        message = (
            "sealed card keys: not needed, cards are entered on Nexi's hosted page only"
        )
        yield Finding("sealed card keys", message, indent=0)
        return
    count = len(conf.sealed_card_keys())
    origin = settings.sealed_card_keys_hook or "SEALED_CARD_KEYS"
    if settings.sealed_card_keys_derived:
        origin = "derived from SECRET_KEY"
    yield Finding(
        "sealed card keys",
        f"sealed card keys: {count} ({origin}); stored in"
        f" {settings.sealed_card_backend}",
        OK if count else WARNING,
        {"count": count, "derived": settings.sealed_card_keys_derived},
        indent=0,
    )
