"""How each member of staff wants the list: its columns, and saved filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import permissions
from nexi_payments.admin.base import StaffPages, show_errors
from nexi_payments.admin.forms import NoCardNumbersForm
from nexi_payments.models import db_transactions
from nexi_payments.models.list_settings import ListSettings

#: Always the first: it leads to the page of the payment.
FIRST_COLUMN: Final = "amount_display"
COLUMNS: Final[dict[str, Any]] = {
    "state_badge": _("status"),
    "paid_with": _("paid with"),
    "reference_and_attempts": _("reference"),
    "customer": _("customer"),
    "when": _("created"),
    "refunded": _("refunded"),
    "channel": _("channel"),
    "terminal": _("terminal"),
    "order_id": _("order id at Nexi"),
    "description": _("description"),
}
USUAL_COLUMNS: Final = tuple(COLUMNS)[:5]
MAX_FILTERS: Final = 20
#: Parameters of the list that a saved filter may hold. Never ``q``: a search may be for
#: a person.
_PARAMETERS: Final = frozenset(
    {
        *("state__exact", "channel__exact", "terminal", "method", "currency"),
        *("created", "in_doubt", "refunded", "object", "attempts"),
    }
)


class SaveFilterForm(NoCardNumbersForm):
    name = forms.CharField(
        max_length=40, error_messages={"required": _("Name the filter.")}
    )
    query = forms.CharField(max_length=500, required=False)

    def clean_query(self) -> str:
        query = saved_query(self.cleaned_data["query"])
        if not query:
            raise forms.ValidationError(_("Choose a filter first, then save it."))
        return query


def saved_query(query: str) -> str:
    """What a saved filter keeps of the query of a list: its filters."""
    kept = QueryDict(mutable=True)
    for name, value in QueryDict(query).items():
        if name in _PARAMETERS:
            kept[name] = str(value)
    return kept.urlencode()


def read(request: HttpRequest) -> ListSettings:
    """The settings of the user; an unsaved row without any. One query a request."""
    found: ListSettings | None = getattr(request, "_nexi_list_settings", None)
    if found is None:
        user: Any = request.user
        row = ListSettings.objects.filter(user=user).first()
        found = row or ListSettings(user=user)
        request._nexi_list_settings = found  # type: ignore[attr-defined]
    return found


def columns(request: HttpRequest) -> tuple[str, ...]:
    """The columns that the user sees, without ``FIRST_COLUMN``."""
    chosen = [one for one in read(request).columns if one in COLUMNS]
    return tuple(chosen) or USUAL_COLUMNS


def context(request: HttpRequest) -> dict[str, Any]:
    """What the list shows of the settings: columns with a tick, saved filters."""
    shown = columns(request)
    return {
        "columns": [(name, word, name in shown) for name, word in COLUMNS.items()],
        "saved_filters": read(request).filters,
        "savable": saved_query(request.GET.urlencode()),
    }


@db_transactions.retried(durable=False)
def _update(user: Any, **changes: Any) -> None:
    ListSettings.objects.update_or_create(user=user, defaults=changes)


@db_transactions.retried(durable=False)
def _save_filter(user: Any, name: str, query: str) -> bool:
    """Whether there was room. A filter of the same name is replaced."""
    ListSettings.objects.get_or_create(user=user)
    row = ListSettings.objects.select_for_update().get(user=user)
    others = [one for one in row.filters if one["name"] != name]
    if len(others) >= MAX_FILTERS:
        return False
    row.filters = [*others, {"name": name, "query": query}]
    row.save(update_fields=["filters"])
    return True


@db_transactions.retried(durable=False)
def _remove_filter(user: Any, name: str) -> None:
    row = ListSettings.objects.select_for_update().filter(user=user).first()
    if row is not None:
        row.filters = [one for one in row.filters if one["name"] != name]
        row.save(update_fields=["filters"])


class ListSettingsPages(StaffPages):
    """Each is a form of the list; all lead back to it."""

    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("columns/", self.choose_columns, "columns"),
            path("filters/save/", self.save_filter, "save_filter"),
            path("filters/remove/", self.remove_filter, "remove_filter"),
        ]

    def choose_columns(self, request: HttpRequest) -> HttpResponse:
        """Keep the columns that the user ticked; none = the usual ones."""
        permissions.require_any(request, *permissions.CAN_VIEW_PAYMENTS)
        if request.method == "POST":
            ticked: Sequence[str] = request.POST.getlist("column")
            chosen = [one for one in COLUMNS if one in ticked]
            usual = "usual" in request.POST or tuple(chosen) == USUAL_COLUMNS
            _update(request.user, columns=[] if usual else chosen)
        return self._back(saved_query(request.POST.get("query", "")))

    def save_filter(self, request: HttpRequest) -> HttpResponse:
        permissions.require_any(request, *permissions.CAN_VIEW_PAYMENTS)
        if request.method != "POST":
            return self._back("")
        form = SaveFilterForm(request.POST)
        if not form.is_valid():
            show_errors(request, form)
            return self._back(saved_query(request.POST.get("query", "")))
        data = form.cleaned_data
        if _save_filter(request.user, data["name"], data["query"]):
            messages.success(request, _("The filter is saved."))
        else:
            text = _("You have %(number)s filters. Remove one first.")
            messages.error(request, text % {"number": MAX_FILTERS})
        return self._back(data["query"])

    def remove_filter(self, request: HttpRequest) -> HttpResponse:
        permissions.require_any(request, *permissions.CAN_VIEW_PAYMENTS)
        if request.method == "POST":
            _remove_filter(request.user, request.POST.get("name", ""))
        return self._back("")

    def _back(self, query: str) -> HttpResponse:
        url = self.admin.admin_url("changelist")
        return HttpResponseRedirect(f"{url}?{query}" if query else url)
