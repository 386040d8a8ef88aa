"""Where a customer comes in who was sent a link by the desk."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from nexi_payments import paylinks, states, wording
from nexi_payments.flows.moto import LINK_LIVES, newest_attempt
from nexi_payments.pages import page
from nexi_payments.views.payment import context_of, see, see_result


@login_not_required
@require_safe
def follow_link(request: HttpRequest, token: str) -> HttpResponse:
    """On to the card page of the order, or to how it stands."""
    order = paylinks.read(token, lives=LINK_LIVES)
    if order is None or order.channel != states.CHANNEL_LINK:
        context = context_of(None) | {"message": wording.LINK_OVER}
        return page(request, "result.html", context, status=404)
    order = newest_attempt(order)
    return see(order.get_absolute_url()) if order.takes_card else see_result(order)
