"""Capture, void, refund, ask and resolve: a form on the order's page, a page that asks
"really?", one operation. A mixin of the order's ``ModelAdmin``.

What the clerk saw to be left travels with the form and is compared inside the claim; a
one-time number makes the second click of a decision find the operation of the first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, flows, mails, money, staff_wording, states
from nexi_payments.admin import access
from nexi_payments.admin.refusals import VERDICTS, why_not
from nexi_payments.exceptions import (
    AmountChanged,
    InvalidAmount,
    MoreThanLeft,
    NexiPaymentsError,
    OutcomeNotRecorded,
)
from nexi_payments.flows import moves, postauth, resolution
from nexi_payments.models import Operation, PaymentOrder, database
from nexi_payments.staff_forms import AmountForm, ResolveForm


class _Deed(NamedTuple):
    """One kind of thing to do, in words."""

    name: str
    title: Any
    question: Any
    button: Any


_CAPTURE = _Deed(
    "capture",
    _("Capture"),
    _("Book %(amount)s on the customer's card?"),
    _("Capture %(amount)s"),
)
_VOID = _Deed(
    "void",
    _("Void"),
    _("Release the reserved %(amount)s? Nothing can be captured afterwards."),
    _("Release %(amount)s"),
)
_REFUND = _Deed(
    "refund",
    _("Refund"),
    _("Give %(amount)s back to the customer's card?"),
    _("Refund %(amount)s"),
)


_CANCEL = _Deed(
    "cancel",
    _("Cancel a capture"),
    _(
        "Roll back the capture of %(amount)s? The amount is reserved on the card again,"
        " and may be captured anew or released."
    ),
    _("Cancel the capture of %(amount)s"),
)


class Actions:
    if TYPE_CHECKING:
        admin_site: Any
        opts: Any

        def address(self, name: str, *args: Any) -> str: ...
        def log_change(self, *args: Any) -> Any: ...

    @database.non_atomic_requests
    def capture_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        access.require(request, access.CAPTURE)
        return self._decide(request, self._one(pk), _CAPTURE)

    @database.non_atomic_requests
    def void_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        access.require(request, access.VOID)
        return self._decide(request, self._one(pk), _VOID)

    @database.non_atomic_requests
    def refund_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        access.require(request, access.REFUND)
        return self._decide(request, self._one(pk), _REFUND)

    @database.non_atomic_requests
    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        access.require(request, access.CANCEL)
        return self._decide(request, self._one(pk), _CANCEL)

    # -- one decision ------------------------------------------------------------------

    def _decide(
        self, request: HttpRequest, order: PaymentOrder, deed: _Deed
    ) -> HttpResponse:
        if request.method != "POST":
            return self._page_of(order)
        form = AmountForm(request.POST)
        if not form.is_valid():
            for errors in form.errors.values():
                messages.error(request, " ".join(map(str, errors)))
            return self._page_of(order)
        data = form.cleaned_data
        of = self._capture_of(order, data["capture"])
        left = self._left(order, deed, of)
        if "confirmed" in request.POST:
            return self._do(request, order, deed, data, of)
        if problem := _problem(order, deed, data, left):
            messages.error(request, problem)
            return self._page_of(order)
        return self._ask_really(request, order, deed, data, of)

    def _left(self, order: PaymentOrder, deed: _Deed, of: Operation | None) -> int:
        if deed is _CAPTURE:
            return order.left_to_capture
        if deed is _VOID:
            return order.authorized_amount - order.captured_amount
        return order.left_to_refund if of is None else postauth.left_of(of)

    def _ask_really(
        self,
        request: HttpRequest,
        order: PaymentOrder,
        deed: _Deed,
        data: dict[str, Any],
        of: Operation | None,
    ) -> HttpResponse:
        amount = mails.amount_in_words(
            order, money.to_minor(data["amount"], order.currency)
        )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": deed.title,
            "order": order,
            "total": mails.amount_in_words(order),
            "question": deed.question % {"amount": amount},
            "button": deed.button % {"amount": amount},
            "hidden": {
                "amount": formats.localize_input(data["amount"]),
                # text, or the template would write it as the language does
                "seen": str(data["seen"]),
                "capture": "" if of is None else str(of.pk),
                "nonce": secrets.token_hex(16),
            },
            "of": of,
            "live": conf.current().terminal(order.terminal).environment
            == conf.PRODUCTION,
            "action": self.address(deed.name, order.pk),
            "back": self.address("change", order.pk),
        }
        return TemplateResponse(request, "nexi_payments/staff/confirm.html", context)

    def _do(
        self,
        request: HttpRequest,
        order: PaymentOrder,
        deed: _Deed,
        data: dict[str, Any],
        of: Operation | None,
    ) -> HttpResponse:
        who: Any = {"nonce": data["nonce"] or None, "actor": access.actor(request)}
        amount, seen = data["amount"], data["seen"]
        call: Callable[[], Operation]
        if deed is _CAPTURE:
            call = lambda: flows.capture(order, amount, seen=seen, **who)  # noqa: E731
        elif deed is _VOID:
            call = lambda: flows.void(order, **who)  # noqa: E731
        elif deed is _CANCEL:
            call = lambda: flows.cancel_capture(order, of, **who)  # noqa: E731
        else:
            call = lambda: flows.refund(  # noqa: E731
                order, amount, of, seen=seen, **who
            )
        try:
            operation = call()
        except OutcomeNotRecorded:
            messages.warning(request, staff_wording.AFTERWARDS[states.IN_DOUBT])
            return self._page_of(order)
        except NexiPaymentsError as error:
            messages.error(request, why_not(error))
            return self._page_of(order)
        told = mails.amount_in_words(order, operation.amount)
        level = {states.DONE: messages.SUCCESS, states.ACCEPTED: messages.INFO}
        messages.add_message(
            request,
            level.get(operation.outcome, messages.WARNING),
            f"{deed.title} {told}: {staff_wording.outcome(operation)}",
        )
        self.log_change(request, order, f"{deed.title} {told}: {operation.outcome}")
        return self._page_of(order)

    # -- asking and resolving ----------------------------------------------------------

    @database.non_atomic_requests
    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One look-up at Nexi, now, and what follows from it."""
        access.require(request, access.ASK)
        order = self._one(pk)
        if request.method == "POST":
            counts = flows.reconcile(order)
            order.refresh_from_db()
            moves.write_event(
                order, "asked", source=order.state, actor=access.actor(request)
            )
            if counts.unanswered:
                messages.warning(request, VERDICTS[""])
            else:
                now = order.get_state_display()
                messages.info(request, f"{_('Nexi was asked.')} {_('State')}: {now}")
            self.log_change(request, order, f"{_('Nexi was asked.')} {order.state}")
        back = request.POST.get("back") == "tocheck"
        if back:
            return HttpResponseRedirect(self.address("tocheck"))
        return self._page_of(order)

    @database.non_atomic_requests
    def resolve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How a review ends, if Nexi agrees at this moment."""
        access.require(request, access.RESOLVE)
        order = self._one(pk)
        if request.method != "POST":
            return self._page_of(order)
        form = ResolveForm(request.POST, choices=[(s, s) for s in resolution.AGREES])
        if not form.is_valid():
            for errors in form.errors.values():
                messages.error(request, " ".join(map(str, errors)))
            return self._page_of(order)
        state, reason = form.cleaned_data["state"], form.cleaned_data["reason"]
        try:
            flows.resolve(order, state, reason=reason, actor=access.actor(request))
        except (NexiPaymentsError, ValueError) as error:
            messages.error(request, why_not(error))
            return self._page_of(order)
        messages.success(request, _("Resolved. Nexi agrees."))
        self.log_change(request, order, f"{_('Resolved')}: {order.state}. {reason}")
        return self._page_of(order)

    # -- shared ------------------------------------------------------------------------

    def _one(self, pk: int) -> PaymentOrder:
        order = PaymentOrder.objects.filter(pk=pk).first()
        if order is None:
            raise Http404
        return order

    def _page_of(self, order: PaymentOrder) -> HttpResponse:
        return HttpResponseRedirect(self.address("change", order.pk))

    def _capture_of(self, order: PaymentOrder, pk: int | None) -> Operation | None:
        if pk is None:
            return None
        captures = order.operations.filter(kind=states.CAPTURE, outcome=states.DONE)
        found = captures.filter(pk=pk).first()
        if found is None:
            raise Http404
        return found


def _problem(order: PaymentOrder, deed: _Deed, data: dict[str, Any], left: int) -> Any:
    """Why not even to ask, or ""."""
    try:
        minor = money.to_minor(data["amount"], order.currency)
    except InvalidAmount as error:
        return why_not(error)
    if data["seen"] != money.to_major(left, order.currency):
        return why_not(AmountChanged(order, left))
    whole = deed in (_VOID, _CANCEL)
    if minor > left or (whole and minor != left) or not left:
        return why_not(MoreThanLeft(order, left))
    return ""
