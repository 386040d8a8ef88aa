"""Headers of our pages: each has its own Content-Security-Policy and is never stored.
And a guard for the views a card passes through: no error page of theirs shows it.

A policy already on a response is left alone by Django's and django-csp's middleware.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from functools import cache, wraps
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.debug import SafeExceptionReporterFilter
from django.views.decorators.debug import (
    sensitive_post_parameters,
    sensitive_variables,
)

from nexi_payments import conf
from nexi_payments.card import holds_card_number

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
    return sealed(
        response, form_action=form_action, referrer=referrer, nonce=_nonce_of(request)
    )


def sealed(
    response: HttpResponse,
    *,
    form_action: str = "'self'",
    referrer: str = SAME_ORIGIN,
    nonce: str = "",
) -> HttpResponse:
    assets = "'self'"
    host = urlsplit(static("nexi_payments/pages.css"))
    if host.netloc:
        assets += f" {host.scheme or 'https'}://{host.netloc}"
    inline = f"{assets} 'nonce-{nonce}'" if nonce else assets
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {inline}; style-src {inline};"
        f" img-src {assets}; font-src {assets}; connect-src 'self';"
        f" form-action {form_action}; frame-ancestors 'none'; base-uri 'none';"
        " require-trusted-types-for 'script'"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = referrer
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    return response


_PLAIN_NONCE: Final = re.compile(r"[A-Za-z0-9+/_-]{16,64}={0,2}", re.ASCII)


def _nonce_of(request: HttpRequest) -> str:
    """The nonce that a template of the host has written into this page, or "".

    Django's middleware (6.0) and django-csp keep it in the same place, and it is true
    once a template has used it: a page without inline script allows none.
    """
    nonce = getattr(request, "_csp_nonce", None)
    return str(nonce) if nonce and _PLAIN_NONCE.fullmatch(str(nonce)) else ""


def with_payment(url: str, public_id: str) -> str:
    """``url`` with ``payment=<public_id>`` among its query."""
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("payment", public_id)]
    return urlunsplit(parts._replace(query=urlencode(query)))


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


#: What the usual middleware calls it: django-guid, django-structlog, log-request-id.
_REQUEST_IDS: Final = ("request_id", "correlation_id", "id")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}", re.ASCII)


def request_id_of(request: HttpRequest) -> str:
    """The host's own id of a request, for its logs and ours; "" when it has none.

    An attribute that some middleware has set, or else the header ``X-Request-ID``.
    """
    header = request.headers.get("X-Request-ID", "")
    named = (str(getattr(request, name, None) or "") for name in _REQUEST_IDS)
    for found in (*named, header):
        if _PLAIN_ID.fullmatch(found) and not holds_card_number(found):
            return found
    return ""


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
