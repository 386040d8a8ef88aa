"""Approvals: the list, the page of one, and what people decide there."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import (
    conf,
    date_texts,
    flows,
    money,
    permissions,
    terminal_rights,
)
from nexi_payments.admin import (
    approval_texts,
    changelist,
    outcome_texts,
    reason_texts,
)
from nexi_payments.admin.base import (
    DetailView,
    ReadOnlyAdmin,
    StaffPages,
    get_actor,
    get_phone_order,
    show_errors,
)
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.forms import ReasonForm
from nexi_payments.admin.phone_order_steps import needs_approval
from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.exceptions import (
    ApprovalRequired,
    NexiPaymentsError,
    OutcomeNotRecorded,
)
from nexi_payments.flows import ceilings
from nexi_payments.flows.ledger import approval_rights
from nexi_payments.models import Approval, db_transactions

# not inside an f-string, where makemessages does not find them
_TITLE: Final = _("Approval")
_APPROVED: Final = _("Approved")
_NOTHING_SENT: Final = _("Nothing was sent.")


class ApprovalPages(StaffPages):
    """Approve, refuse, withdraw: forms on the page of an approval."""

    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("<int:pk>/approve/", self.approve, "approve"),
            path("<int:pk>/refuse/", self.refuse, "refuse"),
        ]

    @db_transactions.non_atomic_requests
    def approve(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Approve it, and send what can be sent now."""
        permissions.require_any(request, permissions.APPROVE)
        approval = _get_approval(request, pk, needs_right=True)
        if request.method == "POST":
            self._approve(request, approval)
        return self.redirect("change", pk)

    def _approve(self, request: HttpRequest, approval: Approval) -> None:
        what = approval_texts.title(approval)
        try:
            flows.approve(approval, actor=get_actor(request))
        except OutcomeNotRecorded:
            text = outcome_texts.OUTCOME_TEXTS[OperationOutcome.IN_DOUBT]
            messages.warning(request, str(text))
            return
        except NexiPaymentsError as error:
            messages.error(request, error_text(error))
            return
        operation = approval.operation
        if operation is not None:
            outcome: Any = outcome_texts.outcome_text(operation)
        elif approval.kind == OperationKind.MOTO:
            outcome = _("The person who asked may enter the card now.")
        else:
            outcome = _("It is sent in a moment.")
        messages.success(request, f"{_APPROVED}: {what}. {outcome}")
        self.log_change(request, approval.order, f"{_APPROVED}: {what}")

    def refuse(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Refuse it, or withdraw what one asked for oneself. Sends nothing."""
        approval = _get_approval(request, pk)
        if not approval.is_by(request.user):
            permissions.require_any(request, permissions.APPROVE)
            _get_approval(request, pk, needs_right=True)
        if request.method != "POST":
            return self.redirect("change", pk)
        form = ReasonForm(request.POST)
        if not form.is_valid():
            show_errors(request, form)
            return self.redirect("change", pk)
        reason, actor = form.cleaned_data["reason"], get_actor(request)
        try:
            flows.refuse_approval(approval, reason=reason, actor=actor)
        except NexiPaymentsError as error:
            messages.error(request, error_text(error))
            return self.redirect("change", pk)
        what = f"{approval.get_state_display()}: {approval_texts.title(approval)}"
        messages.success(request, f"{what}. {_NOTHING_SENT}")
        self.log_change(request, approval.order, f"{what}. {reason}")
        return self.redirect("change", pk)


class PhoneOrderApproval(StaffPages):
    """Asks for the approval of a phone order, by a button on its result page."""

    @property
    def urls(self) -> list[URLPattern]:
        route = "moto/<str:order_id>/approval/"
        return [self.admin.admin_path(route, self.ask, "moto_approval")]

    def ask(self, request: HttpRequest, order_id: str) -> HttpResponse:
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id)
        if request.method == "POST" and needs_approval(request, order):
            try:
                ceilings.require_approval_of_phone_order(
                    order, get_actor(request), ask_again=True
                )
            except ApprovalRequired:
                messages.info(request, approval_texts.WAITS)
            except NexiPaymentsError as error:
                messages.error(request, error_text(error))
        return self.redirect("moto_result", order.order_id)


class ApprovalDetail(DetailView):
    def view(
        self, request: HttpRequest, pk: int, extra_context: dict[str, Any]
    ) -> HttpResponse:
        approval = _get_approval(request, pk)
        if not approval.is_by(request.user) and not self.admin.has_view_permission(
            request
        ):
            raise PermissionDenied
        order, site = approval.order, self.admin.admin_site.name
        viewer = permissions.has_any(request, *permissions.CAN_VIEW_PAYMENTS)
        context = {
            "original": approval,
            "title": f"{_TITLE} {order.reference or order.order_id}",
            "approval": approval_texts.describe(request, approval, site),
            "facts": _detail_rows(approval),
            "order": order,
            "may_view": viewer,
            "live": conf.current().is_live(order.terminal),
            **extra_context,
        }
        return self.render(request, "approval.html", context)


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """Approvals are never edited and never deleted."""

    detail_class = ApprovalDetail
    page_classes = (ApprovalPages,)
    list_display = (
        "when",
        "payment",
        "what",
        "status",
        "requester_name",
        "approver_name",
        "terminal",
        "expires_at",
    )
    list_filter = ("state", "kind", changelist.TerminalFilter)
    ordering = ("-created_at", "-id")
    show_facets = admin.ShowFacets.NEVER
    paginator = changelist.CappedPaginator
    list_select_related = ("order",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """In the index only where there are ceilings."""
        wanted = bool(conf.current().approval_ceilings)
        return wanted and super().has_module_permission(request)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        wanted = bool(conf.current().approval_ceilings)
        return super().get_model_perms(request) if wanted else {}

    @admin.display(description=_("asked"))
    def when(self, approval: Approval) -> str:
        return date_texts.moment(approval.created_at)

    @admin.display(description=_("payment"))
    def payment(self, approval: Approval) -> str:
        return approval.order.reference or approval.order.order_id

    @admin.display(description=_("what"))
    def what(self, approval: Approval) -> str:
        return approval_texts.title(approval)

    @admin.display(description=_("state"))
    def status(self, approval: Approval) -> str:
        return str(approval_texts.state_label(approval))


def _get_approval(
    request: HttpRequest, pk: int, *, needs_right: bool = False
) -> Approval:
    """Raises ``Http404`` if the user may not see its terminal; with ``needs_right``
    ``PermissionDenied`` without the right there that the request itself needs."""
    approval = get_object_or_404(Approval.objects.select_related("order"), pk=pk)
    right = terminal_rights.SEE
    if needs_right:
        right = approval_rights.RIGHT[approval.kind]
    terminal_rights.require(request.user, right, approval.terminal)
    return approval


def _detail_rows(approval: Approval) -> list[tuple[Any, Any]]:
    order = approval.order
    left = approval.expected_remaining
    rows = [
        (_("Reference"), order.reference),
        (_("Customer"), order.customer_name),
        (_("Total of the payment"), money.display(order.amount, order.currency)),
        (
            _("Left when it was asked for"),
            "" if left is None else money.display(left, order.currency),
        ),
        (_("Terminal"), approval.terminal),
        (_("Asked by"), approval.requester_name),
        (_("Asked"), approval.created_at),
        (_("IP address"), approval.address),
        (_("Reason"), reason_texts.refund_reason(approval.reason)),
        (_("Decided by"), approval.approver_name),
        (_("Decided"), approval.decided_at),
        (_("Reason of the decision"), approval.decision_reason),
        (_("Not sent because"), approval.get_failure_display()),
        (_("Until"), approval.expires_at if approval.is_waiting else ""),
        (_("Order id at Nexi"), order.order_id),
    ]
    return [(label, value) for label, value in rows if value]
