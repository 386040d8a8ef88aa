"""Subresource Integrity: the digests that browsers hold our scripts and styles against.

Only with ``INTEGRITY``: a static host that sends no ``Access-Control-Allow-Origin``
would be refused, and one that rewrites files (a minifier) too.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import time
from typing import Any, Final

from django.apps import apps
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from nexi_payments import conf

log = logging.getLogger("nexi_payments.integrity")

#: What our pages load, icons aside: browsers do not check these.
FILES: Final = tuple(
    f"nexi_payments/{name}"
    for name in (
        "card.js",
        "forward.js",
        "pages.css",
        "pending.js",
        "search.js",
        "staff.css",
        "staff.js",
    )
)
#: Seconds after which a file that could not be read is tried again.
_AGAIN: Final = 60.0
#: name → (its digest, when to look again); of this process, as the manifest is.
_known: dict[str, tuple[str, float]] = {}


def attributes(name: str) -> dict[str, str]:
    """The attributes of a tag that loads ``nexi_payments/…``: none unless switched on.

    They are there for files of our own host, too: whatever stands between it and the
    browser may change a script. ``crossorigin`` means nothing then, and elsewhere the
    browser checks nothing without it.
    """
    if not conf.current().integrity:
        return {}
    found = digest(name)
    return {"integrity": found, "crossorigin": "anonymous"} if found else {}


def digest(name: str) -> str:
    """``sha384-…`` of the file as it is served; "" (and a log line) without one."""
    if django_settings.DEBUG:  # it changes while somebody works on it
        return _read(name)
    found, until = _known.get(name, ("", 0.0))
    if until <= time.monotonic():
        found = _read(name)
        until = float("inf") if found else time.monotonic() + _AGAIN
        _known[name] = (found, until)
    return found


def _read(name: str) -> str:
    try:
        content = _served(name)
    except Exception:
        # any storage, any error: a page without the attribute still takes the payment
        log.exception("no integrity for %s: the file cannot be read", name)
        return ""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def _served(name: str) -> bytes:
    """With DEBUG the file itself is served; else what ``collectstatic`` made of it,
    which a manifest storage keeps under another name and with other content."""
    if not apps.is_installed("django.contrib.staticfiles"):
        raise LookupError("django.contrib.staticfiles is not installed")
    from django.contrib.staticfiles import finders
    from django.contrib.staticfiles.storage import staticfiles_storage

    if not django_settings.DEBUG:
        stored = getattr(staticfiles_storage, "stored_name", str)
        try:
            with staticfiles_storage.open(stored(name)) as collected:
                return bytes(collected.read())
        except (FileNotFoundError, ValueError, ImproperlyConfigured):
            pass  # not collected: WhiteNoise may serve it from where it lies
    path = finders.find(name)
    if not path:
        raise LookupError("no such static file")
    with open(path, "rb") as source:
        return source.read()


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in {"STATIC_ROOT", "STATIC_URL", "STATICFILES_DIRS", "STORAGES"}:
        _known.clear()


setting_changed.connect(_forget, dispatch_uid="nexi_payments.integrity")
