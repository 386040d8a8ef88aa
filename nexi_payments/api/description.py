"""What OpenAPI is told beyond the serializers: problems, keys, the client secret."""

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

from nexi_payments.api import access, keys, problems
from nexi_payments.api.answers import ProblemOut

Method = TypeVar("Method", bound=Callable[..., Any])

_TEXTS: Final = {
    400: "The body, the query or the key has to be mended",
    401: "No credentials, or wrong ones",
    403: "Not with these credentials",
    404: "No such payment, card on file or check",
    409: "Not as things stand; `code` says why. Nothing was sent",
    413: "Too large",
    415: "Not JSON",
    429: "Too often; see Retry-After",
    503: "The gateway does not take our key, or we cannot store; see `code`",
}
_READING: Final = (400, 401, 403, 404, 429)
_WRITING: Final = (400, 401, 403, 404, 409, 413, 415, 429, 503)

_KEY: Final = OpenApiParameter(
    keys.HEADER,
    {"type": "string", "minLength": 8, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    required=True,
    description="New for each thing you want done; the same for its repetitions.",
)


def described(
    answers: dict[int, Any], *, body: Any = None, **more: Any
) -> Callable[[Method], Method]:
    """``extend_schema`` with what every method of ours may answer besides."""
    writes = body is not None
    responses: dict[Any, Any] = dict(answers)
    for status in _WRITING if writes else _READING:
        responses[(status, problems.MEDIA_TYPE)] = OpenApiResponse(
            ProblemOut, _TEXTS[status]
        )
    parameters = [*more.pop("parameters", ()), *([_KEY] if writes else [])]
    told: Callable[[Method], Method] = extend_schema(
        request=body, responses=responses, parameters=parameters, **more
    )

    def tell(method: Method) -> Method:
        # or it would build on the host's DEFAULT_SCHEMA_CLASS, which may be another
        method.kwargs = {"schema": AutoSchema}  # type: ignore[attr-defined]
        return told(method)

    return tell


class _Secret(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = access.ClientSecret
    name = "clientSecret"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": access.HEADER}


class _Closed(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Our bodies take no further members, and the schema says so."""

    target_class = "nexi_payments.api.bodies.Strict"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        found: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return {**found, "additionalProperties": False}


class _Amounts(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "nexi_payments.api.bodies.Amount"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, str]:
        pattern = r"^[0-9]{1,12}(\.[0-9]{1,3})?$"
        return {"type": "string", "pattern": pattern, "example": "12.50"}


class _Flags(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "nexi_payments.api.bodies.Flag"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, str]:
        return {"type": "boolean"}


class _Money(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "nexi_payments.api.answers.Money"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, str]:
        return {"type": "string", "example": "12.50"}
