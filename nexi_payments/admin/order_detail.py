"""Detail page of a payment: state, amounts, facts, and available actions."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from nexi_payments import (
    conf,
    date_texts,
    enums,
    flows,
    money,
    payment_methods,
    permissions,
    terminal_rights,
)
from nexi_payments.admin import (
    access_log,
    action_menu,
    approval_texts,
    captures,
    communication,
    content_objects,
    customer_info_texts,
    discrepancy_texts,
    in_flight,
    method_texts,
    queued_refunds,
    staff_texts,
    status_texts,
)
from nexi_payments.admin.base import DetailView
from nexi_payments.admin.order_timeline import timeline
from nexi_payments.admin.payment_forms import EmailForm
from nexi_payments.enums import AccessKind, Channel
from nexi_payments.models import PaymentOrder


class OrderDetail(DetailView):
    def view(
        self, request: HttpRequest, pk: int, extra_context: dict[str, Any]
    ) -> HttpResponse:
        order = self.admin.get_queryset(request).filter(pk=pk).first()
        if not self.admin.has_view_permission(request):
            permissions.require_any(request, permissions.TAKE_MOTO)
            if order is None or order.channel not in enums.STAFF_CHANNELS:
                raise PermissionDenied
            # A clerk's "recent actions" link here: redirect to the phone order page.
            return self.redirect("moto_result", order.order_id)
        if order is None:
            raise Http404
        access_log.record(request, AccessKind.VIEWED, about=order.order_id)
        clerk = permissions.has_any(request, permissions.TAKE_MOTO)
        receipt = order.state in enums.WITH_RECEIPT
        now = flows.available(order)
        advice = staff_texts.advice(order)
        site = self.admin.admin_site
        paid_for = content_objects.label(
            request, order, site, self.admin.admin_url("changelist")
        )
        context = {
            "original": order,
            "title": f"{_('Payment')} {order.reference or order.order_id}",
            "order": order,
            "amount": status_texts.headline(order),
            "advice": advice,
            "tone": status_texts.tone(order, advice.tone),
            "status": status_texts.badge(order),
            "paid_with": method_texts.paid_with(order),
            "refund_rule": now.refund_rule if order.captured_amount else "",
            "sums": _amount_rows(now),
            "facts": _detail_rows(order, paid_for),
            "timeline": timeline(order),
            "communication": communication.calls_of(request, order),
            "omitted": customer_info_texts.omitted(order),
            "discrepancies": [
                discrepancy_texts.describe(one)
                for one in order.discrepancies.filter(resolved_at=None)
            ],
            "in_flight": in_flight.operations(order),
            "approvals": approval_texts.describe_all(request, order, site.name),
            "queued_refunds": queued_refunds.describe_all(request, now),
            "next_question": in_flight.next_question(order),
            "attempts": _other_attempts(request, order),
            "live": conf.current().is_live(order.terminal),
            "is_phone_order": order.channel in enums.STAFF_CHANNELS and clerk,
            "captures": captures.capture_rows(now),
            "has_receipt": receipt,
            "email_form": EmailForm(order=order) if receipt and clerk else None,
            "contract": captures.contract_link(request, order, site.name),
            "may_resend": permissions.has_any(request, permissions.RECONCILE),
            "may_resolve": permissions.has_any(request, permissions.RESOLVE),
            "may_write_notes": permissions.has_any(
                request, *permissions.CAN_WRITE_NOTES
            ),
            "actions": action_menu.action_menu(request, now),
            **action_menu.reason_choices(),
            **extra_context,
        }
        return self.render(request, "payment.html", context)


# -- amounts ---------------------------------------------------------------------------


def _amount_rows(now: flows.Available) -> list[tuple[Any, str, bool]]:
    """Amounts as (label, formatted amount, whether to stress it)."""
    order = now.order

    def row(label: Any, minor: int, strong: bool = False) -> tuple[Any, str, bool]:
        return label, money.display(minor, order.currency), strong

    rows = [
        row(_("Ordered"), order.amount),
        row(_("Authorized"), order.authorized_amount),
        row(_("Captured"), order.captured_amount),
        row(_("Refunded"), order.refunded_amount),
    ]
    if order.capturing_amount:
        rows.append(row(_("Capture waiting for Nexi"), order.capturing_amount))
    if order.refunding_amount:
        rows.append(row(_("Refund waiting for Nexi"), order.refunding_amount))
    if order.queued_amount:
        rows.append(row(_("Waiting to be sent"), order.queued_amount))
    if now.capture is not None:
        rows.append(row(_("Left to capture"), now.capture, True))
    if order.captured_amount and not _is_never_refunded(now):
        rows.append(row(_("Left to refund"), now.refund or 0, True))
    return rows


def _is_never_refunded(now: flows.Available) -> bool:
    method = now.method
    return method is not None and method.refunds == payment_methods.NONE


def _detail_rows(order: PaymentOrder, paid_for: str) -> list[tuple[Any, Any]]:
    terminal = conf.current().terminals.get(order.terminal)
    environment = terminal.environment if terminal else ""
    card = (
        f"{order.card_brand} ••••\u00a0{order.card_last4}" if order.card_last4 else ""
    )
    if order.card_expiry:
        card += f" · {order.card_expiry[:2]}/{order.card_expiry[2:]}"
    rows = [
        (_("Reference"), order.reference),
        (_("Description"), order.description),
        (_("Payment for"), paid_for),
        (_("Customer"), order.customer_name),
        (_("E-mail"), order.customer_email),
        (_("Cardholder"), order.cardholder_name),
        (_("Payment method"), method_texts.method_label(order.method)),
        (_("Circuit at Nexi"), method_texts.circuit(order)),
        (_("Card"), card),
        (_("Channel"), order.get_channel_display()),
        (_("Clerk"), order.clerk_name or order.clerk),
        (_("Terminal"), f"{order.terminal} ({environment})"),
        (_("3-D Secure"), _three_ds_flow(order)),
        (_("ECI"), order.eci),
        (_("Order id at Nexi"), order.order_id),
        (_("Operation id at Nexi"), order.gateway_operation_id),
        (_("Created"), date_texts.moment(order.created_at)),
    ]
    return [(label, value) for label, value in rows if value]


def _three_ds_flow(order: PaymentOrder) -> str:
    """ "" where 3-D Secure does not run, or runs on Nexi's page."""
    here = order.channel != Channel.MOTO and not order.is_hosted
    return order.flow if here else ""


def _other_attempts(request: HttpRequest, order: PaymentOrder) -> list[PaymentOrder]:
    if not order.reference:
        return []
    same = PaymentOrder.objects.filter(reference=order.reference)
    same = terminal_rights.limit(same, request.user)
    return list(same.exclude(pk=order.pk).order_by("-id")[:10])
