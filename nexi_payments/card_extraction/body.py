"""Reads a body of limited size and removes the card.

The rest keeps every posted name, so that other code works unchanged. Card fields become
"", and so does any other value that looks like a card number. On our card pages, values
that look like a security code become "", too. On other pages they stay, because years
and amounts look like that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO, RawIOBase
from typing import Any, Final, NoReturn

from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from nexi_payments import strict_json
from nexi_payments.card_extraction.submission import CARD_FIELDS, SECRET_FIELDS, RawBody
from nexi_payments.pan_scanner import contains_card_number

#: Bytes. A card form has less than one kilobyte.
MAX_CARD_BODY_BYTES: Final = 16 * 1024
#: Bytes. The issuer posts a ``PaRes`` of up to 64 KiB, at worst percent-encoded.
MAX_RAW_BODY_BYTES: Final = 256 * 1024
#: A body (``None`` if it could not be read), and whether it is complete.
ReadBody = tuple[bytes | None, bool]

#: Names of card fields in a body that cannot be parsed, also with "_" escaped as in
#: forms and JSON.
_CARD_FIELD_NAMES: Final = re.compile(
    rb"(?i)(?:card(?:_|%5f|\\u005f)number)|(?:security(?:_|%5f|\\u005f)code)"
)
#: Fields of Django and of our forms. Their random values may look like card numbers.
_RANDOM_FIELDS: Final = {
    "csrfmiddlewaretoken": re.compile(r"[0-9A-Za-z]{32}|[0-9A-Za-z]{64}"),
    "nonce": re.compile(r"[0-9a-f]{32}"),
}


class _DisconnectedStream(RawIOBase):
    """The stream of a disconnected client: each read fails."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> NoReturn:
        raise OSError("the client has disconnected")


def body_length(request: HttpRequest) -> int:
    """Bytes, 0 without a body.

    A WSGI server's stream ends after CONTENT_LENGTH. Under ASGI the whole body has been
    received, and the header may be missing or too small.
    """
    try:
        length = max(0, int(request.META.get("CONTENT_LENGTH") or 0))
    except ValueError:
        length = 0
    stream: Any = getattr(request, "_stream", None)
    if not hasattr(request, "environ") and stream is not None and stream.seekable():
        length = max(length, stream.seek(0, 2))
        stream.seek(0)
    return length


def has_body(request: HttpRequest) -> bool:
    return body_length(request) > 0


def read_body(request: HttpRequest, length: int) -> RawBody | None:
    """At most ``length`` bytes; ``None`` if the client has disconnected, or if a
    middleware has consumed the body."""
    raw = RawBody()
    if is_consumed(request):
        return None
    if hasattr(request, "_body"):
        raw.content = request.body
        return raw
    try:
        while more := length - len(raw.content):
            before = len(raw.content)
            raw.content += request.read(more)
            if len(raw.content) == before:
                break
    except Exception:
        return None
    return raw


def is_consumed(request: Any) -> bool:
    """Whether a middleware has read the stream without keeping the body."""
    return bool(request._read_started) and not hasattr(request, "_body")


def read_raw_body(request: HttpRequest) -> ReadBody:
    """The body, at most ``MAX_RAW_BODY_BYTES`` + 1 bytes, and whether it is complete;
    ``None`` if it cannot be read."""
    inner: Any = request
    if hasattr(inner, "_body"):  # a middleware has read it before
        return inner._body, True
    if inner._read_started:
        return _reencoded_post(request), True
    length = str(request.META.get("CONTENT_LENGTH") or "").strip()
    known = length.isdecimal()
    stream: Any = request
    if not known and request.META.get("wsgi.input_terminated"):
        # chunked by a proxy: Django would read an empty body
        stream = request.META["wsgi.input"]
    raw = None
    with suppress(Exception):  # disconnected; each server raises its own exception
        raw = stream.read(MAX_RAW_BODY_BYTES + 1)
    complete = (
        not known or raw is None or len(raw) >= min(int(length), MAX_RAW_BODY_BYTES)
    )
    return raw, complete


def _reencoded_post(request: HttpRequest) -> bytes | None:
    """The fields of a body that a middleware has parsed and whose stream is empty."""
    with suppress(Exception):  # the exception depends on the content type
        return request.POST.urlencode().encode()
    return None


def mentions_card_field(raw: RawBody) -> bool:
    """Whether a body contains the name of a card field."""
    return _CARD_FIELD_NAMES.search(raw.content) is not None


