"""Entries in the admin index, and in menus of themes, that redirect to pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path

from nexi_payments import permissions
from nexi_payments.admin import access_log
from nexi_payments.admin.base import ReadOnlyAdmin, url_in_site
from nexi_payments.models import DailyReport, PhoneOrder, ReviewQueue


class _IndexLink(ReadOnlyAdmin):
    target_name = ""

    def get_urls(self) -> list[URLPattern]:
        name = f"nexi_payments_{self.opts.model_name}_changelist"
        view = access_log.audited(self.admin_site.admin_view(self.changelist_view))
        return [path("", view, name=name)]

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        permissions.require_any(request, *self.viewers)
        name = f"admin:nexi_payments_paymentorder_{self.target_name}"
        url = url_in_site(self.admin_site.name, name)
        if not url:
            raise Http404("this admin site does not register PaymentOrder")
        return HttpResponseRedirect(url)


@admin.register(PhoneOrder)
class PhoneOrderLink(_IndexLink):
    target_name = "moto"
    viewers = (permissions.TAKE_MOTO,)


@admin.register(ReviewQueue)
class ReviewQueueLink(_IndexLink):
    target_name = "review_queue"


@admin.register(DailyReport)
class DailyReportLink(_IndexLink):
    target_name = "daily_report"
