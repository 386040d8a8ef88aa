"""Capture, void, refund, and cancel a capture.

Each is a form on the detail page, then a confirmation page, then one operation.

The form carries the remaining amount that the clerk saw; the claim compares it. A nonce
makes a second submit find the operation of the first.
"""

from __future__ import annotations

import secrets
from typing import Any, Final, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, flows, money, permissions
from nexi_payments.admin import approval_texts, outcome_texts, reason_texts
from nexi_payments.admin.amount_field import input_text
from nexi_payments.admin.base import ActionPages, get_actor, get_order
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.forms import AmountForm
from nexi_payments.admin.payment_forms import RefundForm
from nexi_payments.enums import OperationOutcome
from nexi_payments.exceptions import (
    ApprovalRequired,
    ExceedsRemaining,
    NexiPaymentsError,
    OrderError,
    OutcomeNotRecorded,
    TerminalNotConfigured,
)
from nexi_payments.flows import availability
from nexi_payments.models import Operation, PaymentOrder, db_transactions


class _OrderAction(NamedTuple):
    """Texts of one kind of action."""

    name: str
    title: Any
    question: Any
    button: Any


_CAPTURE = _OrderAction(
    "capture",
    _("Capture"),
    _("Book %(amount)s on the customer's card?"),
    _("Capture %(amount)s"),
)
_VOID = _OrderAction(
    "void",
    _("Void"),
    _("Release the reserved %(amount)s? Nothing can be captured afterwards."),
    _("Release %(amount)s"),
)
_REFUND = _OrderAction(
    "refund",
    _("Refund"),
    _("Give %(amount)s back to the customer's card?"),
    _("Refund %(amount)s"),
)
_CANCEL = _OrderAction(
    "cancel",
    _("Cancel a capture"),
    _(
        "Roll back the capture of %(amount)s? The amount is reserved on the card again,"
        " and may be captured anew or released."
    ),
    _("Cancel the capture of %(amount)s"),
)


#: The permission of each action, by its name.
_PERMISSIONS: Final = {
    "capture": permissions.CAPTURE,
    "void": permissions.VOID,
    "refund": permissions.REFUND,
    "cancel": permissions.CANCEL_CAPTURE,
}
_SENT_ONCE: Final = _(
    "It is sent once. If somebody else changes this payment meanwhile, nothing is sent."
)


class OrderActions(ActionPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("<int:pk>/capture/", self.capture, "capture"),
            path("<int:pk>/void/", self.void, "void"),
            path("<int:pk>/refund/", self.refund, "refund"),
            path("<int:pk>/cancel/", self.cancel, "cancel"),
        ]

    @db_transactions.non_atomic_requests
    def capture(self, request: HttpRequest, pk: int) -> HttpResponse:
        permissions.require_any(request, permissions.CAPTURE)
        return self._handle_action(request, pk, _CAPTURE)

    @db_transactions.non_atomic_requests
    def void(self, request: HttpRequest, pk: int) -> HttpResponse:
        permissions.require_any(request, permissions.VOID)
        return self._handle_action(request, pk, _VOID)

    @db_transactions.non_atomic_requests
    def refund(self, request: HttpRequest, pk: int) -> HttpResponse:
        permissions.require_any(request, permissions.REFUND)
        return self._handle_action(request, pk, _REFUND)

    @db_transactions.non_atomic_requests
    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        permissions.require_any(request, permissions.CANCEL_CAPTURE)
        return self._handle_action(request, pk, _CANCEL)

    # -- one action --------------------------------------------------------------------

    def _handle_action(
        self, request: HttpRequest, pk: int, action: _OrderAction
    ) -> HttpResponse:
        order = get_order(request, pk, _PERMISSIONS[action.name])
        if request.method != "POST":
            return self.redirect("change", pk)
        if order.terminal not in conf.current().terminals:
            messages.error(request, error_text(TerminalNotConfigured(order.terminal)))
            return self.redirect("change", pk)
        form_class = RefundForm if action is _REFUND else AmountForm
        form = form_class(request.POST, currency=order.currency)
        context = {
            "title": action.title,
            "live": conf.current().is_live(order.terminal),
            **self.action_context(action.name, pk),
        }
        if not form.is_valid():
            names = ("expected_remaining", "capture", "reason", "reason_text")
            hidden = {
                name: str(form.cleaned_data.get(name) or "")
                for name in names
                if name in form.fields
            }
            context |= {"hidden": hidden, "number": order.order_id}
            return self.reject_form(request, form, pk, context)
        data = form.cleaned_data
        now = flows.available(order)
        chosen = now.find_capture(data["capture"])
        if chosen is None and data["capture"] is not None:
            raise Http404
        capture = None if chosen is None else chosen.operation
        if "confirmed" in request.POST:
            self._execute(request, order, action, data, capture)
            return self.redirect("change", pk)
        try:
            _judge(now, action, chosen, data)
        except OrderError as error:
            messages.error(request, error_text(error))
            return self.redirect("change", pk)
        context |= _confirm_context(order, action, data, capture)
        minor = money.to_minor(data["amount"], order.currency)
        context["notes"] = [
            *_left_afterwards(now, action, data),
            *approval_texts.notes(order, action.name, minor, get_actor(request)),
            _SENT_ONCE,
        ]
        return self.render(request, "order_confirm.html", context)

    def _execute(
        self,
        request: HttpRequest,
        order: PaymentOrder,
        action: _OrderAction,
        data: dict[str, Any],
        capture: Operation | None,
    ) -> None:
        try:
            operation = _call_flow(order, action, data, capture, get_actor(request))
        except OutcomeNotRecorded:
            text = outcome_texts.OUTCOME_TEXTS[OperationOutcome.IN_DOUBT]
            messages.warning(request, str(text))
            return
        except ApprovalRequired:
            messages.warning(request, approval_texts.WAITS)
            return
        except NexiPaymentsError as error:
            messages.error(request, error_text(error))
            return
        moved = money.display(operation.amount or 0, order.currency)
        level: dict[str, int] = {
            OperationOutcome.DONE: messages.SUCCESS,
            OperationOutcome.ACCEPTED: messages.INFO,
        }
        messages.add_message(
            request,
            level.get(operation.outcome, messages.WARNING),
            f"{action.title} {moved}: {outcome_texts.outcome_text(operation)}",
        )
        note = f"{action.title} {moved}: {operation.outcome}"
        if operation.reason:
            note += f" ({operation.reason})"
        self.log_change(request, order, note)