# -- splitting a form and JSON ---------------------------------------------------------

#: All fields, the rest of the body as bytes, the rest as ``request.POST``.
SplitBody = tuple[Any, bytes, QueryDict]
#: Name and value of a field → what remains of the value.
Redactor = Callable[[str, str], str]


def split_form(raw: RawBody) -> SplitBody:
    """Split a form of a card page.

    Raises ``TooManyFieldsSent`` for more fields than ``DATA_UPLOAD_MAX_NUMBER_FIELDS``.
    """
    fields = QueryDict(raw.content, encoding="utf-8")
    return _redact_form(fields, _redact_card_data)


def split_json(raw: RawBody) -> SplitBody:
    """Split JSON of a card view. Raises for anything but a JSON object."""
    members = strict_json.loads(raw.content)
    if not isinstance(members, dict):
        raise TypeError("not an object")
    return _redact_json(members, _redact_card_data)


def split_unmarked_form(raw: RawBody) -> SplitBody | None:
    """Split a form posted to a URL that may be the project's.

    ``None`` unless a field has exactly the name of a secret card field. Raises as
    ``split_form``.
    """
    fields = QueryDict(raw.content, encoding="utf-8")
    if not any(name in SECRET_FIELDS for name in fields):
        return None
    return _redact_form(fields, _redact_card_number)


def split_unmarked_json(raw: RawBody) -> SplitBody | None:
    """As ``split_unmarked_form``, for JSON, with members at any depth. Raises for
    anything but JSON."""
    value = strict_json.loads(raw.content)
    return (
        _redact_json(value, _redact_card_number) if _has_secret_field(value) else None
    )


def _redact_form(fields: QueryDict, redact: Redactor) -> SplitBody:
    rest = QueryDict(mutable=True)
    for name, values in fields.lists():
        if not contains_card_number(name):
            rest.setlist(name, [redact(name, str(value)) for value in values])
    rest._mutable = False
    return fields, rest.urlencode().encode(), rest


def _redact_json(value: Any, redact: Redactor) -> SplitBody:
    return value, json.dumps(_redact_value(value, redact)).encode(), QueryDict()


def _has_secret_field(value: Any) -> bool:
    if isinstance(value, dict):
        found = any(name in SECRET_FIELDS for name in value)
        return found or any(map(_has_secret_field, value.values()))
    return isinstance(value, list) and any(map(_has_secret_field, value))


def _redact_value(value: Any, redact: Redactor, name: str = "") -> Any:
    if name in CARD_FIELDS:  # of any type: a list may hold parts of the number
        return ""
    if isinstance(value, dict):
        names = (key for key in value if not contains_card_number(key))
        return {key: _redact_value(value[key], redact, key) for key in names}
    if isinstance(value, list):
        return [_redact_value(item, redact, name) for item in value]
    if value is None or isinstance(value, bool):
        return value
    return value if redact(name, str(value)) else ""


def _redact_card_data(name: str, value: str) -> str:
    return "" if _looks_like_security_code(value) else _redact_card_number(name, value)


def _redact_card_number(name: str, value: str) -> str:
    if name in CARD_FIELDS:
        return ""
    pattern = _RANDOM_FIELDS.get(name)
    if pattern is not None and pattern.fullmatch(value):
        return value
    return "" if contains_card_number(value) else value


def _looks_like_security_code(value: str) -> bool:
    """Three or four digits: it may be a security code under another name. Other short
    numbers match, too; that is harmless, because the view gets all fields."""
    digits = value.strip()
    return 3 <= len(digits) <= 4 and digits.isdigit()


# -- replacing the body of a request ---------------------------------------------------


def replace_body(request: Any, content: bytes, post: QueryDict | None = None) -> None:
    """Replace the body, for all ways to read it later.

    ``post`` becomes ``request.POST``; without it, Django parses ``content``.
    """
    for parsed in ("_post", "_files"):
        vars(request).pop(parsed, None)
    request._body = content
    request._stream = BytesIO(content)
    request._read_started = False
    if post is not None:
        request._post = post
        request._files = MultiValueDict()
    request.META["CONTENT_LENGTH"] = str(len(content))
    if "wsgi.input" in request.META:
        request.META["wsgi.input"] = BytesIO(content)


def empty_body(request: HttpRequest) -> None:
    replace_body(request, b"", QueryDict())


def disconnect_body(request: Any) -> None:
    """Make each read fail, as Django does after a client has disconnected."""
    request._stream = _DisconnectedStream()
    request._read_started = False
