"""A host's base template may hold an inline script: our policy carries its nonce."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject, empty

from tests.support.shopper import Shopper, new_order
from tests.views.test_payment import CSP

pytestmark = pytest.mark.django_db(transaction=True)

EXTENDED = (
    '{% extends "nexi_payments/base.html" %}{% block footer %}'
    '<script nonce="{{ request.host_nonce }}">1</script>{% endblock %}'
)


class _Nonce(SimpleLazyObject):
    """As Django 6 and django-csp have it: true once somebody has read it."""

    def __init__(self) -> None:
        super().__init__(lambda: secrets.token_urlsafe(16))

    def __bool__(self) -> bool:
        return self._wrapped is not empty


Middleware = Callable[[HttpRequest], HttpResponse]


def like_django(get_response: Middleware) -> Middleware:
    def middleware(request: HttpRequest) -> HttpResponse:
        request._csp_nonce = request.host_nonce = _Nonce()  # type: ignore[attr-defined]
        return get_response(request)

    return middleware


def hostile(get_response: Middleware) -> Middleware:
    def middleware(request: HttpRequest) -> HttpResponse:
        request._csp_nonce = "a' *; script-src 'unsafe-inline"  # type: ignore[attr-defined]
        return get_response(request)

    return middleware


@pytest.fixture
def host(settings: Any) -> Callable[..., None]:
    """``host(middleware, base=template)``: a project with these."""

    def make(middleware: str, *, base: str = "", processor: str = "") -> None:
        settings.MIDDLEWARE = [middleware, *settings.MIDDLEWARE]
        (engine,) = settings.TEMPLATES
        own = {"nexi_payments/base.html": base} if base else {}
        loaders = [
            ("django.template.loaders.locmem.Loader", own),
            "django.template.loaders.app_directories.Loader",
        ]
        options = {**engine["OPTIONS"], "loaders": loaders}
        if processor:
            before = options["context_processors"]
            options["context_processors"] = [*before, processor]
        settings.TEMPLATES = [{**engine, "APP_DIRS": False, "OPTIONS": options}]

    return make


def nonce_in(page: str) -> str:
    return page.split('<script nonce="')[1].split('"')[0]


def with_nonce(nonce: str) -> str:
    policy = CSP.replace("script-src 'self'", f"script-src 'self' 'nonce-{nonce}'")
    return policy.replace("style-src 'self'", f"style-src 'self' 'nonce-{nonce}'")


def test_a_nonce_that_the_page_holds_is_allowed(
    shopper: Shopper, host: Callable[..., None]
) -> None:
    host("tests.web.test_csp_nonce.like_django", base=EXTENDED)
    path = new_order().page_url()
    first, second = shopper.browser.get(path), shopper.browser.get(path)
    nonces = [nonce_in(answer.content.decode()) for answer in (first, second)]
    assert len(set(nonces)) == 2
    for answer, nonce in zip((first, second), nonces, strict=True):
        assert answer["Content-Security-Policy"] == with_nonce(nonce)


def test_a_page_without_inline_script_allows_none(
    shopper: Shopper, host: Callable[..., None]
) -> None:
    host("tests.web.test_csp_nonce.like_django")
    answer = shopper.browser.get(new_order().page_url())
    assert answer["Content-Security-Policy"] == CSP


def test_what_is_no_nonce_does_not_get_into_the_policy(
    shopper: Shopper, host: Callable[..., None]
) -> None:
    host("tests.web.test_csp_nonce.hostile")
    answer = shopper.browser.get(new_order().page_url())
    assert answer["Content-Security-Policy"] == CSP


if find_spec("django.middleware.csp") is not None:  # Django 6 brought it

    def test_with_django_s_own_middleware(
        shopper: Shopper, host: Callable[..., None]
    ) -> None:
        host(
            "django.middleware.csp.ContentSecurityPolicyMiddleware",
            base=EXTENDED.replace("request.host_nonce", "csp_nonce"),
            processor="django.template.context_processors.csp",
        )
        answer = shopper.browser.get(new_order().page_url())
        nonce = nonce_in(answer.content.decode())
        assert answer["Content-Security-Policy"] == with_nonce(nonce)
