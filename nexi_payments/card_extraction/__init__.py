"""Removes card data from a request before the first middleware.

Django's error emails, debug pages and error trackers read ``request.POST`` and
``request.body`` of a failed request, in whichever middleware it failed. So the card
fields are moved out of the request before the first middleware (module ``handlers``).
They stay in a ``Submission`` until the view takes them, once.

======================  ================================================================
``extract_card``        before the first middleware; and at the view, where it does
                        nothing if it has run before
``redact_url``          before both: a card in the URL, with or without a body
``restore_body``        as soon as the view is known, if it is not one of this app
``take_submission``     in the view: all posted fields, card fields included
``take_raw_body``       in the return view: the body as bytes, of any content type
``discard_submission``  after the response, and in views that need no card
======================  ================================================================
"""

from nexi_payments.card_extraction.body import (
    MAX_CARD_BODY_BYTES,
    MAX_RAW_BODY_BYTES,
    has_body,
)
from nexi_payments.card_extraction.error_reports import hide_from_error_reports
from nexi_payments.card_extraction.extraction import (
    discard_submission,
    extract_card,
    restore_body,
    take_raw_body,
    take_submission,
)
from nexi_payments.card_extraction.query import redact_url, url_may_contain_card
from nexi_payments.card_extraction.routes import (
    CONCEALED,
    FORM,
    JSON,
    PEEK,
    RAW,
    BodyKind,
    is_own_view,
    mark_body_kind,
    request_body_kind,
    resolve_view,
    view_body_kind,
)
from nexi_payments.card_extraction.submission import (
    CARD_FIELDS,
    Submission,
    call_without_frames,
)

__all__ = [
    "CARD_FIELDS",
    "CONCEALED",
    "FORM",
    "JSON",
    "MAX_CARD_BODY_BYTES",
    "MAX_RAW_BODY_BYTES",
    "PEEK",
    "RAW",
    "BodyKind",
    "Submission",
    "call_without_frames",
    "discard_submission",
    "extract_card",
    "has_body",
    "hide_from_error_reports",
    "is_own_view",
    "mark_body_kind",
    "redact_url",
    "request_body_kind",
    "resolve_view",
    "restore_body",
    "take_raw_body",
    "take_submission",
    "url_may_contain_card",
    "view_body_kind",
]
