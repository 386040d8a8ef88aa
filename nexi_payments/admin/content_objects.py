"""The shop's object that a payment is for: a link to its admin page, and a filter.

Nothing is assumed about it: its app may be gone, its model may not be in this admin,
the reader may not see it, and its ``str()`` may raise.
"""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.admin")


def label(
    request: HttpRequest, order: PaymentOrder, site: admin.AdminSite, list_url: str
) -> SafeString | str:
    """Return what a payment is for, and a link to its other payments; "" for nothing.

    The object's own text, and a link to its page, are for those who may view it in this
    admin. Others see its kind and key."""
    kind = order.content_type
    if kind is None or not order.object_id:
        return ""
    query = urlencode({ContentObjectFilter.parameter_name: _filter_value(order, kind)})
    return format_html(
        '{} · <a href="{}?{}">{}</a>',
        _link(request, order, kind, site) or f"{kind.name} {order.object_id}",
        list_url,
        query,
        _("all its payments"),
    )


def _filter_value(order: PaymentOrder, kind: ContentType) -> str:
    return f"{kind.app_label}.{kind.model}:{order.object_id}"


def _link(
    request: HttpRequest, order: PaymentOrder, kind: ContentType, site: admin.AdminSite
) -> SafeString | str:
    model = kind.model_class()
    if model is None:
        return ""  # its app was removed
    try:
        paid_for = _find(model, order.object_id)
        page = site.get_model_admin(model)
        if paid_for is None or not page.has_view_permission(request, paid_for):
            return ""
        name = f"admin:{kind.app_label}_{kind.model}_change"
        url = reverse(name, args=[paid_for.pk], current_app=site.name)
        return format_html('<a href="{}">{} {}</a>', url, kind.name, paid_for)
    except (NotRegistered, NoReverseMatch):
        return ""
    except Exception as error:  # of the shop's own code: the payment has to be shown
        log.error("%s is not shown: %s", kind.name, type(error).__name__)
        return ""


def _find(model: type[Model], key: str) -> Model | None:
    try:
        return model._base_manager.filter(pk=key).first()
    except (ValueError, ValidationError):
        return None  # the key is of another kind now


class ContentObjectFilter(admin.SimpleListFilter):
    """``?object=shop.order:7``: the payments of one object of the shop.

    It is offered while it is on. The shop's own pages can link to it."""

    title = _("payment for")
    parameter_name = "object"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self.value()
        return [(chosen, chosen)] if chosen else []

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> QuerySet[PaymentOrder]:
        chosen = self.value()
        if not chosen:
            return queryset
        name, _colon, key = chosen.partition(":")
        app, _dot, model = name.lower().partition(".")
        kinds = ContentType.objects.filter(app_label=app, model=model)
        kind = kinds.first()
        if kind is None or not key:
            return queryset.none()
        return queryset.filter(content_type=kind, object_id=key)
