"""Removes a card from the URL of a request.

A card form without ``method="post"``, for instance in a template of the project, puts
the card into the URL. The browser repeats that URL in the ``Referer`` of the next
request. Error emails and debug pages show both, and error trackers send them.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote_plus

from django.http import HttpRequest

from nexi_payments.card_extraction.error_reports import hide_from_error_reports
from nexi_payments.card_extraction.routes import PEEK, BodyKind
from nexi_payments.card_extraction.submission import CARD_FIELDS
from nexi_payments.pan_scanner import MAX_TEXT_LENGTH, url_contains_card_number

#: The name of a secret field, or enough digits for a card number, in any writing.
_CARD_HINT: Final = re.compile(
    r"(?i:card(?:_|%5f)number|security(?:_|%5f)code)|(?:[0-9][^0-9]*+){12}"
)
_REFERER: Final = "HTTP_REFERER"
#: Other members of ``META`` with a URL, besides ``QUERY_STRING``.
_URL_HEADERS: Final = (_REFERER, "REQUEST_URI", "RAW_URI")


def url_may_contain_card(request: HttpRequest) -> bool:
    """Whether the URL or the ``Referer`` may contain a card. Cheap: nothing is resolved
    or decoded."""
    query = request.META.get("QUERY_STRING", "")
    if query and _CARD_HINT.search(query):
        return True
    _, _, referer_query = request.META.get(_REFERER, "").partition("?")
    return bool(referer_query) and _CARD_HINT.search(referer_query) is not None


def redact_url(request: HttpRequest, kind: BodyKind) -> None:
    """Empty the card fields in the URL of one of our views. Idempotent.

    Also empties card numbers in other fields, except for kind ``PEEK``: those views
    reject a search for a card number themselves. With an emptied search they would
    list everything.
    """
    if not url_may_contain_card(request):
        return
    hide_from_error_reports(request)
    meta = request.META
    all_numbers = kind is not PEEK
    meta["QUERY_STRING"] = _redact_query(meta.get("QUERY_STRING", ""), all_numbers)
    for name in _URL_HEADERS:
        path, mark, query = meta.get(name, "").partition("?")
        if mark:
            query = _redact_query(query, all_numbers or name == _REFERER)
            meta[name] = f"{path}?{query}"
    for cached in ("GET", "headers"):
        vars(request).pop(cached, None)
    _update_asgi_scope(request)


def _update_asgi_scope(request: Any) -> None:
    """The ASGI scope has its own copy of URL and headers, which error trackers read."""
    scope = getattr(request, "scope", None)
    if scope is None:
        return
    scope["query_string"] = request.META["QUERY_STRING"].encode()
    referer = request.META.get(_REFERER, "").encode("latin-1")
    scope["headers"] = [
        (name, referer if name.lower() == b"referer" else value)
        for name, value in scope["headers"]
    ]


def _redact_query(query: str, all_numbers: bool) -> str:
    """The query without card fields; with ``all_numbers``, without card numbers in
    other fields, too. Everything else stays as it is."""
    redacted = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(name) in CARD_FIELDS or (
            all_numbers and _contains_card_number(value)
        ):
            redacted.append(f"{name}=")
        elif not (all_numbers and _contains_card_number(name)):
            redacted.append(pair)
    return "&".join(redacted)


def _contains_card_number(text: str) -> bool:
    """Longer texts pass: they are an issuer's response, which must stay intact."""
    return len(text) <= MAX_TEXT_LENGTH and url_contains_card_number(text)
