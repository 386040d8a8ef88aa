"""The ways back from Nexi's hosted page: the shopper's browser, and Nexi itself.

Neither needs a cookie or a session: a token in the path tells the payment. Neither
settles anything; both make us ask Nexi.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
    UnreadablePostError,
)
from django.views.decorators.csrf import csrf_exempt

from nexi_payments import card_extraction, flows, page_paths, strict_json
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.views import return_proofs
from nexi_payments.views.payment import get_site, see_other
from nexi_payments.web.responses import with_security_headers
from nexi_payments.web.sensitive import sensitive_view

log = logging.getLogger("nexi_payments.views")

#: Bytes. Nexi's notifications have about two thousand.
MAX_NOTIFICATION: Final = 64 * 1024


@csrf_exempt
@login_not_required
@db_transactions.non_atomic_requests
@sensitive_view(card_extraction.CONCEALED)
def return_from_hosted_page(
    request: HttpRequest, public_id: str, token: str
) -> HttpResponse:
    """The shopper is back, having paid or not. Always the same redirect to the result
    page, which goes on asking. The body is not read.
    """
    result = page_paths.page_path("result", public_id)
    if request.method not in ("GET", "POST"):
        return see_other(result)
    try:
        order = PaymentOrder.objects.filter(public_id=public_id).first()
        result += return_proofs.query(order, token)
        if order is not None:
            flows.return_from_hosted_page(order, token, site=get_site(request))
    except Exception as error:
        # Reconciliation finds the outcome. No traceback: its frames have the token.
        log.warning("return from the hosted page: %s", type(error).__name__)
    return see_other(result)


@csrf_exempt
@login_not_required
@db_transactions.non_atomic_requests
@sensitive_view(card_extraction.CONCEALED)
def notify(request: HttpRequest, public_id: str, token: str) -> HttpResponse:
    """A notification of Nexi: 200 ``{}`` once the order is due, also for one that comes
    twice or late. 404 for an unknown address, 400 and 413 for another body, 500 if it
    was not stored.
    """
    if request.method != "POST":
        return with_security_headers(HttpResponseNotAllowed(["POST"]))
    body, status = _read_notification(request)
    if body is None:
        return _json(status)
    try:
        order = PaymentOrder.objects.filter(public_id=public_id).first()
        known = order is not None and flows.receive_notification(order, token, body)
    except Exception as error:
        # Not raised, and no traceback: frames have the token, and that of the body.
        log.warning("a notification was not stored: %s", type(error).__name__)
        return _json(500)
    return _json(200 if known else 404)


def _json(status: int) -> HttpResponse:
    return with_security_headers(JsonResponse({}, status=status))


def _read_notification(request: HttpRequest) -> tuple[dict[str, Any] | None, int]:
    """The body, or the status that says why it is not taken."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > MAX_NOTIFICATION:
            return None, 413
        raw = request.body
    except (RequestDataTooBig, ValueError):
        return None, 413
    except (UnreadablePostError, OSError):
        return None, 400
    if len(raw) > MAX_NOTIFICATION:
        return None, 413
    try:
        body = strict_json.loads(raw)
        json.dumps(body, ensure_ascii=False).encode()  # no lone surrogates
    except (ValueError, RecursionError):
        return None, 400
    return (body, 200) if isinstance(body, dict) else (None, 400)
