"""OpenAPI beyond the serializers: problems, ``Idempotency-Key``, the client secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from nexi_payments.api import authentication, idempotency
from nexi_payments.api.response_serializers import ProblemResponseSerializer
from nexi_payments.web.problem_documents import MEDIA_TYPE

Method = TypeVar("Method", bound=Callable[..., Any])

_PROBLEM_DESCRIPTIONS: Final = {
    400: "The body, the query or the idempotency key is invalid",
    401: "Credentials are missing or wrong",
    403: "These credentials do not allow this",
    404: "No such payment, contract or card verification",
    409: "Conflict with the current state; see `code`. Nothing was sent",
    413: "The body is too large",
    415: "The body is not JSON",
    429: "Too many requests; see Retry-After",
    503: "Nexi rejects the API key or does not answer, or the database is unavailable;"
    " see `code`",
}
_READ_STATUSES: Final = (400, 401, 403, 404, 429)
_WRITE_STATUSES: Final = (400, 401, 403, 404, 409, 413, 415, 429, 503)

_IDEMPOTENCY_KEY: Final = OpenApiParameter(
    idempotency.HEADER,
    {"type": "string", "minLength": 8, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    required=True,
    description="A new one for each action; the same one when you repeat a request.",
)


def operation_schema(
    success_responses: dict[int, Any],
    *,
    body: Any = None,
    problems: tuple[int, ...] = (),
    **extra: Any,
) -> Callable[[Method], Method]:
    """``extend_schema`` with the problems that every method may return, and
    ``problems``.
    """
    writes = body is not None
    responses: dict[Any, Any] = dict(success_responses)
    for status in (*(_WRITE_STATUSES if writes else _READ_STATUSES), *problems):
        responses[(status, MEDIA_TYPE)] = OpenApiResponse(
            ProblemResponseSerializer, _PROBLEM_DESCRIPTIONS[status]
        )
    parameters = [*extra.pop("parameters", ()), *([_IDEMPOTENCY_KEY] if writes else [])]
    extend: Callable[[Method], Method] = extend_schema(
        request=body, responses=responses, parameters=parameters, **extra
    )

    def decorate(method: Method) -> Method:
        # without this, extend_schema builds on the project's DEFAULT_SCHEMA_CLASS
        method.kwargs = {"schema": AutoSchema}  # type: ignore[attr-defined]
        return extend(method)

    return decorate


class _ClientSecretScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = authentication.ClientSecretAuthentication
    name = "clientSecret"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": authentication.CLIENT_SECRET_HEADER,
        }


class _StrictSerializerExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Request bodies accept no additional members."""

    target_class = "nexi_payments.api.request_serializers.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return {**schema, "additionalProperties": False}


class _AmountFieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "nexi_payments.api.fields.AmountField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, str]:
        pattern = r"^[0-9]{1,12}(\.[0-9]{1,3})?$"
        return {"type": "string", "pattern": pattern, "example": "12.50"}


class _BooleanFieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "nexi_payments.api.fields.StrictBooleanField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, str]:
        return {"type": "boolean"}


class _MoneyFieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "nexi_payments.api.fields.MoneyField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, str]:
        return {"type": "string", "example": "12.50"}
