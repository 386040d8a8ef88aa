"""Cancel a payment that is not paid: a form with the reason, a confirmation, one
call."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, flows, money, permissions
from nexi_payments.admin.base import ActionPages, get_actor, get_order, show_errors
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.forms import ReasonForm
from nexi_payments.exceptions import InvalidState, NexiPaymentsError
from nexi_payments.models import PaymentOrder

_TITLE: Final = _("Cancel payment")
_NOTES: Final = (
    _("Its pages and its secure link accept no card any more. The shop is told."),
    _(
        "If the customer is paying at this moment, nothing is cancelled, and you are"
        " told."
    ),
)


class PaymentCancel(ActionPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [path("<int:pk>/cancel-payment/", self.cancel, "cancel_payment")]

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        permissions.require_any(request, permissions.VOID)
        order = get_order(request, pk, permissions.VOID)
        if request.method != "POST":
            return self.redirect("change", pk)
        form = ReasonForm(request.POST)
        if not form.is_valid():
            show_errors(request, form)
            return self.redirect("change", pk)
        reason = form.cleaned_data["reason"]
        if "confirmed" in request.POST:
            self._execute(request, order, reason)
            return self.redirect("change", pk)
        if not flows.available(order).cancel:
            messages.error(request, error_text(InvalidState(order)))
            return self.redirect("change", pk)
        context = {
            **_confirm_context(order, reason),
            **self.action_context("cancel_payment", pk),
        }
        return self.render(request, "order_confirm.html", context)

    def _execute(self, request: HttpRequest, order: PaymentOrder, reason: str) -> None:
        try:
            flows.cancel(order, reason, actor=get_actor(request))
        except NexiPaymentsError as error:
            messages.error(request, error_text(error))
            return
        messages.success(request, _("Payment cancelled. Nothing was charged."))
        self.log_change(request, order, f"{_TITLE}: {reason}")


def _confirm_context(order: PaymentOrder, reason: str) -> dict[str, Any]:
    amount = money.display(order.amount, order.currency)
    return {
        "title": _TITLE,
        "order": order,
        "live": conf.current().is_live(order.terminal),
        "total": amount,
        "question": _("Cancel the payment of %(amount)s?") % {"amount": amount},
        "reason": reason,
        "notes": _NOTES,
        "button": _TITLE,
        "hidden": {"reason": reason},
    }
