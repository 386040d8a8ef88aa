"""Entry point of the secure payment link."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.http import require_safe

from nexi_payments.enums import Channel
from nexi_payments.flows.payment_link import LINK_LIFETIME, current_attempt
from nexi_payments.views.payment import page_context, redirect_to_result, see_other
from nexi_payments.web import languages, payment_links, shopper_texts
from nexi_payments.web.responses import render_page


@login_not_required
@require_safe
def follow_link(request: HttpRequest, token: str) -> HttpResponse:
    """Redirect to the card page of the latest attempt, or to its result page, in the
    language that the link names."""
    code = languages.supported(request.GET.get(languages.PARAMETER))
    if not code:
        return _follow(request, token)
    with translation.override(code):
        return languages.remember(_follow(request, token), code)


def _follow(request: HttpRequest, token: str) -> HttpResponse:
    order = payment_links.find_order(token, max_age=LINK_LIFETIME)
    if order is None or order.channel != Channel.LINK:
        context = page_context(None) | {"message": shopper_texts.LINK_EXPIRED}
        return render_page(request, "result.html", context, status=404)
    order = current_attempt(order)
    return (
        see_other(order.page_url()) if order.accepts_card else redirect_to_result(order)
    )
