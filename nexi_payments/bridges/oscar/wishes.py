"""``NEXI_OSCAR``, the one setting of this bridge."""

from __future__ import annotations

from dataclasses import dataclass, fields

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class Wishes:
    """``source``: the name of the payment source. The other four: the order's status
    for such an end, "" = leave it. ``confirmation``: send oscar's mail "order placed"
    when the money is there."""

    source: str = "Nexi"
    paid: str = ""
    failed: str = ""
    refunded: str = ""
    voided: str = ""
    confirmation: bool = True


def wishes() -> Wishes:
    """Raises ``ImproperlyConfigured`` for a key that is not known."""
    given = getattr(settings, "NEXI_OSCAR", {})
    known = {field.name.upper() for field in fields(Wishes)}
    if unknown := sorted(set(given) - known):
        raise ImproperlyConfigured(f"NEXI_OSCAR has unknown keys: {unknown}")
    return Wishes(**{name.lower(): value for name, value in given.items()})
