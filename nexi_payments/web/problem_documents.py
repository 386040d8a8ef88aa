"""Problem documents (RFC 9457), built without Django REST framework.

The API uses them, and so do the views that reject a body before the API reads it.
"""

from __future__ import annotations

from typing import Any, Final

MEDIA_TYPE: Final = "application/problem+json"

#: Status → code and text, for bodies that are rejected unread.
BODY_PROBLEMS: Final = {
    400: ("invalid_body", "The body is not a JSON object of the documented shape."),
    413: ("body_too_large", "The body is too large."),
    415: ("unsupported_media_type", "Send application/json."),
}


def problem_document(
    status: int, code: str, detail: str, **extra: Any
) -> dict[str, Any]:
    """The members of a problem document, ``extra`` ones included."""
    return {
        "type": f"urn:nexi-payments:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        **extra,
    }
