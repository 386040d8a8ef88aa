"""Parsing of request bodies: JSON only, of limited size, with the card removed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from django.core.exceptions import ValidationError
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from nexi_payments import card_extraction, pan_scanner, strict_json
from nexi_payments.api.problem_details import Problem
from nexi_payments.exceptions import CardDataNotAllowed
from nexi_payments.web.card_form import CardForm
from nexi_payments.web.problem_documents import BODY_PROBLEMS

#: Bytes. A 3-D Secure response may have 64 Ki characters, at worst escaped as "\u0080".
#: Other bodies are small. ``card_extraction.MAX_CARD_BODY_BYTES`` limits those with a
#: card.
MAX_BODY_BYTES: Final = 512 * 1024


class StrictJSONParser(JSONParser):
    """Accepts an object in strict JSON: no NaN, no duplicate members, at most
    ``MAX_BODY_BYTES``.

    Django's own limit has no effect here, because DRF reads the stream itself.
    """

    def parse(
        self, stream: Any, media_type: Any = None, parser_context: Any = None
    ) -> dict[str, Any]:
        raw = _read_limited(stream)
        if len(raw) > MAX_BODY_BYTES:
            raise Problem(413, *BODY_PROBLEMS[413])
        members = None
        # raised below, outside this block, so that its context holds no body
        with suppress(ValueError, RecursionError):
            members = strict_json.loads(raw)
        if not isinstance(members, dict):
            raise exceptions.ParseError
        return members


def _read_limited(stream: Any) -> bytes:
    try:
        raw: bytes = stream.read(MAX_BODY_BYTES + 1)
        return raw
    except OSError:  # the client has disconnected
        pass
    raise exceptions.ParseError


class JSONOnlyNegotiation(BaseContentNegotiation):
    """Always responds with JSON. A browsable page would show the card again."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        return parsers[0] if media_type == "application/json" else None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: Any = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


def clear_body(request: Any) -> None:
    """Drop the body, read or unread. Some error trackers read it after the response."""
    inner = getattr(request, "_request", request)
    if inner is not request:
        request._data = request._full_data = {}
        request._stream = None
    inner._body = b""
    inner._read_started = True


def extract_card_form(request: Request, form_class: type[CardForm]) -> CardForm:
    """Take the card out of the request and return a valid form with it.

    ``request.data`` keeps the other members. Raises ``ValidationError`` by field, and
    ``CardDataNotAllowed`` for a card number in another member. No card data stays in
    the request, also if it raises.
    """
    if type(request.data) is not dict:  # an empty form was posted
        raise exceptions.ParseError
    form, not_strings, number_elsewhere = card_extraction.call_without_frames(
        lambda: _bind_form(request, form_class)
    )
    if not_strings:
        raise exceptions.ValidationError(
            {name: ["Must be a string."] for name in not_strings}, code="invalid"
        )
    if form.card is None:
        raise exceptions.ValidationError(
            {
                field: [_error_detail(error) for error in errors]
                for field, errors in form.errors.as_data().items()
            }
        )
    if number_elsewhere:
        raise CardDataNotAllowed("a card number in another member than card_number")
    return form


def _bind_form(
    request: Request, form_class: type[CardForm]
) -> tuple[CardForm, list[str], bool]:
    """The bound form, its fields that are not strings, and whether another member has a
    card number. Replaces ``request.data`` by the members without the card."""
    posted = card_extraction.take_submission(request._request)
    members: dict[str, Any] = posted if type(posted) is dict else dict(request.data)
    names = (*card_extraction.CARD_FIELDS, "cardholder_name")
    card_data = {name: members.pop(name, "") for name in names}
    not_strings = [name for name in names if not _is_encodable_text(card_data[name])]
    form = form_class({} if not_strings else card_data)
    form.is_valid()
    form.data = {}
    has_number = pan_scanner.json_contains_card_number
    number_elsewhere = any(map(has_number, members.values()))
    rest: dict[str, Any] = request.data  # type: ignore[assignment]
    rest.clear()
    if not number_elsewhere:
        for name, value in members.items():
            rest["?" if has_number(name) else name] = value
    request._request._body = b""
    return form, not_strings, number_elsewhere


def _error_detail(error: ValidationError) -> exceptions.ErrorDetail:
    return exceptions.ErrorDetail(" ".join(error.messages), error.code)


def _is_encodable_text(value: Any) -> bool:
    """A string without lone surrogates, which cannot be encoded."""
    return isinstance(value, str) and not any(
        "\ud800" <= character <= "\udfff" for character in value
    )
