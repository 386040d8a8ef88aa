"""Admin of payments: its list with columns, search and CSV, and its other pages."""

from __future__ import annotations

import functools
import logging
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.db.models import QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import get_template, render_to_string
from django.urls import URLPattern
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from nexi_payments import date_texts, money, permissions
from nexi_payments.admin import (
    access_log,
    base,
    changelist,
    changelist_media,
    content_objects,
    csv_export,
    list_settings,
    method_texts,
    status_texts,
)
from nexi_payments.admin.approvals import PhoneOrderApproval
from nexi_payments.admin.attempts import Attempts, AttemptsFilter, PaymentList
from nexi_payments.admin.customer_messages import CustomerMessages
from nexi_payments.admin.daily_report import DailyReportPage
from nexi_payments.admin.dashboard import dashboard_context
from nexi_payments.admin.decisions import Decisions
from nexi_payments.admin.list_settings import ListSettingsPages
from nexi_payments.admin.nexi_links import NexiLinks
from nexi_payments.admin.order_actions import OrderActions
from nexi_payments.admin.order_detail import OrderDetail
from nexi_payments.admin.own_phone_orders import OwnPhoneOrders
from nexi_payments.admin.payment_cancel import PaymentCancel
from nexi_payments.admin.phone_order_cards import PhoneOrderCards
from nexi_payments.admin.phone_order_results import PhoneOrderResults
from nexi_payments.admin.phone_orders import PhoneOrders
from nexi_payments.admin.queued_refunds import QueuedRefunds
from nexi_payments.admin.review_actions import ReviewActions
from nexi_payments.admin.review_queue import ReviewQueuePage
from nexi_payments.admin.staff_notes import StaffNotes
from nexi_payments.enums import AccessKind
from nexi_payments.models import PaymentOrder
from nexi_payments.pan_scanner import contains_card_number

log = logging.getLogger("nexi_payments.admin")


