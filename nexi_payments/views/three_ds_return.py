"""Return from 3-D Secure (``ReturnUrl``).

Works without cookies and without a session: the issuer's cross-site POST arrives
without cookies, and a new session would log the shopper out."""

from __future__ import annotations

import logging

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from nexi_payments import card_extraction, flows, page_paths
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.views import return_body, return_proofs
from nexi_payments.views.payment import EMPTY_CONTEXT, get_actor, get_site, see_other
from nexi_payments.web.responses import NO_REFERRER, render_page
from nexi_payments.web.sensitive import sensitive_view

log = logging.getLogger("nexi_payments.views")


@csrf_exempt
@login_not_required
@db_transactions.non_atomic_requests
@sensitive_view(card_extraction.RAW)
def return_from_issuer(
    request: HttpRequest, public_id: str, token: str
) -> HttpResponse:
    """Take ``PaRes`` and ``paymentId`` from the browser, usually by POST.

    A GET with PaRes gets a page that posts it here; other methods change nothing. The
    response is always the same redirect to the result page: it reveals nothing about
    tokens, and no 4xx or 5xx writes this URL to a log.
    """
    rows = PaymentOrder.objects.filter(public_id=public_id).select_related("details")
    try:
        order = rows.first()
    except Exception:  # of the database
        # As below: the shopper reads the result page, and may send the form again.
        log.exception("return from 3-D Secure failed")
        order = None
    result = page_paths.page_path("result", public_id)
    result += return_proofs.query(order, token)
    if request.method in ("GET", "HEAD"):
        data = return_body.parse_query(request)
        if data is None or not data.pares:
            return see_other(result)
        fields = {"PaRes": data.pares, "paymentId": data.payment_id}
        context = {**EMPTY_CONTEXT, "fields": fields, "action": request.path}
        return render_page(request, "return_repost.html", context)
    if request.method != "POST":
        return see_other(result)
    try:
        if order is not None:
            _resume(request, order, token)
    except Exception:
        # The claim is committed; reconciliation finds the outcome. An error page would
        # show this URL with its token.
        log.exception("return from 3-D Secure failed")
    if str(django_settings.SESSION_COOKIE_SAMESITE).lower() == "strict":
        # After a cross-site POST, browsers do not send such a cookie to the target of a
        # redirect. They do after a same-site page redirects.
        return render_page(
            request, "return_continue.html", {"next": result}, referrer=NO_REFERRER
        )
    return see_other(result)


def _resume(request: HttpRequest, order: PaymentOrder, token: str) -> None:
    data = return_body.parse_post(request)
    if data is None:
        log.warning("order %s: malformed return from 3-D Secure", order.order_id)
        return
    try:
        flows.resume_payment(
            order,
            token,
            pares=data.pares,
            payment_id=data.payment_id,
            site=get_site(request),
            actor=get_actor(request),
        )
    except Exception:
        log.exception("order %s: return from 3-D Secure failed", order.order_id)
