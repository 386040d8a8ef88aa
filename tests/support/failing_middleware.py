"""Middleware of a host that reads the request, then raises."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse


class MiddlewareFailure(Exception):
    pass


def _read_request_and_fail(request: Any) -> None:
    posted, raw = request.POST, request.body
    stream = request.META.get("wsgi.input")
    rest = stream.read(1) if hasattr(stream, "read") else b""
    raise MiddlewareFailure(f"{len(posted)} {len(raw)} {len(rest)}")


class OnRequest:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        _read_request_and_fail(request)
        return self.get_response(request)


class OnView(OnRequest):
    def __call__(self, request: Any) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: Any, *args: Any) -> None:
        _read_request_and_fail(request)


class OnResponse(OnRequest):
    def __call__(self, request: Any) -> HttpResponse:
        response = self.get_response(request)
        _read_request_and_fail(request)
        return response


class ReadsUser(OnRequest):
    """Asks who it is, and so the database."""

    def __call__(self, request: Any) -> HttpResponse:
        posted = request.POST
        assert str(request.user)
        assert posted is not None
        return self.get_response(request)


class TenantUrlconf(OnRequest):
    """Chooses the URLconf, as packages for subdomains do."""

    def __call__(self, request: Any) -> HttpResponse:
        if request.META["HTTP_HOST"].startswith("localhost"):
            request.urlconf = "tests.urls"
        return self.get_response(request)


def failing_context_processor(request: Any) -> dict[str, Any]:
    """A context processor."""
    _read_request_and_fail(request)
    return {}
