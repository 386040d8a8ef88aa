"""System checks of the way back from the issuer. Ids: docs/checks.md.

The issuer posts the result of 3-D Secure to the ReturnUrl. A browser follows a redirect
of a POST with a GET, without the result: the payment cannot go on.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings as django_settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import validate_host
from django.middleware.common import CommonMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import NoReverseMatch
from django.utils.module_loading import import_string

from nexi_payments import conf, page_paths
from nexi_payments.conf.loopback import is_loopback

#: Django's middleware that redirects, and the project's subclasses of it. Others are
#: not run: they may write to a database, and a check must not.
_REDIRECTING: Final = (SecurityMiddleware, CommonMiddleware, LocaleMiddleware)


def check_way_back(**kwargs: Any) -> list[CheckMessage]:
    """E052: a POST to the ReturnUrl, through the middleware of the settings."""
    try:
        settings = conf.current()
        site = urlsplit(settings.public_url)
        path = page_paths.public_path("return", "x" * 32, "x" * 43)
    except (ImproperlyConfigured, NoReverseMatch, ImportError):
        return []  # E001 and E004 report it
    return [*_follow(site, path)] if site.hostname else []


def _follow(site: SplitResult, path: str) -> Iterator[CheckMessage]:
    for name, middleware in _redirecting_middleware():
        try:
            response = middleware(_answer)(_post(site, path))
        except DisallowedHost:
            return  # E053, with --deploy
        if 300 <= response.status_code < 400:
            target = response.headers["Location"].removesuffix(path)
            yield Error(
                f"{name} redirects the ReturnUrl from {site.geturl()} to {target}: the"
                " browser loses the issuer's answer, and no payment goes on.",
                hint="Set PUBLIC_URL to the address that is not redirected, with its"
                " scheme and www. See PREPEND_WWW and SECURE_SSL_REDIRECT; behind a"
                " proxy also SECURE_PROXY_SSL_HEADER.",
                id="nexi_payments.E052",
            )
            return


def _redirecting_middleware() -> Iterator[tuple[str, Any]]:
    for name in django_settings.MIDDLEWARE:
        try:
            found = import_string(name)
        except ImportError:
            continue  # Django reports it
        if isinstance(found, type) and issubclass(found, _REDIRECTING):
            yield name, found


def _answer(request: HttpRequest) -> HttpResponseBase:
    return HttpResponse()


def _post(site: SplitResult, path: str) -> WSGIRequest:
    """A POST as the server gets it at the scheme and host of ``site``."""
    is_secure = site.scheme == "https"
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "HTTP_HOST": site.netloc,
        "SERVER_NAME": site.hostname,
        "SERVER_PORT": str(site.port or (443 if is_secure else 80)),
        "wsgi.url_scheme": site.scheme,
        "wsgi.input": BytesIO(),
    }
    if is_secure and django_settings.SECURE_PROXY_SSL_HEADER:
        header, value = django_settings.SECURE_PROXY_SSL_HEADER
        environ[header] = value
    return WSGIRequest(environ)


def check_domains(**kwargs: Any) -> list[CheckMessage]:
    """E053 and W050, with ``--deploy``: in a project's tests ``ALLOWED_HOSTS`` is often
    another."""
    try:
        host = urlsplit(conf.current().public_url).hostname or ""
    except ImproperlyConfigured:
        return []
    if not host or is_loopback(host):
        return []
    if not validate_host(host, django_settings.ALLOWED_HOSTS):
        return [
            Error(
                f"ALLOWED_HOSTS lacks {host}, the host of PUBLIC_URL: each return from"
                " 3-D Secure is a 400.",
                hint=f"Add {host!r} to ALLOWED_HOSTS: each return from the issuer is"
                " rejected until then.",
                id="nexi_payments.E053",
            )
        ]
    others = [one for one in _shop_hosts() if not _shares_session(one, host)]
    if not others:
        return []
    return [
        Warning(
            f"The shop is also on {', '.join(others)}, and the session of a shopper is"
            f" not valid on {host}, the host of PUBLIC_URL.",
            hint="After a payment with a user they see its outcome, and cannot try"
            " again there. Set SESSION_COOKIE_DOMAIN if one domain covers all, redirect"
            " other names, or create these payments without user; success_url and"
            " failure_url are absolute then.",
            id="nexi_payments.W050",
        )
    ]


def _shop_hosts() -> list[str]:
    """Names of ``ALLOWED_HOSTS`` that a shopper may have typed."""
    return [
        name
        for name in django_settings.ALLOWED_HOSTS
        if "." in name.strip(".") and not is_loopback(name) and not _is_address(name)
    ]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _shares_session(name: str, host: str) -> bool:
    """Whether a session cookie that ``name`` sets is sent to ``host``."""
    domain = (django_settings.SESSION_COOKIE_DOMAIN or "").lstrip(".").lower()
    bare = name.lstrip(".").lower()
    if bare == host:
        return True
    if not domain:
        return False
    return all(one == domain or one.endswith(f".{domain}") for one in (bare, host))
