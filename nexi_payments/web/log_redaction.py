"""Redact secrets of our URLs in log lines written by Django.

Django logs the path of every 4xx and 5xx response, in middleware, decorators and its
handler. A filter on those loggers replaces ids and tokens in URLs of this package,
wherever its pages are mounted. Other lines do not change. No setting is needed.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.template import VariableDoesNotExist

PLACEHOLDER: Final = "***"

#: The name of one of our pages, followed by an id or token; for the ways back,
#: the rest of the URL too. Ids have 32 characters, tokens more. Truncated or
#: extended ones match, too. UUIDs with dashes belong to the host.
_SECRET_URL: Final = re.compile(
    r"(/(?:pay|result|status|link|(?:return|hosted|notify)(?P<back>))/+)"
    r"(?![0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-]))"
    r"[^/?#\s\"']{22,}"
    r"(?(back)(?:/+[^/?#\s\"']*)?(?P<slash>/?)(?:\?[^\s\"']*)?)",
    re.IGNORECASE,
)
#: In addition, one logger for each subclass of ``SuspiciousOperation``.
_LOGGERS: Final = (
    "django.request",
    "django.security",
    "django.security.csrf",
    "django.server",
    "django.template",
)


def redact(text: str) -> str:
    """Replace ids and tokens in URLs of this package by ``PLACEHOLDER``."""
    return _SECRET_URL.sub(
        lambda found: f"{found[1]}{PLACEHOLDER}{found['slash'] or ''}", text
    )


class _RedactionFilter(logging.Filter):
    """Redacts every record and lets it pass. Never raises."""

    def filter(self, record: logging.LogRecord) -> bool:
        with suppress(Exception):  # a record that cannot be rendered cannot be logged
            _redact_record(record)
        return True


def install() -> None:
    """Idempotent. A later ``logging.config.dictConfig`` leaves it in place."""
    kinds = {f"django.security.{kind.__name__}" for kind in _suspicious_operations()}
    for name in (*_LOGGERS, *kinds):
        logger = logging.getLogger(name)
        if not any(isinstance(one, _RedactionFilter) for one in logger.filters):
            logger.addFilter(_RedactionFilter())


def _suspicious_operations(
    kind: type[SuspiciousOperation] = SuspiciousOperation,
) -> Iterator[type[SuspiciousOperation]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _suspicious_operations(one)


def _redact_record(record: logging.LogRecord) -> None:
    record.msg = _redacted_value(record.msg)
    if isinstance(record.args, Mapping):
        record.args = {name: _redacted_value(one) for name, one in record.args.items()}
    elif record.args:
        record.args = tuple(map(_redacted_value, record.args))
    request = getattr(record, "request", None)
    if isinstance(request, HttpRequest):
        vars(record)["request"] = _redacted_request(request)
    if record.exc_info and record.exc_info[1] is not None:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (hidden := redact(text)) != text:
            # Handlers print ``exc_text``; without ``exc_info`` they cannot format it
            # again. VariableDoesNotExist quotes the whole context: drop its text.
            whole = isinstance(record.exc_info[1], VariableDoesNotExist)
            record.exc_info, record.exc_text = None, None if whole else hidden


def _redacted_value(value: Any) -> Any:
    """Redact a value rendered as text. Numbers and ``None`` do not change."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    hidden = redact(text)
    return value if hidden == text else hidden


def _redacted_request(request: HttpRequest) -> HttpRequest:
    """A redacted copy for handlers that show requests; the request itself if clean."""
    attributes = vars(request)
    changed = {
        name: _redacted_value(attributes.get(name)) for name in ("path", "path_info")
    }
    meta = {
        name: redact(value) if isinstance(value, str) else value
        for name, value in request.META.items()
    }
    ours = changed["path"] != request.path
    if ours:
        meta["QUERY_STRING"] = ""  # it may hold PaRes
    elif meta == request.META:
        return request
    copy: HttpRequest = object.__new__(type(request))
    vars(copy).update(attributes, **changed, META=meta)
    if "environ" in attributes:
        vars(copy)["environ"] = meta
    if ours:
        vars(copy).pop("GET", None)
    return copy
