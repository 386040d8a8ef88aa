"""The base of all API views: JSON only, problem details, no surrounding transaction, no
card data in error reports."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from drf_spectacular.openapi import AutoSchema
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from nexi_payments import audit, card_extraction, conf
from nexi_payments.api import authentication, problem_details, throttling
from nexi_payments.api.parsers import JSONOnlyNegotiation, StrictJSONParser, clear_body
from nexi_payments.api.request_serializers import StrictSerializer
from nexi_payments.enums import AccessKind
from nexi_payments.models import db_transactions
from nexi_payments.web import responses
from nexi_payments.web.sensitive import sensitive_view


class BaseAPIView(APIView):
    parser_classes = (StrictJSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = JSONOnlyNegotiation
    #: JSON for views that receive a card
    body_kind = card_extraction.PEEK
    versioning_class = None
    metadata_class = None
    #: set here, so that the OpenAPI schema needs no setting of the project
    schema = AutoSchema()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # DRF reads a body of unknown length as empty, and an empty refund means the
        # whole amount: so each POST needs a body of known length
        length = request.META.get("CONTENT_LENGTH") or ""
        is_post = request.method == "POST" and hasattr(self, "post")
        if is_post and not re.fullmatch(r"0*[1-9][0-9]{0,9}", length):
            raise exceptions.ParseError

    def perform_authentication(self, request: Request) -> None:
        throttle = throttling.FailedAuthenticationThrottle()
        throttle.require_below(request)
        try:
            super().perform_authentication(request)
        except exceptions.AuthenticationFailed:
            throttle.count(request)
            raise

    def handle_exception(self, exc: Exception) -> Response:
        # before an error tracker sees the error: the body may hold a card
        clear_body(self.request)
        if isinstance(exc, PermissionDenied | exceptions.PermissionDenied):
            self._record_denial()
        return super().handle_exception(exc)

    def _record_denial(self) -> None:
        """Of known credentials: a permission is missing, or a right on a terminal."""
        if self.request.successful_authenticator is None:
            return
        match = self.request._request.resolver_match
        audit.record_access(
            AccessKind.DENIED,
            authentication.actor(self.request),
            page=match.view_name if match else "",
            about=self.kwargs.get("id", ""),
            detail=str(self.request.method),
        )

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return problem_details.exception_handler

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        clear_body(request)
        responses.set_no_store(
            final, "Authorization", authentication.CLIENT_SECRET_HEADER
        )
        final.headers["X-Content-Type-Options"] = "nosniff"
        return final


def as_view(view: type[BaseAPIView]) -> Any:
    """The view for a URLconf. It is exempt from ``ATOMIC_REQUESTS``, because it calls
    the gateway."""
    return db_transactions.non_atomic_requests(
        sensitive_view(view.body_kind)(view.as_view())
    )


def validated_body(request: Request, body: type[StrictSerializer]) -> dict[str, Any]:
    """The validated body. Raises ``ValidationError``."""
    serializer = body(data=request.data)
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def request_site(request: Request) -> str:
    """The shop's own origin, as ``conf.site_address``."""
    inner = request._request
    return conf.site_address(inner.META.get("HTTP_HOST", ""), secure=inner.is_secure())
