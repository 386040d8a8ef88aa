"""Result of a phone order, with what to tell the caller, and the status it polls.

The page polls our server, and its polls have Nexi asked: see ``flows.inquiry.waiting``.
"""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, flows, money, permissions
from nexi_payments.admin import approval_texts, staff_texts
from nexi_payments.admin.base import StaffPages, get_actor, get_phone_order
from nexi_payments.admin.customer_messages import (
    customer_context,
    is_finished,
    latest_attempt,
    may_offer_link,
)
from nexi_payments.admin.error_texts import CHARGE_STATUS_TEXTS, error_text
from nexi_payments.admin.nexi_links import link_context
from nexi_payments.admin.phone_order_steps import (
    awaits_card,
    is_for_link,
    needs_approval,
)
from nexi_payments.enums import Channel, OrderState, Reason
from nexi_payments.exceptions import TerminalNotConfigured
from nexi_payments.flows import ceilings
from nexi_payments.flows.inquiry import waiting
from nexi_payments.flows.reconcile import inquire
from nexi_payments.models import PaymentOrder, db_transactions

_INQUIRABLE: Final = (
    OrderState.PAYING,
    OrderState.AWAITING_3DS,
    OrderState.AWAITING_HOSTED_PAGE,
)
#: The same card is of no use, or may not be tried again.
_WANT_OTHER_CARD: Final = (staff_texts.OTHER_CARD, staff_texts.NEVER_AGAIN)


class PhoneOrderResults(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("moto/<str:order_id>/", self.result, "moto_result"),
            path("moto/<str:order_id>/status/", self.status, "moto_status"),
            path("moto/<str:order_id>/check/", self.check, "moto_check"),
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
            "other_card": _advice(attempt) in _WANT_OTHER_CARD,
            "live": conf.current().is_live(attempt.terminal),
            "may_view": permissions.has_any(request, *permissions.CAN_VIEW_PAYMENTS),
            "may_inquire": attempt.state in _INQUIRABLE
            and _may_inquire(request, order, attempt),
            "desk_url": self.admin.admin_url("moto"),
            **customer_context(request, order, attempt),
            **link_context(attempt),
        }
        return self.render(request, "phone_order_result.html", context)

    @db_transactions.non_atomic_requests
    def status(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """JSON ``{state, final, message, next}``, shaped as the shopper's status.

        Asks Nexi about an unknown outcome, as often as its flow allows for an order.
        """
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id, permissions.VIEW_PAYMENTS)
        attempt = latest_attempt(order)
        _ask_nexi(request, attempt)
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

    @db_transactions.non_atomic_requests
    def check(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """Ask Nexi now: for the clerk's own phone orders, or with the permission to
        reconcile."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id, permissions.VIEW_PAYMENTS)
        attempt = latest_attempt(order)
        if not _may_inquire(request, order, attempt):
            raise PermissionDenied
        if request.method == "POST" and attempt.state in _INQUIRABLE:
            self._check(request, attempt)
        return self.redirect("moto_result", order.order_id)

    def _check(self, request: HttpRequest, attempt: PaymentOrder) -> None:
        if not waiting.claim_now(attempt):
            messages.info(request, _("Nexi was asked a moment ago."))
            return
        try:
            counts = inquire(attempt, actor=get_actor(request))
        except TerminalNotConfigured as error:
            messages.error(request, error_text(error))
            return
        if counts.unanswered:
            messages.warning(request, CHARGE_STATUS_TEXTS[""])
        else:
            now = attempt.display_status.label
            messages.info(request, f"{_('Nexi was asked.')} {_('State')}: {now}")
        self.log_change(request, attempt, f"{_('Nexi was asked.')} {attempt.state}")


def _may_inquire(
    request: HttpRequest, order: PaymentOrder, attempt: PaymentOrder
) -> bool:
    """Whether the clerk took this order, or may inquire about every payment."""
    is_own = request.user.pk in (order.clerk_id, attempt.clerk_id)
    return is_own or permissions.has_any(request, permissions.RECONCILE)


def _ask_nexi(request: HttpRequest, attempt: PaymentOrder) -> None:
    site = conf.site_address(
        request.META.get("HTTP_HOST", ""), secure=request.is_secure()
    )
    if attempt.state == OrderState.AWAITING_HOSTED_PAGE:
        flows.look_at_hosted_page(attempt, site=site)
    else:
        waiting.look_while_waiting(attempt, site=site)


def _advice(attempt: PaymentOrder) -> staff_texts.Advice:
    return (
        staff_texts.LINK_ONLY if is_for_link(attempt) else staff_texts.advice(attempt)
    )
