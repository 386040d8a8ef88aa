"""What all our API views share: JSON in and out, problems, no transaction around, and
no card in an error report."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from nexi_payments import conf
from nexi_payments.api import problems
from nexi_payments.api.bodies import Strict
from nexi_payments.api.reading import Body, OnlyJson, scrub
from nexi_payments.models import database
from nexi_payments.pages import guarded


class View(APIView):
    parser_classes = (Body,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = OnlyJson
    versioning_class = None
    metadata_class = None
    #: ours, so that a host needs no setting to describe these views
    schema = AutoSchema()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # DRF reads a body of unknown length as none, and "none" would mean "all of it"
        # to a refund: nothing here is asked for without a body
        length = request.META.get("CONTENT_LENGTH") or ""
        posts = request.method == "POST" and hasattr(self, "post")
        if posts and not re.fullmatch(r"0*[1-9][0-9]{0,9}", length):
            raise exceptions.ParseError

    def handle_exception(self, exc: Exception) -> Response:
        # before an error tracker hears of it: whatever was posted may be a card
        scrub(self.request)
        return super().handle_exception(exc)

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return problems.answer

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        scrub(request)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def door(view: type[APIView]) -> Any:
    """The view for a URLconf. It calls the gateway: outside ``ATOMIC_REQUESTS``."""
    return database.non_atomic_requests(guarded(view.as_view()))


def read(request: Request, body: type[Strict]) -> dict[str, Any]:
    """The checked body. Raises ``ValidationError``."""
    form = body(data=request.data)
    form.is_valid(raise_exception=True)
    found: dict[str, Any] = form.validated_data
    return found


def site(request: Request) -> str:
    inner = request._request
    return conf.site_address(inner.META.get("HTTP_HOST", ""), secure=inner.is_secure())
