"""Parse the return from 3-D Secure: ``PaRes`` and ``paymentId`` in any encoding.

``request.POST`` is not used: Django rejects unknown charsets, too many fields and
broken multipart bodies. So ``card_extraction`` stored the raw body, at most
``MAX_RAW_BODY_BYTES`` bytes. It is parsed as a form (urlencoded, multipart or
text/plain) or JSON, independent of the content type. Names are case-insensitive.

The body is untrusted: every pattern and every split runs in linear time. A pattern has
at most one unbounded repeat, applied at positions that do not overlap.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest

from nexi_payments import card_extraction

#: Characters. A 3-D Secure response has a few kilobytes.
MAX_PARES_LENGTH: Final = 64 * 1024

_PARES: Final = "pares"
_PAYMENT_ID: Final = "paymentid"
_NAME: Final = re.compile(r'[\s;]name="?([^";\r\n]*)', re.IGNORECASE)
#: A stripped body without fields, as form, multipart or JSON.
_NO_FIELDS: Final = re.compile(rb"(?:--[^\r\n]*|\{\s*\})?")
#: Base64, wrapped or not, in which each "+" may have become a space.
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=_.\r\n -]+")
#: Spaces between two Base64 characters: not at an end, at "=" or at a line break.
_LOST_PLUS: Final = re.compile(r"(?<=[A-Za-z0-9+/_.-]) ++(?=[A-Za-z0-9+/_.-])")
#: Complete Base64, if the number of characters is a multiple of four.
_COMPLETE_BASE64: Final = re.compile(r"[A-Za-z0-9+/\r\n]+={0,2}")

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class ReturnData:
    """Fields of the return; ``""`` if absent."""

    pares: str = ""
    payment_id: str = ""


def parse_post(request: HttpRequest) -> ReturnData | None:
    """Fields of the body, or of the query of the POST.

    ``None`` for a malformed return: too long, truncated before ``PaRes``, or without
    any field. Never raises.
    """
    raw, whole = card_extraction.take_raw_body(request)
    in_query = parse_query(request)
    if raw is None or len(raw) > card_extraction.MAX_RAW_BODY_BYTES:
        return None
    found, any_field = _extract(_fields(raw, whole))
    if not found.pares and in_query is not None and in_query.pares:
        return in_query
    readable = any_field or _NO_FIELDS.fullmatch(raw.strip())
    if len(found.pares) > MAX_PARES_LENGTH or not readable:
        return None
    return found if found.pares or whole else None


def parse_query(request: HttpRequest) -> ReturnData | None:
    """Fields of the query; ``None`` if it is too long."""
    query = str(request.META.get("QUERY_STRING", ""))
    if len(query) > card_extraction.MAX_RAW_BODY_BYTES:
        return None
    found, _any_field = _extract(_parse_lines(query, whole=True))
    return found if len(found.pares) <= MAX_PARES_LENGTH else None


def _fields(raw: bytes, whole: bool) -> Iterator[tuple[str, str]]:
    """Yield names and values. Omits the last one if the body was truncated."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raw = raw.decode("utf-16", "replace").encode()
    raw = raw.removeprefix(codecs.BOM_UTF8).strip(b"\r\n\t ")
    text = raw.decode("latin-1")  # every byte has a character
    if text.startswith("{"):
        yield from _parse_json(raw)
    elif text.startswith("--"):
        yield from _parse_multipart(text, whole)
    else:
        yield from _parse_lines(text, whole)


def _parse_lines(text: str, whole: bool) -> Iterator[tuple[str, str]]:
    """Parse urlencoded bodies, and text/plain: one field a line, not encoded.

    "+" becomes a space in both; ``_restore_plus_signs`` undoes that.
    """
    pairs = re.split(r"[&\r\n]+", text)
    for pair in pairs if whole else pairs[:-1]:
        name, sign, value = pair.partition("=")
        if sign:
            yield _url_decoded(name), _url_decoded(value)


def _parse_multipart(text: str, whole: bool) -> Iterator[tuple[str, str]]:
    """Parse multipart bodies. The first line is the boundary."""
    boundary = text.splitlines()[0]
    parts = text.split(boundary)[1:]
    for part in parts if whole else parts[:-1]:
        end = "\r\n" if "\r\n" in part else "\n"
        head, blank, value = part.partition(end * 2)
        name = _NAME.search(head)
        if blank and name:
            yield name[1], _utf8_or_latin1(value.removesuffix(end))


def _parse_json(raw: bytes) -> Iterator[tuple[str, str]]:
    for encoding in ("utf-8", "latin-1"):
        with suppress(ValueError, RecursionError):
            members = json.loads(raw.decode(encoding), object_pairs_hook=tuple)
            for name, value in members:
                if isinstance(value, str | int):
                    yield str(name), str(value)
            return


def _extract(pairs: Pairs) -> tuple[ReturnData, bool]:
    """The known fields (the last non-empty value each), and whether any field
    exists."""
    values = {_PARES: "", _PAYMENT_ID: ""}
    any_field = False
    for name, value in pairs:
        any_field = True
        key = name.strip().lower()
        if key in values and value.strip(" "):
            values[key] = value
    payment_id = values[_PAYMENT_ID].strip()
    return ReturnData(_restore_plus_signs(values[_PARES]), payment_id), any_field


def _restore_plus_signs(pares: str) -> str:
    """Restore "+" of Base64 that was not percent-encoded and became a space.

    A space at an end counts as "+" only if the text is incomplete without it.
    """
    if " " not in pares or not _BASE64.fullmatch(pares):
        return pares
    inside = _LOST_PLUS.sub(lambda lost: "+" * len(lost[0]), pares.strip(" "))
    if _is_complete_base64(inside):
        return inside
    before = len(pares) - len(pares.lstrip(" "))
    behind = len(pares) - len(pares.rstrip(" "))
    both = "+" * before + inside + "+" * behind
    return both if _is_complete_base64(both) else inside


def _is_complete_base64(text: str) -> bool:
    line_breaks = text.count("\r") + text.count("\n")
    return (len(text) - line_breaks) % 4 == 0 and bool(_COMPLETE_BASE64.fullmatch(text))


def _url_decoded(text: str) -> str:
    if text.isalnum():
        return _utf8_or_latin1(text)
    raw = unquote_to_bytes(text.replace("+", " ").encode("latin-1", "replace"))
    return _utf8_or_latin1(raw.decode("latin-1"))


def _utf8_or_latin1(text: str) -> str:
    """Decode Latin-1 text as UTF-8 where its bytes are valid UTF-8."""
    if text.isascii():
        return text
    with suppress(ValueError):
        return text.encode("latin-1").decode("utf-8")
    return text
