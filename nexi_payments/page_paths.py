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

    Raises ``NoReverseMatch`` if ``urlconf()`` does not include our URLs.
    """
    return reverse(f"{PAGES}:{name}", urlconf=urlconf(), args=args)


def page_path(name: str, *args: str) -> str:
    """The path of a page for a browser that stays on its host.

    By the URLconf of the present request, where that includes our pages, else as
    ``public_path``.
    """
    if get_urlconf() not in (None, urlconf()):
        try:
            return reverse(f"{PAGES}:{name}", args=args)
        except NoReverseMatch:
            pass  # the host of this request has no pages of ours
    return public_path(name, *args)


def has_api() -> bool:
    """Whether the URLs of the REST API are included, on any host that we know of."""
    for one in {urlconf(), settings.ROOT_URLCONF, get_urlconf()}:
        try:
            reverse(f"{API}:moto", urlconf=one)
        except NoReverseMatch:
            continue
        return True
    return False
