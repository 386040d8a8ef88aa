"""Decisions of staff: what became of one operation, and Nexi's total.

Each is a form on the payment's page, then a confirmation, then one call. Nexi is asked
first; nothing is sent that moves money.
"""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, flows, money, permissions
from nexi_payments.admin import in_flight
from nexi_payments.admin.base import (
    ActionPages,
    get_actor,
    get_order,
    require_right,
    show_errors,
)
from nexi_payments.admin.error_texts import decision_error_text
from nexi_payments.admin.forms import ReasonForm
from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.exceptions import AmountChanged, InvalidState, NexiPaymentsError
from nexi_payments.flows import operation_review
from nexi_payments.models import Operation, PaymentOrder, db_transactions

_ASKED_FIRST: Final = _(
    "Nexi is asked once more first. If Nexi knows the outcome, that counts, and nothing"
    " is decided. Nothing is sent that moves money."
)
_ACCEPT_TOTALS: Final = _("Accept Nexi's total")
_LOOK_FIRST: Final = _("Check Nexi's back office before you decide.")
_QUESTIONS: Final = {
    OperationOutcome.DONE: _("Count as executed: %(what)s?"),
    OperationOutcome.DECLINED: _("Count as not executed: %(what)s?"),
}
_BUTTONS: Final = {
    OperationOutcome.DONE: _("Count as executed"),
    OperationOutcome.DECLINED: _("Count as not executed"),
}
_DECIDED: Final = {
    OperationOutcome.DONE: _("It counts as executed: %(what)s."),
    OperationOutcome.DECLINED: _("It counts as not executed: %(what)s."),
}
_IF_DONE: Final = {
    OperationKind.CAPTURE: _("The amount counts as captured, and may be refunded."),
    OperationKind.VOID: _("The reserved amount counts as released."),
    OperationKind.REFUND: _("The amount counts as refunded, and the shop is told."),
    OperationKind.CANCEL: _("The capture counts as cancelled."),
}
_IF_DECLINED: Final = _(
    "The amount is free again, and may be entered anew. If Nexi executes it after all,"
    " it is found and shown here; entered anew, money would move twice."
)


class _OperationForm(ReasonForm):
    """What became of an operation, and the reason."""

    outcome = forms.ChoiceField(
        choices=[(one, one) for one in operation_review.DECISIONS]
    )


class _TotalsForm(ReasonForm):
    """The reason, and the amount that staff saw: in major units, not localized."""

    expected = forms.DecimalField(max_digits=15, decimal_places=3)


