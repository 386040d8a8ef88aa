"""How a body is read: JSON and nothing else, of bounded size, the card taken out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final, NoReturn

from django.core.exceptions import ValidationError
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from nexi_payments.api.problems import Problem
from nexi_payments.forms import CARD_FIELDS, CardForm

#: a 3-D Secure answer may have 64 Ki characters, written "\u0080" at worst; everything
#: else is small
MAX_BODY: Final = 512 * 1024


class Body(JSONParser):
    """An object in strict JSON: no NaN, no member twice, at most ``MAX_BODY`` bytes.

    Django's own limit does not hold here: DRF reads past it.
    """

    def parse(
        self, stream: Any, media_type: Any = None, parser_context: Any = None
    ) -> dict[str, Any]:
        raw = _read(stream)
        if len(raw) > MAX_BODY:
            raise Problem(413, "body_too_large", "The body is too large.")
        found = None
        # the error is raised below: nothing of the body in its context
        with suppress(ValueError, RecursionError):
            found = json.loads(
                raw.decode("utf-8"),
                parse_constant=_refuse,
                object_pairs_hook=_members,
            )
        if not isinstance(found, dict):
            raise exceptions.ParseError
        return found


def _read(stream: Any) -> bytes:
    try:
        raw: bytes = stream.read(MAX_BODY + 1)
        return raw
    except OSError:  # the client has gone
        pass
    raise exceptions.ParseError


def _refuse(constant: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice: which one is meant is anyone's guess")
    return members


class OnlyJson(BaseContentNegotiation):
    """Whatever is asked for gets JSON: no browsable page that shows a card again."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        return parsers[0] if media_type == "application/json" else None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: Any = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


def scrub(request: Any) -> None:
    """Forgets the body, read or not: an error tracker that asks for it later, and some
    do so for each request, finds nothing."""
    inner = getattr(request, "_request", request)
    if inner is not request:
        request._data = request._full_data = {}
        request._stream = None
    inner._body = b""
    inner._read_started = True


def take_card(request: Request, form_class: type[CardForm]) -> CardForm:
    """Takes the card out of ``request.data`` and gives the form that has read it.

    Raises ``ValidationError`` by field. Nothing of the card is left in the request, for
    an error page or tracker to find.
    """
    body = request.data
    if type(body) is not dict:  # an empty post of a form
        raise exceptions.ParseError
    names = (*CARD_FIELDS, "cardholder_name")
    given = {name: body.pop(name, "") for name in names}
    request._request._body = b""  # some middleware may have read it
    if not all(map(_is_text, given.values())):
        wrong = [name for name in names if not _is_text(given[name])]
        given.clear()
        raise exceptions.ValidationError(
            {name: ["Must be a string."] for name in wrong}, code="invalid"
        )
    form = form_class(given)
    form.is_valid()
    given.clear()
    form.data = given
    if form.card is None:
        raise exceptions.ValidationError(
            {
                field: [_said(error) for error in errors]
                for field, errors in form.errors.as_data().items()
            }
        )
    return form


def _said(error: ValidationError) -> exceptions.ErrorDetail:
    return exceptions.ErrorDetail(" ".join(error.messages), error.code)


def _is_text(value: Any) -> bool:
    """A string that can be written down: half a character of UTF-16 can not."""
    return isinstance(value, str) and not any(
        "\ud800" <= character <= "\udfff" for character in value
    )
