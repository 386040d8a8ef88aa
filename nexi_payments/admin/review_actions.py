"""Actions on what needs attention: inquire, resolve a review or a discrepancy, send a
signal again. Their forms are in the review queue and on the payment's page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import delivery_workers, flows, permissions, terminal_rights
from nexi_payments.admin.base import (
    StaffPages,
    get_actor,
    get_order,
    require_right,
    show_errors,
)
from nexi_payments.admin.error_texts import CHARGE_STATUS_TEXTS, error_text
from nexi_payments.admin.forms import ResolveForm
from nexi_payments.exceptions import NexiPaymentsError, TerminalNotConfigured
from nexi_payments.flows import manual_review
from nexi_payments.flows.reconcile import inquire
from nexi_payments.models import Discrepancy, Event, PaymentOrder, db_transactions
from nexi_payments.signals import SIGNAL_BY_EVENT_KIND


class ReviewActions(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("<int:pk>/inquire/", self.inquire, "inquire"),
            path("<int:pk>/resolve/", self.resolve, "resolve"),
            path("event/<int:pk>/resend/", self.resend_signal, "resend_signal"),
            path(
                "discrepancy/<int:pk>/resolve/",
                self.resolve_discrepancy,
                "resolve_discrepancy",
            ),
        ]

    @db_transactions.non_atomic_requests
    def inquire(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Reconcile the order now: one status inquiry, and its consequences."""
        permissions.require_any(request, permissions.RECONCILE)
        order = get_order(request, pk)
        if request.method == "POST":
            try:
                self._inquire(request, order)
            except TerminalNotConfigured as error:
                messages.error(request, error_text(error))
        return self._redirect_back(request, order.pk)

    def _inquire(self, request: HttpRequest, order: PaymentOrder) -> None:
        counts = inquire(order, actor=get_actor(request))
        if counts.unanswered:
            messages.warning(request, CHARGE_STATUS_TEXTS[""])
        else:
            now = order.display_status.label
            messages.info(request, f"{_('Nexi was asked.')} {_('State')}: {now}")
        self.log_change(request, order, f"{_('Nexi was asked.')} {order.state}")

    @db_transactions.non_atomic_requests
    def resolve(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Resolve a review, if a status inquiry confirms the decision now."""
        permissions.require_any(request, permissions.RESOLVE)
        order = get_order(request, pk)
        if request.method != "POST":
            return self.redirect("change", order.pk)
        form = ResolveForm(
            request.POST, choices=[(s, s) for s in manual_review.RESOLUTIONS]
        )
        if not form.is_valid():
            show_errors(request, form)
            return self.redirect("change", order.pk)
        state, reason = form.cleaned_data["state"], form.cleaned_data["reason"]
        try:
            flows.resolve(order, state, reason=reason, actor=get_actor(request))
        except (NexiPaymentsError, ValueError) as error:
            messages.error(request, error_text(error))
            return self.redirect("change", order.pk)
        messages.success(request, _("Resolved. Nexi agrees."))
        self.log_change(request, order, f"{_('Resolved')}: {order.state}. {reason}")
        return self.redirect("change", order.pk)

    @db_transactions.non_atomic_requests
    def resend_signal(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the signal of an event to its receivers again."""
        permissions.require_any(request, permissions.RECONCILE)
        event = get_object_or_404(Event, pk=pk, kind__in=SIGNAL_BY_EVENT_KIND)
        require_right(request, event.order.terminal, permissions.RECONCILE)
        if request.method == "POST":
            if delivery_workers.redeliver(event):
                messages.success(request, _("Sent again, and every receiver took it."))
            else:
                text = _(
                    "A receiver failed or did not return: see the log of the shop."
                )
                messages.error(request, text)
            self.log_change(request, event.order, f"{_('Signal sent again')}: {event}")
        return self._redirect_back(request, event.order_id)

    @db_transactions.non_atomic_requests
    def resolve_discrepancy(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Mark a discrepancy as resolved. Idempotent."""
        permissions.require_any(request, permissions.RESOLVE)
        visible = terminal_rights.limit(
            Discrepancy.objects.all(), request.user, column="order__terminal"
        )
        record = get_object_or_404(visible, pk=pk)
        if request.method == "POST":
            actor = get_actor(request)
            resolved = manual_review.resolve_discrepancy(record, actor=actor)
            if resolved and record.order is not None:
                note = f"{_('Disagreement dealt with')}: {record.kind}"
                self.log_change(request, record.order, note)
        return self._redirect_back(request, record.order_id)

    def _redirect_back(self, request: HttpRequest, pk: int | None) -> HttpResponse:
        """Redirect to the page with the form: the queue, or the payment ``pk``."""
        if pk is None or request.POST.get("back") == "review_queue":
            return self.redirect("review_queue")
        return self.redirect("change", pk)