class Decisions(ActionPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path(
                "operation/<int:pk>/decide/", self.decide_operation, "decide_operation"
            ),
            path("<int:pk>/accept-totals/", self.accept_totals, "accept_totals"),
        ]

    @db_transactions.non_atomic_requests
    def decide_operation(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Decide whether Nexi has executed an operation that it leaves open."""
        permissions.require_any(request, permissions.RESOLVE)
        operation = get_object_or_404(Operation.objects.select_related("order"), pk=pk)
        order = operation.order
        require_right(request, order.terminal, permissions.RESOLVE)
        form = _OperationForm(request.POST)
        if request.method != "POST" or not form.is_valid():
            return self._reject(request, form, order)
        if not operation_review.may_be_decided(operation):
            messages.error(request, _settled_text(operation))
            return self.redirect("change", order.pk)
        outcome = OperationOutcome(form.cleaned_data["outcome"])
        if "confirmed" in request.POST:
            self._decide(request, operation, outcome, form.cleaned_data["reason"])
            return self.redirect("change", order.pk)
        done = outcome == OperationOutcome.DONE
        effect = _IF_DONE[OperationKind(operation.kind)] if done else _IF_DECLINED
        what = in_flight.title(operation, order)
        return self._confirm(
            request,
            order,
            form,
            action=self.admin.admin_url("decide_operation", pk),
            title=_("Decide"),
            question=_QUESTIONS[outcome] % {"what": what},
            notes=[effect, _LOOK_FIRST, _ASKED_FIRST],
            button=_BUTTONS[outcome],
        )

    def _decide(
        self,
        request: HttpRequest,
        operation: Operation,
        outcome: OperationOutcome,
        reason: str,
    ) -> None:
        actor = get_actor(request)
        try:
            flows.resolve_operation(operation, outcome, reason=reason, actor=actor)
        except NexiPaymentsError as error:
            operation.refresh_from_db()
            settled = isinstance(error, InvalidState)
            messages.error(
                request,
                _settled_text(operation) if settled else decision_error_text(error),
            )
            return
        what = in_flight.title(operation, operation.order)
        messages.success(request, _DECIDED[outcome] % {"what": what})
        self.log_change(request, operation.order, f"{what}: {outcome}. {reason}")

    @db_transactions.non_atomic_requests
    def accept_totals(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take over what Nexi's total shows beyond the known operations."""
        permissions.require_any(request, permissions.RESOLVE)
        order = get_order(request, pk)
        form = _TotalsForm(request.POST)
        if request.method != "POST" or not form.is_valid():
            return self._reject(request, form, order)
        if "confirmed" in request.POST:
            self._accept_totals(request, order, form.cleaned_data)
            return self.redirect("change", pk)
        excess = operation_review.unexplained_total(order)
        if excess == 0:
            messages.error(request, decision_error_text(InvalidState(order)))
            return self.redirect("change", pk)
        if form.cleaned_data["expected"] != money.to_major(excess, order.currency):
            error = AmountChanged(order, excess)
            messages.error(request, decision_error_text(error))
            return self.redirect("change", pk)
        amount = money.display(excess, order.currency)
        return self._confirm(
            request,
            order,
            form,
            action=self.admin.admin_url("accept_totals", pk),
            title=_ACCEPT_TOTALS,
            question=_("Count %(amount)s more as captured?") % {"amount": amount},
            notes=[_IF_DONE[OperationKind.CAPTURE], _LOOK_FIRST, _ASKED_FIRST],
            button=_("Count %(amount)s as captured") % {"amount": amount},
        )

    def _accept_totals(
        self, request: HttpRequest, order: PaymentOrder, data: dict[str, Any]
    ) -> None:
        try:
            flows.accept_totals(order, actor=get_actor(request), **data)
        except NexiPaymentsError as error:
            messages.error(request, decision_error_text(error))
            return
        captured = money.display(order.captured_amount, order.currency)
        text = _("Nexi's total was accepted. Captured: %(amount)s.")
        messages.success(request, text % {"amount": captured})
        self.log_change(request, order, f"{_ACCEPT_TOTALS}: {data['reason']}")

    def _reject(
        self, request: HttpRequest, form: ReasonForm, order: PaymentOrder
    ) -> HttpResponse:
        if request.method == "POST":
            show_errors(request, form)
        return self.redirect("change", order.pk)

    def _confirm(
        self,
        request: HttpRequest,
        order: PaymentOrder,
        form: ReasonForm,
        **context: Any,
    ) -> HttpResponse:
        context |= {
            "order": order,
            "total": money.display(order.amount, order.currency),
            "live": conf.current().is_live(order.terminal),
            "back": self.admin.admin_url("change", order.pk),
            "reason": form.cleaned_data["reason"],
            # as text: a template would localize a number
            "hidden": {name: str(value) for name, value in form.cleaned_data.items()},
        }
        return self.render(request, "order_confirm.html", context)


def _settled_text(operation: Operation) -> Any:
    """Why nothing is left to decide, or not yet."""
    if operation.settled_at is None:
        return _("This cannot be decided yet: Nexi may still answer.")
    return _("Nothing was decided. The outcome is known by now: %(outcome)s.") % {
        "outcome": operation.get_outcome_display()
    }
