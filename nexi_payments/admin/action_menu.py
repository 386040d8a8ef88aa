"""What this user may do with a payment now: one primary action, the rest in a menu."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, enums, flows, permissions, terminal_rights
from nexi_payments.admin import captures
from nexi_payments.enums import OrderState
from nexi_payments.flows import manual_review
from nexi_payments.models import PaymentOrder

#: Decisions that staff can take on a review, in display order.
_RESOLUTIONS: Final = [
    (OrderState.PAID, _("paid")),
    (OrderState.AUTHORIZED, _("authorized")),
    (OrderState.FAILED, _("not charged")),
    (OrderState.VOIDED, _("released")),
]
#: What a state asks for first. The others are in the menu.
_PRIMARY: Final = ("resolve", "inquire", "capture", "refund")


@dataclass(frozen=True)
class Action:
    """One form of ``staff/payment_action.html``: which, and its values."""

    name: str
    form: Any = field(default_factory=dict)


@dataclass(frozen=True)
class ActionMenu:
    primary: Action | None
    more: tuple[Action, ...]

    def __bool__(self) -> bool:
        return bool(self.primary or self.more)


def action_menu(request: HttpRequest, now: flows.Available) -> ActionMenu:
    """The actions that ``request.user`` may run on the payment in its present state.

    Primary is the first of ``_PRIMARY`` that fits: a decision in review; to ask Nexi
    while an outcome is unknown; a capture; the first refund. A menu without a primary
    action is one of actions that end something.
    """
    found = list(_actions(request, now))
    wanted = [name for name in _PRIMARY if name != "inquire" or _is_in_doubt(now.order)]
    ranked = [one for one in found if one.name in wanted]
    primary = min(ranked, key=lambda one: wanted.index(one.name), default=None)
    return ActionMenu(primary, tuple(one for one in found if one is not primary))


def _is_in_doubt(order: PaymentOrder) -> bool:
    return order.unsettled_since is not None


def _actions(request: HttpRequest, now: flows.Available) -> Iterator[Action]:
    order = now.order

    def may(permission: str) -> bool:
        return terminal_rights.may_use(request, permission, order.terminal)

    # a healthy authorization is no review, though ``resolve`` would accept a lapse
    if order.state == OrderState.REVIEW and may(permissions.RESOLVE):
        possible = manual_review.possible_resolutions(order)
        yield Action("resolve", [one for one in _RESOLUTIONS if one[0] in possible])
    if now.capture and may(permissions.CAPTURE):
        yield Action("capture", captures.amount_form_values(order, now.capture))
    if may(permissions.REFUND):
        for form in captures.refund_forms(now):
            yield Action("refund", form)
    if may(permissions.RECONCILE) and order.operations.exists():
        yield Action("inquire")
    if may(permissions.CANCEL_CAPTURE):
        for form in captures.cancel_forms(now):
            yield Action("cancel_capture", form)
    if may(permissions.VOID):
        yield from _endings(now)


def _endings(now: flows.Available) -> Iterator[Action]:
    if now.void:
        yield Action("void", captures.amount_form_values(now.order, now.void))
    if now.cancel:
        yield Action("cancel_payment")


def reason_choices() -> dict[str, Any]:
    """The reasons of a refund for its form, and whether one must be chosen."""
    return {
        "refund_reasons": enums.RefundReason.choices,
        "refund_reason_required": conf.current().refund_reason_required,
    }
