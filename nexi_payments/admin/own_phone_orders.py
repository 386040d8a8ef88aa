"""The phone orders of one clerk: those of the last 30 days, found by reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from nexi_payments import enums, money, permissions, terminal_rights
from nexi_payments.admin import changelist, status_texts
from nexi_payments.admin.base import StaffPages, card_label
from nexi_payments.models import PaymentOrder
from nexi_payments.models.order import WITHOUT_STORY
from nexi_payments.pan_scanner import contains_card_number

_PERIOD: Final = timedelta(days=30)
_MOST: Final = 50


class OwnPhoneOrders(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        return [self.admin.admin_path("moto/own/", self.own, "moto_own")]

    def own(self, request: HttpRequest) -> HttpResponse:
        """The list. A search is sent by POST, as that of the payments: URLs end up in
        logs, so it is checked for card numbers before it becomes part of one."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        method = request.POST if request.method == "POST" else request.GET
        query = method.get("q", "").strip()
        url = self.admin.admin_url("moto_own")
        if contains_card_number(query):
            text = _("This looks like a card number. It was not searched for.")
            messages.error(request, text)
            return HttpResponseRedirect(url)
        if request.method == "POST":
            return HttpResponseRedirect(f"{url}?{urlencode({'q': query})}")
        orders = list(_own_orders(request, query)[: _MOST + 1])
        context = {
            "title": _("My phone orders"),
            "query": query,
            "rows": [
                {
                    "order": order,
                    "amount": money.display(order.amount, order.currency),
                    "status": status_texts.badge_with_reason(order),
                    "card": card_label(order),
                }
                for order in orders[:_MOST]
            ],
            "more": len(orders) > _MOST,
            "desk_url": self.admin.admin_url("moto"),
        }
        return self.render(request, "own_phone_orders.html", context)


def _own_orders(request: HttpRequest, reference: str) -> QuerySet[PaymentOrder]:
    """Newest first, on the terminals that the clerk may see. ``reference`` is its
    beginning; without one, attempts that say nothing about money are left out."""
    rows = PaymentOrder.objects.filter(
        clerk=request.user.pk,
        channel__in=sorted(enums.STAFF_CHANNELS),
        created_at__gte=timezone.now() - _PERIOD,
    )
    if reference:
        spellings = {reference, reference.upper(), reference.lower()}
        begins = Q()
        for spelling in sorted(spellings):
            begins |= changelist.prefix_filter("reference", spelling)
        rows = rows.filter(begins)
    else:
        rows = rows.exclude(WITHOUT_STORY)
    return terminal_rights.limit(rows, request.user).order_by("-created_at", "-id")
