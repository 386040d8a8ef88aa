"""Runs the extraction before the first middleware, in each of Django's handlers: WSGI,
ASGI and the test clients. Responds to card forms that failed the CSRF check. The
project needs no setting for this."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, Final

from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

from nexi_payments import card_extraction

log = logging.getLogger("nexi_payments.card_extraction")
#: Django's logger for failed CSRF checks.
csrf_log = logging.getLogger("django.security.csrf")

_MARK: Final = "_nexi_payments_extracts_cards"

#: Builds the response to a rejected body: request, kind of body, status.
ErrorResponder = Callable[
    [HttpRequest, card_extraction.BodyKind, int], HttpResponseBase
]
Chain = Callable[[HttpRequest], Any]


def install(respond_error: ErrorResponder) -> None:
    """Wrap ``BaseHandler.load_middleware`` and ``CsrfViewMiddleware._reject``.
    Idempotent."""
    original = BaseHandler.load_middleware
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def load_middleware(self: Any, is_async: bool = False) -> None:
        original(self, is_async)
        wrap = _wrap_chain_async if is_async else _wrap_chain
        self._middleware_chain = wrap(self._middleware_chain, respond_error)
        on_resolved = _on_view_resolved_async if is_async else _on_view_resolved
        self._view_middleware.insert(0, on_resolved)

    setattr(load_middleware, _MARK, True)
    BaseHandler.load_middleware = load_middleware  # type: ignore[method-assign]
    _replace_csrf_rejection(respond_error)


def _replace_csrf_rejection(respond_error: ErrorResponder) -> None:
    """Replace Django's response to a card form that failed the CSRF check.

    Django's check still decides. Our response takes the place of ``CSRF_FAILURE_VIEW``,
    and the log line has no URL.
    """
    middleware: Any = CsrfViewMiddleware
    original = getattr(middleware, "_reject", None)
    if original is None:  # a private name of Django: without it, its response stays
        return

    @functools.wraps(original)
    def reject(self: Any, request: HttpRequest, reason: str) -> Any:
        match = request.resolver_match
        if (
            match is None
            or card_extraction.view_body_kind(match.func) is not card_extraction.FORM
        ):
            return original(self, request, reason)
        csrf_log.warning("Forbidden (%s): a card form", reason)
        return respond_error(request, card_extraction.FORM, 403)

    middleware._reject = reject


def extracts_cards(handler: Any) -> bool:
    """Whether this handler extracts cards.

    Before it has loaded its middleware: whether its ``load_middleware`` is the wrapped
    one.
    """
    chain = handler._middleware_chain
    return hasattr(handler.load_middleware if chain is None else chain, _MARK)


def _wrap_chain(chain: Chain, respond_error: ErrorResponder) -> Chain:
    def extracting(request: HttpRequest) -> Any:
        try:
            return _rejection(request, respond_error) or chain(request)
        finally:
            card_extraction.discard_submission(request)

    setattr(extracting, _MARK, True)
    return extracting


def _wrap_chain_async(chain: Chain, respond_error: ErrorResponder) -> Chain:
    async def extracting(request: HttpRequest) -> Any:
        try:
            return _rejection(request, respond_error) or await chain(request)
        finally:
            card_extraction.discard_submission(request)

    setattr(extracting, _MARK, True)
    return extracting


def _on_view_resolved(request: HttpRequest, view: Any, *args: Any) -> None:
    """Runs as ``process_view`` of a middleware: the view is known and runs next.
    Restores the body for a view of the project."""
    if not card_extraction.is_own_view(view):
        card_extraction.restore_body(request)


async def _on_view_resolved_async(request: HttpRequest, view: Any, *args: Any) -> None:
    _on_view_resolved(request, view)


def _rejection(
    request: HttpRequest, respond_error: ErrorResponder
) -> HttpResponseBase | None:
    """The response to a rejected request, or ``None``.

    An unexpected exception becomes a 400. Raised here, it would bypass Django's error
    handling and reach the server, with the body in its frames.
    """
    defect = ""
    try:
        in_url, in_body = (
            card_extraction.url_may_contain_card(request),
            card_extraction.has_body(request),
        )
        if not (in_url or in_body):
            return None
        kind, status = _body_kind(request), 0
        if kind is not None and in_url and _resolves_to_own_view(request):
            card_extraction.redact_url(request, kind)
        if kind is not None and in_body:
            status = card_extraction.extract_card(request, kind)
    except Exception as error:
        kind, status, defect = _body_kind(request), 400, type(error).__name__
    if kind is None or not status:
        return None
    if defect:
        request._body = b""
        log.error("card extraction failed: %s", defect)
    return respond_error(request, kind, status)


def _body_kind(request: HttpRequest) -> card_extraction.BodyKind | None:
    try:
        return card_extraction.request_body_kind(request)
    except Exception:  # the URLconf cannot be imported, so the view is unknown
        return card_extraction.PEEK


def _resolves_to_own_view(request: HttpRequest) -> bool:
    try:
        return card_extraction.is_own_view(
            card_extraction.resolve_view(request.path_info)
        )
    except Exception:  # as above
        return False
