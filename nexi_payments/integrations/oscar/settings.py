"""``NEXI_OSCAR``, the setting of this integration."""

from __future__ import annotations

from dataclasses import dataclass, fields

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True)
class OscarSettings:
    """``source``: the name of the payment source. ``paid``, ``failed``, ``refunded``,
    ``voided`` and ``cancelled``: the order's status for this outcome, "" for no change.
    ``confirmation``: send oscar's e-mail "order placed" after the payment."""

    source: str = "Nexi"
    paid: str = ""
    failed: str = ""
    refunded: str = ""
    voided: str = ""
    cancelled: str = ""
    confirmation: bool = True


def oscar_settings() -> OscarSettings:
    """The options in ``NEXI_OSCAR``. Raises ``ImproperlyConfigured`` for an unknown
    key."""
    given = getattr(settings, "NEXI_OSCAR", {})
    known = {field.name.upper() for field in fields(OscarSettings)}
    if unknown := sorted(set(given) - known):
        raise ImproperlyConfigured(f"NEXI_OSCAR has unknown keys: {unknown}")
    return OscarSettings(**{name.lower(): value for name, value in given.items()})
