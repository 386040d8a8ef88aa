"""What the shop has set and connected: addresses, receivers, keys."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Final

from django.core.checks import ERROR, Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.urls import NoReverseMatch, reverse

from nexi_payments import conf, signals
from nexi_payments.doctor.findings import LOOK, WELL, Finding

_SIGNALS: Final = (
    "payment_paid",
    "payment_authorized",
    "payment_captured",
    "capture_cancelled",
    "payment_failed",
    "payment_refunded",
    "payment_voided",
    "payment_needs_review",
    "gateway_break",
)


def settings_checked() -> Iterator[Finding]:
    """What ``manage.py check`` says of us; those of a deployment are its own to say."""
    for one in run_checks(tags=[Tags.security]):
        if str(one.id).startswith("nexi_payments.") and not one.is_silenced():
            yield Finding(
                "checks",
                f"{one.id}: {one.msg}",
                LOOK if one.level >= ERROR else WELL,
                {"id": one.id, "hint": one.hint},
                depth=0,
            )


def addresses() -> Iterator[Finding]:
    """The exact ones that the bank and the browser are given."""
    yield Finding("addresses", "addresses:", depth=0)
    try:
        site = conf.site_address()
        back = reverse("nexi_payments:return", args=["PAYMENT", "TOKEN"])
        result = reverse("nexi_payments:result", args=["PAYMENT"])
        status = reverse("nexi_payments:status", args=["PAYMENT"])
    except (ImproperlyConfigured, NoReverseMatch) as error:
        yield Finding("addresses", f"none: {error}", LOOK)
        return
    for name, path in (("ReturnUrl", back), ("result", result), ("status", status)):
        shown = site + path.replace("PAYMENT", "<payment>").replace("TOKEN", "<token>")
        yield Finding("addresses", f"{name}: {shown}", facts={name: shown})


def receivers() -> Iterator[Finding]:
    """A shop that nobody tells about money does not ship."""
    yield Finding("receivers", "receivers:", depth=0)
    for name in _SIGNALS:
        found = names_of(getattr(signals, name))
        lonely = name == "payment_paid" and not found
        yield Finding(
            "receivers",
            f"{name}: {', '.join(found) or 'nobody'}",
            LOOK if lonely else WELL,
            {name: found},
        )


def names_of(signal: Signal) -> list[str]:
    """Dotted names of who is connected and still alive."""
    found = []
    for entry in signal.receivers:
        receiver: Any = entry[1]
        if isinstance(receiver, weakref.ReferenceType):
            receiver = receiver()
        if receiver is not None:
            name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
            found.append(f"{getattr(receiver, '__module__', '?')}.{name}")
    return found


def has_api() -> bool:
    """Whether the URLs of the REST API are included."""
    try:
        reverse("nexi_payments_api:moto")
    except NoReverseMatch:
        return False
    return True


def keys(settings: conf.Settings) -> Iterator[Finding]:
    """How many, never which."""
    count = len(settings.hold_keys)
    origin = "derived from SECRET_KEY" if settings.hold_keys_derived else "HOLD_KEYS"
    yield Finding(
        "hold keys",
        f"hold keys: {count} ({origin}); cards wait in {settings.hold_backend}",
        WELL if count else LOOK,
        {"count": count, "derived": settings.hold_keys_derived},
        depth=0,
    )