def _confirm_context(
    order: PaymentOrder,
    action: _OrderAction,
    data: dict[str, Any],
    capture: Operation | None,
) -> dict[str, Any]:
    minor = money.to_minor(data["amount"], order.currency)
    amount = money.display(minor, order.currency)
    return {
        "order": order,
        "total": money.display(order.amount, order.currency),
        "question": action.question % {"amount": amount},
        "reason": reason_texts.refund_reason(data.get("why", "")),
        "button": action.button % {"amount": amount},
        "hidden": {
            "amount": input_text(data["amount"], order.currency),
            # as text: a template would localize a number
            "expected_remaining": str(data["expected_remaining"]),
            "capture": "" if capture is None else str(capture.pk),
            "nonce": secrets.token_hex(16),
            **{name: data[name] for name in ("reason", "reason_text") if name in data},
        },
    }


def _left_afterwards(
    now: flows.Available, action: _OrderAction, data: dict[str, Any]
) -> list[Any]:
    """What a refund or a capture leaves, once Nexi has confirmed it."""
    order = now.order
    minor = money.to_minor(data["amount"], order.currency)
    if action is _REFUND:
        left = (now.refund or 0) - minor
        text = _("Afterwards %(left)s of %(whole)s is left to refund.")
        whole = order.captured_amount
    elif action is _CAPTURE:
        left = (now.capture or 0) - minor
        text = _("Afterwards %(left)s of %(whole)s is left to capture.")
        whole = order.authorized_amount
    else:
        return []
    amounts = {"left": left, "whole": whole}
    shown = {name: money.display(one, order.currency) for name, one in amounts.items()}
    return [text % shown]


def _call_flow(
    order: PaymentOrder,
    action: _OrderAction,
    data: dict[str, Any],
    capture: Operation | None,
    actor: flows.Actor,
) -> Operation:
    amount, expected = data["amount"], data["expected_remaining"]
    common: Any = {"nonce": data["nonce"] or None, "actor": actor}
    if action is _CAPTURE:
        return flows.capture(order, amount, expected_remaining=expected, **common)
    if action is _VOID:
        return flows.void(order, **common)
    if action is _CANCEL:
        return flows.cancel_capture(order, capture, **common)
    common |= {"reason": data["why"], "expected_remaining": expected}
    return flows.refund(order, amount, capture, **common)


def _judge(
    now: flows.Available,
    action: _OrderAction,
    capture: flows.ConfirmedCapture | None,
    data: dict[str, Any],
) -> None:
    """Raise the ``OrderError`` with which the flow would refuse the action now."""
    order = now.order
    if action is _CANCEL:
        remaining = None if capture is None else capture.cancel
    else:
        remaining = {
            _CAPTURE: now.capture,
            _VOID: now.void,
            _REFUND: now.refund_of(capture),
        }[action]
    wanted = money.to_minor(data["amount"], order.currency)
    now.require_allowed(action.name)
    expected = data["expected_remaining"]
    amount = availability.validated_amount(order, remaining, wanted, expected)
    if action is _REFUND:
        now.require_whole(amount, capture)
    if action in (_VOID, _CANCEL) and amount != remaining:
        raise ExceedsRemaining(order, remaining or 0)
