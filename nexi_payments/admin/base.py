"""What the admin classes share: the read-only base, its pages, the acting user."""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse

from nexi_payments import conf, enums, permissions, terminal_rights
from nexi_payments.admin import access_log, changelist_media
from nexi_payments.admin.access_log import get_actor as get_actor
from nexi_payments.enums import Channel
from nexi_payments.models import CardVerification, Contract, PaymentOrder

log = logging.getLogger("nexi_payments.admin")
View = Callable[..., HttpResponseBase]


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Deny adding, changing and deleting: only flows write rows.

    One of the permissions ``viewers`` is enough to view. ``page_classes`` are the pages
    beside the list and the detail page.
    """

    viewers: tuple[str, ...] = permissions.CAN_VIEW_PAYMENTS
    #: a row tells of all terminals: only who sees all of them sees it
    is_of_all_terminals = False
    detail_class: type[DetailView]
    page_classes: tuple[type[StaffPages], ...] = ()
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    actions: Any = None

    @property
    def media(self) -> forms.Media:
        return super().media + changelist_media.stylesheet()

    def get_urls(self) -> list[URLPattern]:
        pages = [page for kind in self.page_classes for page in kind(self).urls]
        own = super().get_urls()
        for one in own:
            one.callback = access_log.audited(one.callback)
        return [*pages, *own]

    def admin_path(self, route: str, view: View, name: str) -> URLPattern:
        """URL pattern of an extra page, for logged-in staff.

        Its URL name is "admin:nexi_payments_<model>_<name>".
        """

        @functools.wraps(view)
        def with_current_app(
            request: HttpRequest, *args: Any, **kw: Any
        ) -> HttpResponseBase:
            request.current_app = self.admin_site.name  # for {% url %}
            return view(request, *args, **kw)

        url_name = f"nexi_payments_{self.opts.model_name}_{name}"
        audited = access_log.audited(self.admin_site.admin_view(with_current_app))
        return path(route, audited, name=url_name)

    def admin_url(self, name: str, *args: Any) -> str:
        """URL of a page of this model, for example "changelist"."""
        url_name = f"admin:nexi_payments_{self.opts.model_name}_{name}"
        return reverse(url_name, args=args, current_app=self.admin_site.name)

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        url = verify_card_url(request, self.admin_site.name)
        context = {"verify_url": url, **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The detail page. A POST is denied."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        text = unquote(object_id)
        key = int(text) if text.isdecimal() and len(text) < 19 else 0
        return self.detail_class(self).view(request, key, extra_context or {})

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """The rows of the terminals that the user may see: of lists, search, exports,
        detail pages and histories."""
        rows = super().get_queryset(request)
        if self.is_of_all_terminals:
            return rows if sees_all_terminals(request) else rows.none()
        return terminal_rights.limit(rows, request.user)

    # ``obj``: Django passes it by position or by name

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if self.is_of_all_terminals and not sees_all_terminals(request):
            return False
        return permissions.has_any(request, *self.viewers)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class StaffView:
    """A view class: renders and redirects in the admin of its ``ModelAdmin``."""

    def __init__(self, model_admin: ReadOnlyAdmin) -> None:
        self.admin = model_admin

    def render(
        self,
        request: HttpRequest,
        template: str,
        context: dict[str, Any],
        *,
        status: int = 200,
    ) -> HttpResponse:
        """A page of ``templates/nexi_payments/staff`` in the frame of the admin."""
        context = {
            **self.admin.admin_site.each_context(request),
            "opts": self.admin.opts,
            **context,
        }
        template = f"nexi_payments/staff/{template}"
        return TemplateResponse(request, template, context, status=status)

    def log_change(self, request: HttpRequest, row: models.Model, note: str) -> None:
        """Write what staff did into the row's history. Our own events have it, too.

        It is written after the deed: an error of the log (another database, a receiver
        of the host) must not look as if nothing was done.
        """
        try:
            self.admin.log_change(request, row, note)
        except Exception as error:
            log.error("no entry in the admin's log: %s", type(error).__name__)

    def redirect(self, name: str, *args: Any) -> HttpResponse:
        """Redirect to a page of the model, by the name of its URL."""
        return HttpResponseRedirect(self.admin.admin_url(name, *args))


class DetailView(StaffView, ABC):
    """The page of one row."""

    @abstractmethod
    def view(
        self, request: HttpRequest, pk: int, extra_context: dict[str, Any]
    ) -> HttpResponse:
        """Check the permission, and respond with the page of the row ``pk``."""


class StaffPages(StaffView, ABC):
    """Pages of one subject. The ``ModelAdmin`` adds their ``urls`` to its own."""

    @property
    @abstractmethod
    def urls(self) -> list[URLPattern]:
        """The URL patterns, relative to the URL of the list."""


class ActionPages(StaffPages):
    """Actions on one row: a form on its detail page, a confirmation, one call."""

    def action_context(self, name: str, pk: int) -> dict[str, Any]:
        """URLs of the pages between the form and the call."""
        url = self.admin.admin_url
        return {"action": url(name, pk), "back": url("change", pk)}

    def reject_form(
        self, request: HttpRequest, form: Any, pk: int, context: dict[str, Any]
    ) -> HttpResponse:
        """Show the errors on the detail page. Nothing is sent.

        If only the amount is wrong, and ambiguous: offer a button for each possible
        one, on a page with ``context``.
        """
        if form.amount_choices and not form.errors.keys() - {"amount"}:
            context = {**context, "form": form}
            return self.render(request, "choose_amount.html", context, status=400)
        show_errors(request, form)
        return self.redirect("change", pk)


def show_errors(request: HttpRequest, form: forms.Form) -> None:
    """Show the errors of a form as messages on the next page."""
    for errors in form.errors.values():
        messages.error(request, " ".join(map(str, errors)))


def card_label(row: PaymentOrder | Contract | CardVerification) -> str:
    """Brand and last four digits; "" before the card is known."""
    last4 = row.card_last4
    return f"{row.card_brand} •••• {last4}".strip() if last4 else ""


def is_phone_order(order: PaymentOrder) -> bool:
    """Whether staff created the order, or may take a card for it by telephone.

    Never true for merchant-initiated charges: they have a saved card.
    """
    if order.channel == Channel.MIT:
        return False
    terminal = conf.current().terminals.get(order.terminal)
    return order.channel in enums.STAFF_CHANNELS or bool(terminal and terminal.moto)


def get_order(
    request: HttpRequest, pk: int, permission: str = permissions.VIEW_PAYMENTS
) -> PaymentOrder:
    """The payment ``pk``. Raises ``Http404`` if the user may not see its terminal, and
    ``PermissionDenied`` without the right there that ``permission`` needs."""
    order = get_object_or_404(PaymentOrder, pk=pk)
    require_right(request, order.terminal, permission)
    return order


def require_right(request: HttpRequest, terminal: str, permission: str) -> None:
    """Errors as ``get_order``. The permission itself is checked elsewhere."""
    right = terminal_rights.right_of(permission)
    terminal_rights.require(request.user, right, terminal)


def get_phone_order(
    request: HttpRequest, order_id: str, permission: str = permissions.TAKE_MOTO
) -> PaymentOrder:
    """The phone order of this id; raises ``Http404`` if it is none. Else as
    ``get_order``."""
    order = PaymentOrder.find_by_order_id(order_id)
    if order is None or not is_phone_order(order):
        raise Http404
    require_right(request, order.terminal, permission)
    return order


def verify_card_url(request: HttpRequest, site: str) -> str:
    """URL of the card verification page.

    "" if the user lacks the permission, if no terminal takes cards, or if the admin
    site lacks the page.
    """
    if not permissions.has_any(request, permissions.VERIFY_CARD):
        return ""
    terminals = conf.current().verification_terminals
    if not usable_terminals(request.user, terminals):
        return ""
    return url_in_site(site, "admin:nexi_payments_cardverification_verify")


def url_in_site(site: str, name: str, *args: Any) -> str:
    """URL of a page of the admin site ``site``; "" if the site has no such page: it may
    register another selection of our models."""
    try:
        return reverse(name, args=args, current_app=site)
    except NoReverseMatch:
        return ""


def sees_all_terminals(request: HttpRequest) -> bool:
    return terminal_rights.terminals_of(request.user) is None


def usable_terminals(user: Any, terminals: list[conf.Terminal]) -> list[conf.Terminal]:
    """Those on which the user may take money, in the same order."""
    take = terminal_rights.TAKE
    return [one for one in terminals if terminal_rights.may(user, take, one.name)]
