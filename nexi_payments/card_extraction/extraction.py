"""The extraction for one request: set the card aside, take it, discard it."""

from __future__ import annotations

import codecs
import logging
from typing import Any, Final

from django.http import HttpRequest, QueryDict

from nexi_payments.card_extraction import body
from nexi_payments.card_extraction.error_reports import hide_from_error_reports
from nexi_payments.card_extraction.routes import (
    CONCEALED,
    FORM,
    JSON,
    PEEK,
    RAW,
    BodyKind,
)
from nexi_payments.card_extraction.submission import (
    CardNotRead,
    RawBody,
    Submission,
    call_without_frames,
)

log = logging.getLogger("nexi_payments.card_extraction")
_SUBMISSION: Final = "_nexi_payments_submission"
#: The original body for a URL that may be the project's, until its view is known.
_ORIGINAL: Final = "_nexi_payments_original"
_KIND_BY_CONTENT_TYPE: Final = {
    "application/x-www-form-urlencoded": FORM,
    "application/json": JSON,
}


def extract_card(request: HttpRequest, kind: BodyKind) -> int:
    """Move the card fields out of the request. Idempotent.

    Returns 0, or a status to respond with: 413 for more than
    ``body.MAX_CARD_BODY_BYTES``, which are not read; 415 for another content type; 400
    for a form that cannot be parsed, and for an unexpected exception. A rejected
    request has an empty body afterwards. JSON that cannot be parsed is not rejected
    here: the view gets an empty body and responds.
    """
    try:
        return call_without_frames(lambda: _extract_card(request, kind))
    except CardNotRead as error:
        defect = str(error)
    hide_from_error_reports(request)
    _store(request, Submission())
    body.empty_body(request)
    # logged last: error trackers read the body when they record a log line
    log.error("body could not be read: %s", defect)
    return 400


def _extract_card(request: HttpRequest, kind: BodyKind) -> int:
    if kind is not PEEK:
        hide_from_error_reports(request)
    if kind is CONCEALED or hasattr(request, _SUBMISSION):
        return 0
    if kind is RAW:
        _store(request, Submission(body.read_raw_body(request)))
        body.empty_body(request)
        return 0
    length = body.body_length(request)
    if kind is PEEK:
        if 0 < length <= body.MAX_CARD_BODY_BYTES and not body.is_consumed(request):
            _peek(request, length)
        return 0
    _store(request, Submission())
    if not length:
        return 0
    status = _rejection_status(request, kind, length)
    if status or not _set_aside(request, kind, body.read_body(request, length)):
        body.empty_body(request)
        return status or (400 if kind is FORM else 0)
    return 0


def _rejection_status(request: HttpRequest, kind: BodyKind, length: int) -> int:
    if length > body.MAX_CARD_BODY_BYTES:
        return 413
    if _KIND_BY_CONTENT_TYPE.get(request.content_type or "") is not kind:
        return 415
    return 0 if kind is JSON or _is_utf8(request.encoding) else 400


def _is_utf8(encoding: str | None) -> bool:
    return encoding is None or codecs.lookup(encoding).name == "utf-8"


def _peek(request: HttpRequest, length: int) -> None:
    """Set a card aside until the view is known, if the body contains one.

    A body that is neither a form nor JSON, an upload for instance, stays unchanged. If
    it mentions a card field, error reports do not show it.
    """
    raw = body.read_body(request, length)
    if raw is None:
        body.disconnect_body(request)
        return
    body.replace_body(request, raw.content)
    kind = _KIND_BY_CONTENT_TYPE.get(request.content_type or "")
    if kind is None:
        if body.mentions_card_field(raw):
            hide_from_error_reports(request)
        return
    try:
        call_without_frames(lambda: _split_unmarked(request, kind, raw))
    except CardNotRead:
        if body.mentions_card_field(raw):
            _set_aside_until_resolved(request, raw, Submission(), b"", QueryDict())


def _split_unmarked(request: HttpRequest, kind: BodyKind, raw: RawBody) -> None:
    split = body.split_unmarked_json if kind is JSON else body.split_unmarked_form
    parts = split(raw)
    if parts is not None:
        fields, content, post = parts
        _set_aside_until_resolved(request, raw, Submission(fields), content, post)


def _set_aside_until_resolved(
    request: HttpRequest,
    raw: RawBody,
    submission: Submission,
    content: bytes,
    post: QueryDict,
) -> None:
    hide_from_error_reports(request)
    _store(request, submission)
    setattr(request, _ORIGINAL, Submission(raw))
    body.replace_body(request, content, post)


def restore_body(request: HttpRequest) -> None:
    """Undo ``PEEK`` for a view of the project. Idempotent."""
    original: Submission | None = getattr(request, _ORIGINAL, None)
    raw = None if original is None else original.take()
    if raw is not None:
        discard_submission(request)
        # if that view calls one of ours, the card is extracted again
        delattr(request, _SUBMISSION)
        body.replace_body(request, raw.content)


def _set_aside(request: HttpRequest, kind: BodyKind, raw: RawBody | None) -> bool:
    """Whether the body could be split. A disconnected client has an empty body."""
    if raw is None:
        body.empty_body(request)
        return True
    try:
        call_without_frames(lambda: _split(request, kind, raw))
    except CardNotRead:
        return False
    return True


def _split(request: HttpRequest, kind: BodyKind, raw: RawBody) -> None:
    split = body.split_json if kind is JSON else body.split_form
    fields, content, post = split(raw)
    body.replace_body(request, content, post)
    _store(request, Submission(fields))


def _store(request: HttpRequest, submission: Submission) -> None:
    setattr(request, _SUBMISSION, submission)


def take_submission(request: HttpRequest) -> Any:
    """The posted fields with the card, once: a ``QueryDict``, or a ``dict`` for a JSON
    object. ``None`` afterwards, and if nothing was set aside."""
    submission: Submission | None = getattr(request, _SUBMISSION, None)
    return None if submission is None else submission.take()


def take_raw_body(request: HttpRequest) -> body.ReadBody:
    """The body for a view of kind ``RAW``, set aside before or read now."""
    raw: body.ReadBody | None = take_submission(request)
    return body.read_raw_body(request) if raw is None else raw


def discard_submission(request: HttpRequest) -> None:
    """Discard fields that no view has taken. Idempotent."""
    take_submission(request)
    original: Submission | None = getattr(request, _ORIGINAL, None)
    if original is not None:
        original.take()
