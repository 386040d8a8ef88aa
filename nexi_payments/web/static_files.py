"""URLs of static files that never raise: a page without its style still works.

A manifest storage raises for a file that was not collected; a remote storage may raise
any error. The result page of a payment must not fail for that. ``check --deploy``
(W027) names missing files.
"""

from __future__ import annotations

import functools
import logging
from typing import Final
from urllib.parse import quote

from django.conf import settings
from django.core.signals import setting_changed
from django.templatetags.static import static

log = logging.getLogger("nexi_payments.web.static_files")

#: Files that pages load.
ICON: Final = "nexi_payments/card.svg"
SCRIPTS_AND_STYLES: Final = tuple(
    f"nexi_payments/{name}"
    for name in (
        "card.js",
        "forward.js",
        "methods.js",
        "pages.css",
        "pending.js",
        "phone_card.js",
        "search.js",
        "staff.css",
        "staff.js",
    )
)


def url(name: str) -> str:
    """As ``{% static %}``. If that raises: the URL without a hash, and a warning in the
    log. Never raises."""
    try:
        return str(static(name))
    except Exception as error:  # each storage has errors of its own
        _warn_once(name, f"{type(error).__name__}: {error}")
    return f"{settings.STATIC_URL or '/'}{quote(name)}"


def missing_files() -> list[str]:
    """Files without a URL: they were not collected."""
    return [name for name in (*SCRIPTS_AND_STYLES, ICON) if not _has_url(name)]


def _has_url(name: str) -> bool:
    try:
        static(name)
    except Exception:
        return False
    return True


@functools.cache
def _warn_once(name: str, reason: str) -> None:
    log.warning("static file %s is missing, pages render without it: %s", name, reason)


def _clear_cache(*, setting: str, **kwargs: object) -> None:
    if setting in {"STATIC_ROOT", "STATIC_URL", "STORAGES"}:
        _warn_once.cache_clear()


setting_changed.connect(_clear_cache, dispatch_uid="nexi_payments.web.static_files")
