"""Approvals for staff: what is asked for, by whom, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from nexi_payments import money
from nexi_payments.admin.staff_texts import Advice
from nexi_payments.enums import ApprovalState, OperationKind
from nexi_payments.flows import ceilings
from nexi_payments.flows.ledger import approval_rights
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.models import Approval, Event, PaymentOrder

#: Of a phone order that the clerk may not charge alone.
PHONE_ORDER: Final = Advice(
    "wait",
    _("A colleague has to approve this"),
    _("I need a colleague's approval for this amount and will call you back."),
    _(
        "Nothing was charged, and no card was kept. When it is approved, this page asks"
        " for the card. Or send a secure payment link."
    ),
)
WAITS: Final = _(
    "This amount is above your ceiling. Nothing was sent: it waits for another person's"
    " approval."
)
BEFORE: Final = _(
    "This amount is above your ceiling. It is not sent now: another person has to"
    " approve it within 24 hours."
)
_TONES: Final[dict[str, str]] = {
    ApprovalState.WAITING: "wait",
    ApprovalState.APPROVED: "wait",
    ApprovalState.USED: "good",
}


@dataclass(frozen=True)
class ApprovalText:
    """One approval. ``may_decide``: approve or refuse; ``may_withdraw``: take back."""

    row: Approval
    title: str
    tone: str
    state: Any
    url: str
    may_decide: bool
    may_withdraw: bool


def title(row: Approval) -> str:
    """``"refund 600.00 EUR"``"""
    amount = money.display(row.amount, row.order.currency)
    return f"{row.get_kind_display()} {amount}"


def state_label(row: Approval) -> Any:
    if row.state == ApprovalState.WAITING and row.is_over:
        return ApprovalState.EXPIRED.label
    return row.get_state_display()


def describe(request: HttpRequest, row: Approval, site: str) -> ApprovalText:
    name = "admin:nexi_payments_approval_change"
    return ApprovalText(
        row,
        title(row),
        _TONES.get(row.state, "neutral"),
        state_label(row),
        reverse(name, args=[row.pk], current_app=site),
        row.is_waiting and approval_rights.may_decide(row, request.user),
        row.is_waiting and row.is_by(request.user),
    )


def describe_all(
    request: HttpRequest, order: PaymentOrder, site: str
) -> list[ApprovalText]:
    """The approvals of a payment, newest first."""
    return [describe(request, one, site) for one in order.approvals.all()]


def event_text(event: Event, order: PaymentOrder) -> str:
    """What an event of ``order`` about an approval is about, and who asked."""
    row = event.approval
    if row is None:
        return ""
    row.order = order  # loaded already
    asked = _("asked by %(name)s") % {"name": row.requester_name}
    return f"{title(row)}, {asked}"


def notes(order: PaymentOrder, kind: str, minor: int, actor: Actor) -> list[Any]:
    """What the confirmation page says about an amount above the ceiling."""
    if kind != OperationKind.REFUND:
        return []
    return [BEFORE] if ceilings.is_exceeded(order, kind, minor, actor) else []