@admin.register(PaymentOrder)
class PaymentOrderAdmin(base.ReadOnlyAdmin):
    """Payments are never edited and never deleted."""

    detail_class = OrderDetail
    page_classes = (
        PhoneOrders,
        OwnPhoneOrders,  # before what takes any word for an order's id
        PhoneOrderCards,
        PhoneOrderApproval,
        PhoneOrderResults,
        CustomerMessages,
        NexiLinks,
        OrderActions,
        PaymentCancel,
        ReviewActions,
        Decisions,
        QueuedRefunds,
        StaffNotes,
        ReviewQueuePage,
        DailyReportPage,
        ListSettingsPages,
    )
    # Not at a path where Django looks: an admin that a host registers for this model
    # on another site must not get this template.
    change_list_template = "nexi_payments/staff/change_list.html"
    # each user's own: see get_list_display
    list_display = (list_settings.FIRST_COLUMN, *list_settings.USUAL_COLUMNS)
    list_display_links = (list_settings.FIRST_COLUMN,)
    actions = ("export_selected", "export_selected_semicolons")
    list_filter = (
        AttemptsFilter,
        "state",
        "channel",
        changelist.TerminalFilter,
        changelist.MethodFilter,
        changelist.CurrencyFilter,
        changelist.CreatedFilter,
        changelist.InDoubtFilter,
        changelist.RefundedFilter,
        content_objects.ContentObjectFilter,
    )
    search_fields = ("order_id",)  # shows the search box; get_search_results searches
    search_help_text = _(
        "Order id, reference, Nexi's operation id, last four digits, or e-mail."
    )
    ordering = ("-created_at", "-id")
    show_facets = admin.ShowFacets.NEVER
    paginator = changelist.CappedPaginator

    @property
    def media(self) -> Media:
        return super().media + changelist_media.search_script()

    def get_urls(self) -> list[URLPattern]:
        return [
            self.admin_path("search/", self.search_view, "search"),
            self.admin_path("export/", self.export_view, "export"),
            self.admin_path(
                "export/semicolons/", self.export_semicolons_view, "export_semicolons"
            ),
            *super().get_urls(),
        ]

    # -- the list ----------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        query = request.GET.get("q", "")
        if contains_card_number(query):
            return self._reject_search(request)
        context = {
            "may_take_moto": permissions.has_any(request, permissions.TAKE_MOTO),
            # A theme's own search form may hold its filters, too: keep it.
            "is_django_theme": _is_django_template("admin/change_list.html"),
            "max_rows": changelist.MAX_ROWS,
            "filtered": urlencode(
                [(key, str(one)) for key, one in request.GET.items() if key != "p"]
            ),
            **(extra_context or {}),
        }
        context |= list_settings.context(request)
        if not request.GET and self.has_view_permission(request):
            # After a search or filter, staff want the rows, not the dashboard.
            context["dashboard"] = dashboard_context(self.admin_url, request.user)
        return super().changelist_view(request, context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PaymentList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        shown = super().get_changelist_instance(request)
        if isinstance(shown, PaymentList):
            for order in shown.result_list:
                order.attempts = shown.attempts_of(order)
        return shown

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (list_settings.FIRST_COLUMN, *list_settings.columns(request))

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Take the search by POST and redirect to the list.

        URLs end up in logs. So the text is checked for card numbers before it
        becomes part of one.
        """
        permissions.require_any(request, *permissions.CAN_VIEW_PAYMENTS)
        query = request.POST.get("q", "").strip()
        if contains_card_number(query):
            return self._reject_search(request)
        params = [(key, str(one)) for key, one in request.GET.items() if key != "p"]
        if query:
            params.append(("q", query))
        url = self.admin_url("changelist")
        return HttpResponseRedirect(f"{url}?{urlencode(params)}" if params else url)

    def _reject_search(self, request: HttpRequest) -> HttpResponse:
        text = _(
            "That looks like a card number. It was not searched for: search by the last"
            " four digits."
        )
        messages.error(request, text)
        return HttpResponseRedirect(self.admin_url("changelist"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder], search_term: str
    ) -> tuple[QuerySet[PaymentOrder], bool]:
        text = search_term.strip()
        if contains_card_number(text):  # from a caller that skips our views
            return queryset.none(), False
        return (changelist.search(queryset, text) if text else queryset), False

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the whole filtered list as CSV."""
        return self._export_list(request, semicolons=False)

    def export_semicolons_view(self, request: HttpRequest) -> HttpResponseBase:
        """The same for an Excel whose language has decimal commas."""
        return self._export_list(request, semicolons=True)

    def _export_list(
        self, request: HttpRequest, *, semicolons: bool
    ) -> HttpResponseBase:
        permissions.require_any(request, *permissions.CAN_VIEW_PAYMENTS)
        if contains_card_number(request.GET.get("q", "")):
            return self._reject_search(request)
        try:
            shown = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            # as the list: it says that the filters are not valid
            url = self.admin_url("changelist")
            return HttpResponseRedirect(f"{url}?{ERROR_FLAG}=1")
        log.info("export by user %s", request.user.pk)
        access_log.record(request, AccessKind.EXPORTED, note=request.GET.urlencode())
        rows = csv_export.order_rows(shown.get_queryset(request))
        return csv_export.csv_response(rows, "payments", semicolons=semicolons)

    @admin.action(description=_("Export as CSV"), permissions=["view"])
    def export_selected(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> HttpResponseBase:
        """Stream the ticked rows. Nothing changes."""
        return self._export_selection(request, queryset, semicolons=False)

    @admin.action(description=_("Export as CSV with semicolons"), permissions=["view"])
    def export_selected_semicolons(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> HttpResponseBase:
        return self._export_selection(request, queryset, semicolons=True)

    def _export_selection(
        self,
        request: HttpRequest,
        queryset: QuerySet[PaymentOrder],
        *,
        semicolons: bool,
    ) -> HttpResponseBase:
        log.info("export of a selection by user %s", request.user.pk)
        # as many as fit in the access log
        first = queryset.order_by("-pk").values_list("pk", flat=True)[:30]
        keys = " ".join(map(str, first))
        access_log.record(request, AccessKind.EXPORTED, note=f"selected: {keys}")
        rows = csv_export.order_rows(queryset)
        return csv_export.csv_response(rows, "payments", semicolons=semicolons)

    # -- columns -----------------------------------------------------------------------

    @admin.display(description=_("created"))
    def when(self, order: PaymentOrder) -> str:
        return _no_break(date_texts.moment(order.created_at))

    @admin.display(description=_("amount"))
    def amount_display(self, order: PaymentOrder) -> str:
        return _no_break(money.display(order.amount, order.currency))

    @admin.display(description=_("status"))
    def state_badge(self, order: PaymentOrder) -> str:
        return status_texts.badge_with_reason(order)

    @admin.display(description=_("reference"))
    def reference_and_attempts(self, order: PaymentOrder) -> str:
        """The reference, and its other attempts behind "3 attempts"."""
        attempts: Attempts | None = getattr(order, "attempts", None)
        if not attempts:
            return order.reference or "–"
        others = [(self.admin_url("change", one.pk), one) for one in attempts.listed]
        context = {"order": order, "attempts": attempts, "others": others}
        return render_to_string("nexi_payments/staff/attempts.html", context)

    @admin.display(description=_("paid with"))
    def paid_with(self, order: PaymentOrder) -> str:
        return _no_break(method_texts.paid_with(order) or "–")

    @admin.display(description=_("customer"))
    def customer(self, order: PaymentOrder) -> str:
        return order.customer_name or order.customer_email or "–"

    @admin.display(description=_("refunded"))
    def refunded(self, order: PaymentOrder) -> str:
        if not order.refunded_amount:
            return "–"
        return _no_break(money.display(order.refunded_amount, order.currency))


@functools.cache
def _is_django_template(template: str) -> bool:
    """Whether the template is Django's own, not one of a theme."""
    origin = getattr(get_template(template), "origin", None)
    return "contrib/admin" in str(getattr(origin, "name", ""))


def _no_break(text: str) -> str:
    """Replace spaces, to keep the text on one line of a narrow column."""
    return text.replace(" ", "\u00a0")
