"""The list of payments, and the address book of everything that hangs on it."""

from __future__ import annotations

import functools
import logging
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import get_template
from django.urls import URLPattern
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from nexi_payments import mails
from nexi_payments.admin import access, assets, dashboard, export, listing
from nexi_payments.admin.actions import Actions
from nexi_payments.admin.desk import Desk
from nexi_payments.admin.detail import OrderPage
from nexi_payments.admin.till import TillReport
from nexi_payments.admin.worklist import ToCheck
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.admin")


@admin.register(PaymentOrder)
class PaymentOrderAdmin(
    access.ReadOnly,
    Desk,
    OrderPage,
    Actions,
    ToCheck,
    TillReport,
    admin.ModelAdmin,  # type: ignore[type-arg]
):
    """Payments are looked at here, never edited and never deleted."""

    # not where Django would find it by itself: a shop's own admin of these rows, on
    # another site, must not get it
    change_list_template = "nexi_payments/staff/change_list.html"
    list_display = (
        "when",
        "reference",
        "money",
        "badge",
        "card",
        "customer",
        "back",
        "channel",
        "terminal",
        "order_id",
    )
    list_display_links = ("when", "order_id")
    list_filter = (
        "state",
        "channel",
        listing.TerminalFilter,
        listing.CurrencyFilter,
        listing.CreatedFilter,
        listing.DoubtFilter,
        listing.RefundedFilter,
    )
    search_fields = ("order_id",)  # routed by get_search_results
    search_help_text = _(
        "Order id, reference, Nexi's operation id, last four digits, or e-mail."
    )
    ordering = ("-created_at", "-id")
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = listing.CappedPaginator
    actions = None

    @property
    def media(self) -> Media:
        return super().media + assets.media()

    # -- addresses ---------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        one, row = "moto/<slug:public_id>/", "<int:pk>/"
        return [
            self.at("moto/", self.moto_view, "moto"),
            self.at(one, self.moto_result_view, "moto_result"),
            self.at(one + "card/", self.moto_card_view, "moto_card"),
            self.at(one + "again/", self.moto_again_view, "moto_again"),
            self.at(one + "link/", self.moto_link_view, "moto_link"),
            self.at(one + "mail/", self.moto_mail_view, "moto_mail"),
            self.at(one + "status/", self.moto_status_view, "moto_status"),
            self.at(one + "receipt/", self.moto_receipt_view, "moto_receipt"),
            self.at(row + "capture/", self.capture_view, "capture"),
            self.at(row + "void/", self.void_view, "void"),
            self.at(row + "refund/", self.refund_view, "refund"),
            self.at(row + "cancel/", self.cancel_view, "cancel"),
            self.at(row + "ask/", self.ask_view, "ask"),
            self.at(row + "resolve/", self.resolve_view, "resolve"),
            self.at("event/<int:pk>/resend/", self.resend_view, "resend"),
            self.at("break/<int:pk>/seen/", self.seen_view, "seen"),
            self.at("search/", self.search_view, "search"),
            self.at("export/", self.export_view, "export"),
            self.at("to-check/", self.to_check_view, "tocheck"),
            self.at("till/", self.till_view, "till"),
            *super().get_urls(),
        ]

    # -- the list ----------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        query = request.GET.get("q", "")
        if listing.may_be_a_card(query):
            return self._refuse_search(request)
        context = {
            "may_take_moto": access.may(request, access.MOTO),
            "verify_url": access.way_to_verify(request, self.admin_site.name),
            # a theme's own search form may hold its filters too: it stays
            "stock": _is_stock("admin/change_list.html"),
            "most_rows": listing.MOST_ROWS,
            "filtered": urlencode(
                [(key, str(one)) for key, one in request.GET.items() if key != "p"]
            ),
            **(extra_context or {}),
        }
        if not request.GET and self.has_view_permission(request):
            # who has searched or filtered wants the rows
            context["board"] = dashboard.board(self.address)
        return super().changelist_view(request, context)

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """The search is posted here, so that what is typed is read before it becomes
        part of an address, which ends up in logs."""
        access.require(request, *access.READERS)
        query = request.POST.get("q", "").strip()
        if listing.may_be_a_card(query):
            return self._refuse_search(request)
        kept = [(key, str(one)) for key, one in request.GET.items() if key != "p"]
        if query:
            kept.append(("q", query))
        address = self.address("changelist")
        return HttpResponseRedirect(f"{address}?{urlencode(kept)}" if kept else address)

    def _refuse_search(self, request: HttpRequest) -> HttpResponse:
        text = _(
            "That looks like a card number. It was not searched for: search by the last"
            " four digits."
        )
        messages.error(request, text)
        return HttpResponseRedirect(self.address("changelist"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder], search_term: str
    ) -> tuple[QuerySet[PaymentOrder], bool]:
        text = search_term.strip()
        return (listing.search(queryset, text) if text else queryset), False

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The filtered list as CSV, all of it."""
        access.require(request, *access.READERS)
        if listing.may_be_a_card(request.GET.get("q", "")):
            return self._refuse_search(request)
        log.info("export by user %s", request.user.pk)
        changelist = self.get_changelist_instance(request)
        rows = export.order_rows(changelist.get_queryset(request))
        return export.as_csv(rows, "payments")

    # -- columns -----------------------------------------------------------------------

    @admin.display(description=_("created"))
    def when(self, order: PaymentOrder) -> str:
        moment = timezone.localtime(order.created_at)
        return _unbroken(formats.date_format(moment, "SHORT_DATETIME_FORMAT"))

    @admin.display(description=_("amount"))
    def money(self, order: PaymentOrder) -> str:
        return _unbroken(mails.amount_in_words(order))

    @admin.display(description=_("state"))
    def badge(self, order: PaymentOrder) -> str:
        doubt = " ⚠" if order.unsettled_since else ""
        return format_html(
            '<span class="nexi-badge nexi-is-{}">{}{}</span>',
            order.state,
            order.get_state_display(),
            doubt,
        )

    @admin.display(description=_("card"))
    def card(self, order: PaymentOrder) -> str:
        if not order.card_last4:
            return "–"
        return _unbroken(f"{order.card_brand} •••• {order.card_last4}".strip())

    @admin.display(description=_("customer"))
    def customer(self, order: PaymentOrder) -> str:
        return order.customer_name or order.customer_email or "–"

    @admin.display(description=_("refunded"))
    def back(self, order: PaymentOrder) -> str:
        if not order.refunded_amount:
            return "–"
        return _unbroken(mails.amount_in_words(order, order.refunded_amount))


@functools.cache
def _is_stock(template: str) -> bool:
    """Whether this is Django's own template and not one of a theme."""
    origin = getattr(get_template(template), "origin", None)
    return "contrib/admin" in str(getattr(origin, "name", ""))


def _unbroken(text: str) -> str:
    """On one line of a narrow column."""
    return text.replace(" ", "\u00a0")
