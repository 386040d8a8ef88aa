"""The paths of our own pages, whatever URLconf answers the present request.

A middleware may set ``request.urlconf`` for each host name (subdomains, tenants), and
one of these URLconfs may lack our pages. So ``django.urls.reverse`` is called here
only, in the shop and in the API; pages of staff link to their own admin site.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.urls import NoReverseMatch, get_urlconf, reverse

PAGES: Final = "nexi_payments"
API: Final = "nexi_payments_api"


def urlconf() -> str:
    """The URLconf that answers at ``PUBLIC_URL``: ``URLCONF``, or ``ROOT_URLCONF``."""
    own = getattr(settings, "NEXI_PAYMENTS", None) or {}
    return str(own.get("URLCONF") or settings.ROOT_URLCONF)


def public_path(name: str, *args: str) -> str:
    """The path of a page on the host of ``PUBLIC_URL``, for absolute URLs.

    By ``urlconf()``; if that lacks our pages (E004), by the URLconf of the present
    request. Raises ``NoReverseMatch`` without either.
    """
    return _path(name, args, (urlconf(), get_urlconf()))


def page_path(name: str, *args: str) -> str:
    """The path of a page for a browser that stays on its host.

    By the URLconf of the present request, where that includes our pages, else as
    ``public_path``.
    """
    return _path(name, args, (get_urlconf(), urlconf()))


def _path(name: str, args: tuple[str, ...], urlconfs: tuple[str | None, ...]) -> str:
    first, second = urlconfs
    try:
        return reverse(f"{PAGES}:{name}", urlconf=first or urlconf(), args=args)
    except NoReverseMatch:
        if second in (None, first):
            raise
    return reverse(f"{PAGES}:{name}", urlconf=second, args=args)


def has_api() -> bool:
    """Whether the URLs of the REST API are included, on any host that we know of."""
    for one in {urlconf(), settings.ROOT_URLCONF, get_urlconf()}:
        try:
            reverse(f"{API}:moto", urlconf=one)
        except NoReverseMatch:
            continue
        return True
    return False
