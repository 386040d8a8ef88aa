"""Headers of our pages: each has its own Content-Security-Policy and is never stored.
And a guard for the views a card passes through: no error page of theirs shows it.

A policy already on a response is left alone by Django's and django-csp's middleware.
"""

from __future__ import annotations

import ipaddress
import logging
from functools import cache, wraps
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.debug import SafeExceptionReporterFilter
from django.views.decorators.debug import (
    sensitive_post_parameters,
    sensitive_variables,
)

from nexi_payments import conf

log = logging.getLogger("nexi_payments.pages")

SAME_ORIGIN: Final = "same-origin"
NO_REFERRER: Final = "no-referrer"
#: The issuer's page checks where the form came from; ``same-origin`` would send it
#: ``Origin: null``.
ORIGIN_ONLY: Final = "strict-origin-when-cross-origin"


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    form_action: str = "'self'",
    referrer: str = SAME_ORIGIN,
    status: int = 200,
) -> HttpResponse:
    """Renders one of our templates with strict headers.

    ``referrer`` must not be ``NO_REFERRER`` where the page holds a form to ourselves:
    browsers then send ``Origin: null`` and Django's CSRF check refuses it.
    """
    response = render(request, f"nexi_payments/{template}", context, status=status)
    return sealed(response, form_action=form_action, referrer=referrer)


def sealed(
    response: HttpResponse, *, form_action: str = "'self'", referrer: str = SAME_ORIGIN
) -> HttpResponse:
    assets = "'self'"
    host = urlsplit(static("nexi_payments/pages.css"))
    if host.netloc:
        assets += f" {host.scheme or 'https'}://{host.netloc}"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {assets}; style-src {assets};"
        f" img-src {assets}; font-src {assets}; connect-src 'self';"
        f" form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = referrer
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    return response


def address_of(request: HttpRequest) -> str | None:
    """Where a request comes from.

    That is whoever talks to us; behind ``TRUSTED_PROXIES``, whoever talked to the first
    of them. What a visitor writes into ``X-Forwarded-For`` before that is not believed.
    """
    address = _address(request.META.get("REMOTE_ADDR", ""))
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    trusted = conf.current().trusted_proxies
    if forwarded and not trusted:
        _say_once()
    for hop in reversed(forwarded.split(",")):
        known = address is not None and any(address in proxy for proxy in trusted)
        if not known:
            break
        address = _address(hop.strip()) or address
    return None if address is None else str(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@cache
def _say_once() -> None:
    log.warning(
        "X-Forwarded-For arrives and TRUSTED_PROXIES is empty: every visitor has the"
        " address of your proxy, for rate limits and for the audit"
    )


class _AlwaysHiding(SafeExceptionReporterFilter):
    """Django hides sensitive values only without DEBUG; here they are always hidden."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True


def guarded(view: Any) -> Any:
    """For the views a card or a token passes through: no error page shows them."""

    @wraps(view)
    def hiding(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        request.exception_reporter_filter = _AlwaysHiding()
        response: HttpResponse = view(request, *args, **kwargs)
        return response

    return sensitive_post_parameters()(sensitive_variables()(hiding))
