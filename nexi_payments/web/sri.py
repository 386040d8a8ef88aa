"""Subresource Integrity: digests of scripts and styles, checked by browsers.

Only with ``INTEGRITY``: browsers would block files from a static host that sends no
``Access-Control-Allow-Origin``, or that rewrites files (a minifier).
"""

from __future__ import annotations

import base64
import hashlib
import logging
from time import monotonic
from typing import Any, Final

from django.apps import apps
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from nexi_payments import conf
from nexi_payments.web import static_files

log = logging.getLogger("nexi_payments.web.sri")

#: Files that pages load. Browsers do not check icons.
FILES: Final = static_files.SCRIPTS_AND_STYLES
#: Seconds after which a file that could not be read is tried again.
_RETRY_SECONDS: Final = 60.0
#: Name → (digest, time of the next attempt). Per process, as the manifest.
_digest_cache: dict[str, tuple[str, float]] = {}


def integrity_attributes(name: str) -> dict[str, str]:
    """Attributes of a tag that loads ``nexi_payments/…``; empty without ``INTEGRITY``.

    Files of the own origin have them, too: a proxy on the way may change a script.
    ``crossorigin`` has no effect there; for other origins, browsers check nothing
    without it.
    """
    if not conf.current().integrity:
        return {}
    found = digest(name)
    return {"integrity": found, "crossorigin": "anonymous"} if found else {}


def digest(name: str) -> str:
    """``sha384-…`` of the served file; "" and a log line if it cannot be read."""
    if django_settings.DEBUG:  # the file may change during development
        return _compute_digest(name)
    found, until = _digest_cache.get(name, ("", 0.0))
    if until <= monotonic():
        found = _compute_digest(name)
        until = float("inf") if found else monotonic() + _RETRY_SECONDS
        _digest_cache[name] = (found, until)
    return found


def _compute_digest(name: str) -> str:
    try:
        content = _served_content(name)
    except Exception:
        # storages raise any error; a page without the attribute still works
        log.exception("no integrity attribute for %s: the file cannot be read", name)
        return ""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def _served_content(name: str) -> bytes:
    """Content of the file as served.

    With DEBUG that is the source file; else the collected one, which a manifest storage
    stores under another name and with other content.
    """
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
            pass  # not collected: WhiteNoise may serve the source file
    path = finders.find(name)
    if not path:
        raise LookupError("no such static file")
    with open(path, "rb") as source:
        return source.read()


def _clear_cache(*, setting: str, **kwargs: Any) -> None:
    if setting in {"STATIC_ROOT", "STATIC_URL", "STATICFILES_DIRS", "STORAGES"}:
        _digest_cache.clear()


setting_changed.connect(_clear_cache, dispatch_uid="nexi_payments.web.sri")
