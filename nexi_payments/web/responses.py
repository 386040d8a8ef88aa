"""Security headers of pages: a Content-Security-Policy each, and no caching.

The middleware of Django and of django-csp keeps a policy that a response already has.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch
from django.utils.cache import patch_vary_headers

from nexi_payments import conf, page_paths
from nexi_payments.web import csp_reports, rendering, static_files

log = logging.getLogger("nexi_payments.web.responses")
View = TypeVar("View", bound=Callable[..., Any])

#: The policy of redirects and JSON.
BARE_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
#: Our pages use none of these; a script that got in may not, either.
PERMISSIONS_POLICY: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
    )
)
SAME_ORIGIN: Final = "same-origin"
NO_REFERRER: Final = "no-referrer"
#: The issuer checks the origin of the form; ``same-origin`` would send
#: ``Origin: null``.
ORIGIN_ONLY: Final = "strict-origin-when-cross-origin"


def render_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    form_action: str = "'self'",
    referrer: str = SAME_ORIGIN,
    status: int = 200,
) -> HttpResponse:
    """Render a template of the package with strict headers.

    ``referrer`` must not be ``NO_REFERRER`` if the page has a form that posts to this
    site: browsers would send ``Origin: null``, which Django's CSRF check rejects.
    """
    response = HttpResponse(
        rendering.render(request, f"nexi_payments/{template}", context),
        status=status,
    )
    policy = content_security_policy(form_action=form_action, nonce=_csp_nonce(request))
    return with_security_headers(response, policy=policy, referrer=referrer)


def content_security_policy(*, form_action: str = "'self'", nonce: str = "") -> str:
    """The Content-Security-Policy of a page that loads the package's scripts and
    styles."""
    assets = "'self'"
    host = urlsplit(static_files.url("nexi_payments/pages.css"))
    if host.netloc:
        assets += f" {host.scheme or 'https'}://{host.netloc}"
    inline = f"{assets} 'nonce-{nonce}'" if nonce else assets
    policy = (
        f"default-src 'none'; script-src {inline}; style-src {inline};"
        f" img-src {assets}; font-src {assets}; connect-src 'self';"
        f" form-action {form_action}; frame-ancestors 'none'; base-uri 'none';"
        " require-trusted-types-for 'script'"
    )
    if endpoint := report_path():
        policy += f"; report-uri {endpoint}"
        # Where it is known, browsers ignore ``report-uri``; and without https they
        # send nothing to it.
        if conf.current().public_url.startswith("https://"):
            policy += f"; report-to {csp_reports.ENDPOINT}"
    return policy


def report_path() -> str:
    """The path of our endpoint for reports; "" if our pages are not in this URLconf."""
    try:
        return page_paths.page_path("csp_report")
    except NoReverseMatch:
        return ""


def with_security_headers(
    response: HttpResponse,
    *,
    policy: str = BARE_POLICY,
    referrer: str = SAME_ORIGIN,
) -> HttpResponse:
    """Set the security headers. The default ``policy`` is for redirects and JSON."""
    response.headers["Content-Security-Policy"] = policy
    response.headers["Permissions-Policy"] = PERMISSIONS_POLICY
    if " report-to " in policy:
        endpoints = f'{csp_reports.ENDPOINT}="{report_path()}"'
        response.headers["Reporting-Endpoints"] = endpoints
    set_no_store(response)
    response.headers["Referrer-Policy"] = referrer
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    if response.status_code >= 400:
        # instead of Django's line in django.request, which holds the URL and so the
        # payment's secret
        log.warning("answered %d %s", response.status_code, response.reason_phrase)
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def with_retry_after(response: HttpResponse, seconds: float) -> HttpResponse:
    """For a 429: when the next attempt is worth while, at the latest."""
    response.headers["Retry-After"] = str(math.ceil(seconds))
    return response


def set_no_store(response: Any, *more: str) -> Any:
    """Forbid caching by browsers, proxies and Django's own site cache.

    Django's cache honours "private", not "no-store". ``more``: request headers that the
    response depends on, besides cookie and language.
    """
    response.headers["Cache-Control"] = "private, no-store"
    patch_vary_headers(response, ("Cookie", "Accept-Language", *more))
    return response


def no_store(view: View) -> View:
    """Apply ``set_no_store`` to every response of a view, including 405."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return set_no_store(view(request, *args, **kwargs))

    return cast("View", wrapper)


_VALID_NONCE: Final = re.compile(r"[A-Za-z0-9+/_-]{16,64}={0,2}", re.ASCII)


def _csp_nonce(request: HttpRequest) -> str:
    """The CSP nonce that a template of the host used on this page, or "".

    Django's middleware (6.0) and django-csp store it in the same attribute. It is true
    once a template has used it: a page without inline scripts allows none.
    """
    nonce = getattr(request, "_csp_nonce", None)
    return str(nonce) if nonce and _VALID_NONCE.fullmatch(str(nonce)) else ""


def add_payment_id(url: str, order_id: str) -> str:
    """``url`` with ``payment=<order_id>`` added to its query."""
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("payment", order_id)]
    return urlunsplit(parts._replace(query=urlencode(query)))
