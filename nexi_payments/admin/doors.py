"""Lines in the admin's index, and in the menus of themes, that lead to our pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from nexi_payments.admin import access
from nexi_payments.models import Desk, Till, WorkList


class _Door(access.ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    leads_to = ""
    permissions: tuple[str, ...] = access.READERS

    def has_view_permission(self, request: HttpRequest, *args: Any) -> bool:
        return access.may(request, *self.permissions)

    def get_urls(self) -> list[URLPattern]:
        name = f"nexi_payments_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        access.require(request, *self.permissions)
        address = f"admin:nexi_payments_paymentorder_{self.leads_to}"
        return HttpResponseRedirect(reverse(address, current_app=self.admin_site.name))


@admin.register(Desk)
class DeskDoor(_Door):
    leads_to = "moto"
    permissions = (access.MOTO,)


@admin.register(WorkList)
class WorkListDoor(_Door):
    leads_to = "tocheck"


@admin.register(Till)
class TillDoor(_Door):
    leads_to = "till"
