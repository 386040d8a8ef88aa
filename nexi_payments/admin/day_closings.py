"""Closed days: list, page and files of one, and the form that closes a day."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, flows, permissions
from nexi_payments.admin import access_log, changelist, closing_texts, csv_export
from nexi_payments.admin.base import (
    DetailView,
    ReadOnlyAdmin,
    StaffPages,
    get_actor,
    sees_all_terminals,
)
from nexi_payments.admin.error_texts import error_text
from nexi_payments.enums import AccessKind
from nexi_payments.exceptions import (
    ClosingError,
    GatewayError,
    TerminalNotConfigured,
)
from nexi_payments.flows.closing import close, days, records
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import (
    ClosingDifference,
    DayClosing,
    PaymentOrder,
    db_transactions,
)

log = logging.getLogger("nexi_payments.admin")


class CloseForm(forms.Form):
    """``again`` closes a closed day once more."""

    day = forms.DateField(
        label=_("Day"),
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    again = forms.BooleanField(
        label=_("Close a closed day again; the earlier closing stays"), required=False
    )


class ClosingPages(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("close/", self.close, "close"),
            path("<int:pk>/csv/", self.csv, "csv"),
            path("<int:pk>/json/", self.json, "json"),
            path("difference/<int:pk>/follow-up/", self.follow_up, "follow_up"),
        ]

    @db_transactions.non_atomic_requests
    def close(self, request: HttpRequest) -> HttpResponse:
        """The form; a POST compares the day with Nexi and keeps what was found."""
        _require(request, permissions.CLOSE_DAY)
        if request.method != "POST":
            return self._form_page(request, CloseForm(initial=_initial()))
        form = CloseForm(request.POST)
        if not form.is_valid():
            return self._form_page(request, form, status=400)
        day, again = form.cleaned_data["day"], form.cleaned_data["again"]
        try:
            closing = _close(request, day, again=again)
        except ClosingError as error:
            form.add_error("day", closing_texts.error_text(error))
            return self._form_page(request, form, status=409)
        except GatewayError as error:
            log.warning("day %s was not closed: %s", day, error)
            form.add_error(None, closing_texts.NO_ANSWER)
            return self._form_page(request, form, status=503)
        self.admin.log_addition(request, closing, str(_("The day was closed.")))
        return self.redirect("change", closing.pk)

    def _form_page(
        self, request: HttpRequest, form: CloseForm, *, status: int = 200
    ) -> HttpResponse:
        context = {
            "title": _("Close a day"),
            "form": form,
            "zone": days.zone_name(),
            "hours": int(days.MARGIN.total_seconds() // 3600),
            "list_url": self.admin.admin_url("changelist"),
        }
        return self.render(request, "close_day.html", context, status=status)

    def csv(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        closing = _get_closing(request, pk)
        name = _file_name(closing)
        access_log.record(request, AccessKind.EXPORTED, detail=f"{name}.csv")
        rows = closing_texts.csv_rows(closing, _differences(closing))
        return csv_export.csv_response(rows, name)

    def json(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        closing = _get_closing(request, pk)
        name = f"{_file_name(closing)}.jsonl"
        access_log.record(request, AccessKind.EXPORTED, detail=name)
        return StreamingHttpResponse(
            records.json_lines(closing, _differences(closing)),
            content_type="application/x-ndjson",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "private, no-store",
            },
        )

    @db_transactions.non_atomic_requests
    def follow_up(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask Nexi about the payment of a difference, or take over an unknown one."""
        _require(request, permissions.RECONCILE)
        difference = get_object_or_404(ClosingDifference, pk=pk)
        if request.method == "POST":
            try:
                self._follow_up(request, difference)
            except GatewayError:
                text = _("Nexi does not answer. Nothing was changed; try again later.")
                messages.warning(request, text)
            except TerminalNotConfigured as error:
                messages.error(request, error_text(error))
        return self.redirect("change", difference.closing_id)

    def _follow_up(self, request: HttpRequest, difference: ClosingDifference) -> None:
        order = flows.follow_up_difference(difference, actor=get_actor(request))
        if order is None:
            messages.warning(request, closing_texts.NOTHING_TO_ADOPT)
            return
        state = f"{_('State')}: {order.get_state_display()}"
        messages.info(request, f"{_('Nexi was asked.')} {order.order_id}. {state}")
        note = f"{_('Nexi was asked.')} {order.order_id} {order.state}"
        self.log_change(request, difference.closing, note)


