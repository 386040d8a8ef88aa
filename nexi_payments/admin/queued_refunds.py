"""Refunds that wait to be sent: who queued them, why they wait, and a way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import (
    date_texts,
    exceptions,
    flows,
    money,
    permissions,
    terminal_rights,
)
from nexi_payments.admin.base import (
    StaffPages,
    get_actor,
    require_right,
    show_errors,
)
from nexi_payments.admin.forms import ReasonForm
from nexi_payments.enums import OperationKind
from nexi_payments.models import QueuedRefund

#: Kind → the permission to withdraw it: who may send it may take it back.
_PERMISSIONS: Final = {
    OperationKind.REFUND: permissions.REFUND,
    OperationKind.VOID: permissions.VOID,
}
#: ``QueuedRefund.error`` → why the last attempt sent nothing.
_WAITS: Final = {
    exceptions.GatewayUnavailable.__name__: _("Nexi did not answer."),
    exceptions.NotSent.__name__: _("Nexi could not be reached."),
    exceptions.OrderBusy.__name__: _("Another request was working on this payment."),
    exceptions.TerminalUnavailable.__name__: _("Nexi refuses the key of the terminal."),
    exceptions.TerminalNotConfigured.__name__: _(
        "The terminal is not in the settings of the shop."
    ),
}
_WAITS_FOR_SOMETHING: Final = _("The last attempt failed. Nothing was sent.")


@dataclass(frozen=True)
class QueuedText:
    """One queued refund for staff."""

    row: QueuedRefund
    title: str
    waits: Any
    next_attempt: Any
    may_withdraw: bool


def describe_all(request: HttpRequest, now: flows.Available) -> list[QueuedText]:
    """The queued refunds of a payment, oldest first."""
    return [_describe(request, one) for one in now.queued]


def _describe(request: HttpRequest, row: QueuedRefund) -> QueuedText:
    return QueuedText(
        row,
        _title(row),
        _WAITS.get(row.error, _WAITS_FOR_SOMETHING) if row.error else "",
        _next_attempt(row),
        terminal_rights.may_use(
            request, _PERMISSIONS[OperationKind(row.kind)], row.order.terminal
        ),
    )


def _title(row: QueuedRefund) -> str:
    """``"refund 3.00 EUR"``"""
    amount = money.display(row.amount, row.order.currency)
    return f"{row.get_kind_display()} {amount}"


def _next_attempt(row: QueuedRefund) -> Any:
    if row.awaits_approval:
        return _("It is not sent before another person has approved it.")
    due = row.next_attempt_at
    if due is None or due <= timezone.now():
        return _("It is sent in a moment.")
    when = date_texts.moment(due)
    return _("It is sent at %(when)s or soon after.") % {"when": when}


class QueuedRefunds(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        route = "queued-refund/<int:pk>/withdraw/"
        return [path(route, self.withdraw, "withdraw_refund")]

    def withdraw(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Withdraw a refund that was not sent yet. Nothing is sent to Nexi."""
        permissions.require_any(request, *_PERMISSIONS.values())
        row = get_object_or_404(QueuedRefund.objects.select_related("order"), pk=pk)
        permission = _PERMISSIONS[OperationKind(row.kind)]
        require_right(request, row.order.terminal, permission)
        permissions.require_any(request, permission)
        if request.method == "POST":
            form = ReasonForm(request.POST)
            if form.is_valid():
                self._withdraw(request, row, form.cleaned_data["reason"])
            else:
                show_errors(request, form)
        return self.redirect("change", row.order_id)

    def _withdraw(self, request: HttpRequest, row: QueuedRefund, reason: str) -> None:
        try:
            flows.withdraw_refund(row, reason=reason, actor=get_actor(request))
        except exceptions.InvalidState:
            text = _("It is too late: this refund is not waiting any more.")
            messages.error(request, text)
            return
        done = _("Withdrawn: %(what)s. Nothing was sent.") % {"what": _title(row)}
        messages.success(request, done)
        self.log_change(request, row.order, f"{done} {reason}")
