"""The endpoint to which browsers report what our Content-Security-Policy blocked."""

from __future__ import annotations

import logging
from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from nexi_payments import card_extraction, strict_json
from nexi_payments.web import csp_reports
from nexi_payments.web.client_info import get_client_ip
from nexi_payments.web.responses import with_security_headers

log = logging.getLogger("nexi_payments.csp")

_CONTENT_TYPES: Final = frozenset(
    {"application/csp-report", "application/reports+json"}
)


@csrf_exempt
@login_not_required
def csp_report(request: HttpRequest) -> HttpResponse:
    """204 once the reports are logged. 413, 415 and 429 before the body is read; 400
    for a body that is no JSON. Uses no database, no session and no cache.
    """
    # the body holds the address of a page, which is a secret
    card_extraction.hide_from_error_reports(request)
    if request.method != "POST":
        return with_security_headers(HttpResponseNotAllowed(["POST"]))
    response = with_security_headers(HttpResponse(status=204))
    response.status_code = _take(request)
    # a flood must not fill the log
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _take(request: HttpRequest) -> int:
    """The status of the response."""
    if request.content_type not in _CONTENT_TYPES:
        return 415
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length[:9]) > csp_reports.MAX_BYTES:
        return 413
    if not csp_reports.LIMITER.admit(get_client_ip(request) or ""):
        return 429
    try:
        document = strict_json.loads(request.read(csp_reports.MAX_BYTES))
    except (ValueError, RecursionError, UnreadablePostError, OSError):
        return 400
    for one in csp_reports.violations(document):
        level = logging.INFO if one.is_of_an_extension else logging.WARNING
        log.log(
            level,
            "blocked by the policy of %s: %s by %s, from %s line %d (%s)",
            one.page,
            one.blocked,
            one.directive,
            one.source,
            one.line,
            one.disposition,
        )
    return 204
