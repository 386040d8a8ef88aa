"""Decorator for views that receive a card or a token.

It hides them from error reports, and rejects bodies that the view cannot read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.views.decorators.debug import (
    sensitive_post_parameters,
    sensitive_variables,
)

from nexi_payments import card_extraction
from nexi_payments.web import shopper_texts
from nexi_payments.web.client_info import get_request_id
from nexi_payments.web.problem_documents import (
    BODY_PROBLEMS,
    MEDIA_TYPE,
    problem_document,
)
from nexi_payments.web.responses import (
    content_security_policy,
    set_no_store,
    with_security_headers,
)

View = Callable[..., HttpResponseBase]


def sensitive_view(
    kind: card_extraction.BodyKind = card_extraction.CONCEALED,
) -> Callable[[View], View]:
    """Mark and wrap a view that receives card data or a token.

    The card was extracted before the first middleware. Here it is extracted if no
    handler of Django ran, or if a middleware chose the URLconf.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(
            request: HttpRequest, *args: Any, **kwargs: Any
        ) -> HttpResponseBase:
            card_extraction.hide_from_error_reports(request)
            card_extraction.redact_url(request, kind)
            status = card_extraction.extract_card(request, kind)
            if status:
                return error_response(request, kind, status)
            return view(request, *args, **kwargs)

        hidden: View = sensitive_post_parameters()(sensitive_variables()(wrapper))
        return card_extraction.mark_body_kind(kind)(hidden)

    return decorate


def error_response(
    request: HttpRequest, kind: card_extraction.BodyKind, status: int
) -> HttpResponse:
    """A problem document, or a page in the visitor's language.

    403 means a failed CSRF check. Uses neither database nor session, and nothing of the
    host except its templates.
    """
    if kind is card_extraction.JSON:
        return _problem_response(request, status)
    language = translation.get_language_from_request(request, check_path=True)
    message = (
        shopper_texts.COOKIES_NEEDED if status == 403 else shopper_texts.UNREADABLE_FORM
    )
    context = {"order": None, "message": message}
    try:
        with translation.override(language):
            text = render_to_string("nexi_payments/result.html", context)
            return with_security_headers(
                HttpResponse(text, status=status), policy=content_security_policy()
            )
    except Exception:  # an override of the host may need more context
        plain = HttpResponse(
            "Not read. Nothing was charged.", status=status, content_type="text/plain"
        )
        return with_security_headers(plain)


def _problem_response(request: HttpRequest, status: int) -> HttpResponse:
    document = problem_document(status, *BODY_PROBLEMS[status])
    if request_id := get_request_id(request):
        document["request_id"] = request_id
    response = JsonResponse(document, status=status, content_type=MEDIA_TYPE)
    set_no_store(response)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
