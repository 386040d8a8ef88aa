"""Result of a phone order, with what to tell the caller, and the status it polls."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, money, permissions
from nexi_payments.admin import approval_texts, staff_texts
from nexi_payments.admin.base import StaffPages, get_phone_order
from nexi_payments.admin.customer_messages import (
    customer_context,
    is_finished,
    latest_attempt,
    may_offer_link,
)
from nexi_payments.admin.nexi_links import link_context
from nexi_payments.admin.phone_order_steps import (
    awaits_card,
    is_for_link,
    needs_approval,
)
from nexi_payments.enums import Channel, OrderState, Reason
from nexi_payments.flows import ceilings
from nexi_payments.models import PaymentOrder

_INQUIRABLE: Final = (
    OrderState.PAYING,
    OrderState.AWAITING_3DS,
    OrderState.AWAITING_HOSTED_PAGE,
)


class PhoneOrderResults(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("moto/<str:order_id>/", self.result, "moto_result"),
            path("moto/<str:order_id>/status/", self.status, "moto_status"),
        ]

    def result(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """The result. Polls while the outcome is unknown."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id, permissions.VIEW_PAYMENTS)
        if awaits_card(request, order):
            return self.redirect("moto_card", order.order_id)
        attempt = latest_attempt(order)
        unapproved = needs_approval(request, attempt)
        asked = ceilings.latest_of_phone_order(attempt, request.user)
        context = {
            "title": _("Phone order"),
            "order": order,
            "attempt": attempt,
            "amount": money.display(order.amount, order.currency),
            "advice": approval_texts.PHONE_ORDER if unapproved else _advice(attempt),
            "waiting": not (is_finished(attempt) or is_for_link(attempt) or unapproved),
            "approvals": approval_texts.describe_all(
                request, attempt, self.admin.admin_site.name
            ),
            "may_ask_approval": unapproved and not (asked and asked.is_waiting),
            "may_link": (is_for_link(attempt) or unapproved)
            and may_offer_link(request, attempt),
            "may_retry": attempt.state == OrderState.FAILED
            and order.channel != Channel.LINK
            and not attempt.is_cancelled
            and attempt.reason not in (Reason.SUPERSEDED, Reason.VETOED),
            "live": conf.current().is_live(attempt.terminal),
            "may_view": permissions.has_any(request, *permissions.CAN_VIEW_PAYMENTS),
            "may_inquire": permissions.has_any(request, permissions.RECONCILE)
            and attempt.state in _INQUIRABLE,
            "desk_url": self.admin.admin_url("moto"),
            **customer_context(request, order, attempt),
            **link_context(attempt),
        }
        return self.render(request, "phone_order_result.html", context)

    def status(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """JSON ``{state, final, message, next}``, shaped as the shopper's status."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id, permissions.VIEW_PAYMENTS)
        attempt = latest_attempt(order)
        final = is_finished(attempt)
        result = self.admin.admin_url("moto_result", order.order_id)
        return JsonResponse(
            {
                "state": f"{attempt.pk} {attempt.state}",
                "final": final,
                "message": str(staff_texts.advice(attempt).title),
                "next": result if final else None,
            },
            headers={"Cache-Control": "private, no-store"},
        )


def _advice(attempt: PaymentOrder) -> staff_texts.Advice:
    return (
        staff_texts.LINK_ONLY if is_for_link(attempt) else staff_texts.advice(attempt)
    )