def _close(request: HttpRequest, day: date, *, again: bool) -> DayClosing:
    deadline = Deadline(conf.current().total_timeout)
    actor = get_actor(request)
    return flows.close_day(day, again=again, actor=actor, deadline=deadline)


def _initial() -> dict[str, Any]:
    return {"day": days.last_closable()}


def _require(request: HttpRequest, *names: str) -> None:
    """One of these permissions, and the right to see all terminals."""
    permissions.require_any(request, *names)
    if not sees_all_terminals(request):
        raise PermissionDenied


def _get_closing(request: HttpRequest, pk: int) -> DayClosing:
    _require(request, *permissions.CAN_VIEW_CLOSINGS)
    return get_object_or_404(DayClosing, pk=pk)


def _differences(closing: DayClosing) -> Any:
    return closing.differences.iterator(chunk_size=200)


def _file_name(closing: DayClosing) -> str:
    return f"closed-day-{closing.day.isoformat()}-{closing.revision}"


class ClosingDetail(DetailView):
    """The page of a closed day, also to print."""

    def view(
        self, request: HttpRequest, pk: int, extra_context: dict[str, Any]
    ) -> HttpResponse:
        if not self.admin.has_view_permission(request):
            raise PermissionDenied
        closing = get_object_or_404(DayClosing, pk=pk)
        last = close.last_closing(closing.day)
        context = {
            "original": closing,
            "title": _("Closed day"),
            "closing": closing,
            "newer": last if last and last.pk != closing.pk else None,
            "kept": closing_texts.kept(closing),
            "tables": [
                (heading, closing_texts.sums_by(closing, name))
                for name, heading in closing_texts.GROUPS.items()
            ],
            "differences": _differences_for(request, closing),
            "may_follow_up": permissions.has_any(request, permissions.RECONCILE),
            "list_url": self.admin.admin_url("changelist"),
            **extra_context,
        }
        return self.render(request, "closed_day.html", context)


def _differences_for(request: HttpRequest, closing: DayClosing) -> list[dict[str, Any]]:
    """Each with the key of its payment, for whom may see payments."""
    found = list(closing.differences.all())
    keys: dict[str, Any] = {}
    if permissions.has_any(request, *permissions.CAN_VIEW_PAYMENTS):
        ids = [one.order_id for one in found]
        rows = PaymentOrder.objects.filter(order_id__in=ids)
        keys = dict(rows.values_list("order_id", "pk"))
    return [
        {**closing_texts.describe(one), "payment": keys.get(one.order_id)}
        for one in found
    ]


@admin.register(DayClosing)
class DayClosingAdmin(ReadOnlyAdmin):
    """Closed days are never edited and never deleted."""

    viewers = permissions.CAN_VIEW_CLOSINGS
    is_of_all_terminals = True
    detail_class = ClosingDetail
    page_classes = (ClosingPages,)
    change_list_template = "nexi_payments/staff/change_list_closings.html"
    list_display = (
        "day",
        "revision",
        "matched",
        "difference_total",
        "closed_at",
        "closed_by_name",
    )
    ordering = ("-day", "-revision")
    show_facets = admin.ShowFacets.NEVER
    paginator = changelist.CappedPaginator

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        may_close = permissions.has_any(request, permissions.CLOSE_DAY)
        url = self.admin_url("close") if may_close else ""
        context = {"close_url": url, **(extra_context or {})}
        return super().changelist_view(request, context)

    @admin.display(description=_("differences"))
    def difference_total(self, closing: DayClosing) -> int:
        return closing.difference_count
