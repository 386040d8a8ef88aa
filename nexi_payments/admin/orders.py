"""The list of payments and the page of one: read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from nexi_payments.models import Event, Operation, PaymentOrder


class _ReadOnly:
    """No adding, changing or deleting: rows are written by the flows alone."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False


class OperationInline(_ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = Operation
    extra = 0
    fields = (
        "kind",
        "outcome",
        "result",
        "response_code",
        "error",
        "correlation_id",
        "actor",
        "address",
        "created_at",
        "settled_at",
    )
    readonly_fields = fields


class EventInline(_ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = Event
    extra = 0
    fields = ("from_state", "to_state", "reason", "created_at", "delivered_at")
    readonly_fields = fields


@admin.register(PaymentOrder)
class PaymentOrderAdmin(_ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Lists by index, counts nothing, shows no more of a card than its last digits."""

    list_display = (
        "order_id",
        "reference",
        "money",
        "state",
        "reason",
        "card_last4",
        "created_at",
    )
    list_filter = ("state",)
    show_full_result_count = False
    inlines = (OperationInline, EventInline)
    fields = (
        "order_id",
        "reference",
        "state",
        "reason",
        "money",
        "description",
        "customer_name",
        "customer_email",
        "cardholder_name",
        "card_brand",
        "card_last4",
        "terminal",
        "flow",
        "capture",
        "gateway_operation_id",
        "response_code",
        "eci",
        "user",
        "created_at",
    )
    readonly_fields = fields

    @admin.display(description=_("amount"))
    def money(self, order: PaymentOrder) -> str:
        return f"{order.total} {order.currency}"
