"""The page of one order: how it stands, the money, what can be done, what has happened.
A mixin of the order's ``ModelAdmin``. Nothing on it can be edited."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, mails, money, staff_wording, states
from nexi_payments.admin import access, notes, parts
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.signals import BY_KIND

#: What staff can decide about a review, in the order of the list.
_RESOLUTIONS = [
    (states.PAID, _("paid")),
    (states.AUTHORIZED, _("authorized")),
    (states.FAILED, _("not charged")),
    (states.VOIDED, _("released")),
]
_EVENTS = {
    states.REFUNDED: _("refund in part confirmed"),
    "asked": _("Nexi was asked by hand"),
    "link": _("secure link offered"),
    "mail_link": _("secure link mailed"),
    "mail_receipt": _("receipt mailed"),
    "captured": _("capture in part confirmed"),
    "cancelled": _("capture cancelled"),
    "contract_active": _("card on file from now on"),
    "contract_ended": _("card on file ended"),
    "contract_hold": _("card on file on hold: no charge until somebody decides"),
    "contract_on": _("card on file off hold"),
    "charge_retry": _("charge is tried again"),
}


@dataclass
class Moment:
    """One line of the time line."""

    at: datetime
    what: Any
    tone: str = ""
    amount: str = ""
    who: str = ""
    address: str = ""
    words: list[Any] = field(default_factory=list)
    ids: list[tuple[Any, str]] = field(default_factory=list)
    #: the event whose signal may be sent again
    event: int | None = None


class OrderPage:
    if TYPE_CHECKING:
        admin_site: Any
        opts: Any

        def address(self, name: str, *args: Any) -> str: ...
        def has_view_permission(self, request: HttpRequest, *args: Any) -> bool: ...

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Read only: a POST is denied."""
        reader = self.has_view_permission(request)
        if request.method not in ("GET", "HEAD") or not (
            reader or access.may(request, access.MOTO)
        ):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        found = unquote(object_id)
        rows = PaymentOrder.objects.filter(pk=int(found) if found.isdecimal() else 0)
        order = rows.first()
        if not reader and order is not None and order.channel in states.DESK:
            # "recent actions" of a clerk lead here: on to the page that is theirs
            return HttpResponseRedirect(self.address("moto_result", order.public_id))
        if not reader:
            raise PermissionDenied
        if order is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": order,
            "title": f"{_('Payment')} {order.reference or order.order_id}",
            "order": order,
            "amount": mails.amount_in_words(order),
            "advice": staff_wording.advice(order),
            "sums": _sums(order),
            "facts": _facts(order),
            "moments": _moments(order),
            "left_out": notes.left_out(order),
            "breaks": order.breaks.filter(resolved_at=None),
            "attempts": _attempts(order),
            "live": _environment(order) == conf.PRODUCTION,
            "desk": order.channel in states.DESK and access.may(request, access.MOTO),
            "captures": parts.captures(order),
            "contract": parts.contract_link(request, order, self.admin_site.name),
            "may_resend": access.may(request, access.ASK),
            "may_resolve": access.may(request, access.RESOLVE),
            **_deeds(request, order),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "nexi_payments/staff/payment.html", context)


def _environment(order: PaymentOrder) -> str:
    terminal = conf.current().terminals.get(order.terminal)
    return terminal.environment if terminal else ""


# -- the money -------------------------------------------------------------------------


def _sums(order: PaymentOrder) -> list[tuple[Any, str, bool]]:
    """(word, amount, strong): what staff ask first."""

    def line(word: Any, minor: int, strong: bool = False) -> tuple[Any, str, bool]:
        return word, mails.amount_in_words(order, minor), strong

    lines = [
        line(_("Ordered"), order.amount),
        line(_("Authorized"), order.authorized_amount),
        line(_("Captured"), order.captured_amount),
        line(_("Refunded"), order.refunded_amount),
    ]
    if order.capturing_amount:
        lines.append(line(_("Capture waiting for Nexi"), order.capturing_amount))
    if order.refunding_amount:
        lines.append(line(_("Refund waiting for Nexi"), order.refunding_amount))
    manual = order.capture == states.CAPTURE_MANUAL
    if order.state in (states.AUTHORIZED, states.PAID) and (
        manual or order.left_to_capture
    ):
        lines.append(line(_("Left to capture"), order.left_to_capture, True))
    if order.captured_amount:
        lines.append(line(_("Left to refund"), order.left_to_refund, True))
    return lines


def _facts(order: PaymentOrder) -> list[tuple[Any, Any]]:
    card = (
        f"{order.card_brand} ••••\u00a0{order.card_last4}" if order.card_last4 else ""
    )
    if order.card_expiry:
        card += f" · {order.card_expiry[:2]}/{order.card_expiry[2:]}"
    facts = [
        (_("Reference"), order.reference),
        (_("Description"), order.description),
        (_("Customer"), order.customer_name),
        (_("E-mail"), order.customer_email),
        (_("Cardholder"), order.cardholder_name),
        (_("Card"), card),
        (_("Channel"), order.get_channel_display()),
        (_("Clerk"), order.clerk),
        (_("Terminal"), f"{order.terminal} ({_environment(order)})"),
        (_("3-D Secure"), order.flow if order.channel != states.CHANNEL_MOTO else ""),
        (_("ECI"), order.eci),
        (_("Order id at Nexi"), order.order_id),
        (_("Operation id at Nexi"), order.gateway_operation_id),
        (_("Created"), order.created_at),
    ]
    return [(word, value) for word, value in facts if value]


def _attempts(order: PaymentOrder) -> list[PaymentOrder]:
    if not order.reference:
        return []
    same = PaymentOrder.objects.filter(reference=order.reference)
    return list(same.exclude(pk=order.pk).order_by("-id")[:10])


# -- what can be done -----------------------------------------------------------------


def _deeds(request: HttpRequest, order: PaymentOrder) -> dict[str, Any]:
    """Forms for what this user may do with this order as it is."""

    def major(minor: int) -> Any:
        return money.to_major(minor, order.currency)

    deeds: dict[str, Any] = {}
    manual = order.capture == states.CAPTURE_MANUAL or order.state == states.AUTHORIZED
    held = order.state in (states.AUTHORIZED, states.PAID) and manual
    if held and order.left_to_capture and access.may(request, access.CAPTURE):
        deeds["capture_left"] = major(order.left_to_capture)
    untouched = not (order.captured_amount or order.capturing_amount)
    releasable = order.state in (states.AUTHORIZED, states.REVIEW) and untouched
    if releasable and order.authorized_amount and access.may(request, access.VOID):
        deeds["void_left"] = major(order.authorized_amount)
    returnable = order.state in (states.PAID, states.REVIEW)
    returnable = returnable and order.left_to_refund > 0
    if returnable and access.may(request, access.REFUND):
        deeds["refunds"] = parts.refundable(order)
    if access.may(request, access.CANCEL) and (rolls := parts.cancellable(order)):
        deeds["cancels"] = rolls
    if access.may(request, access.ASK) and order.operations.exists():
        deeds["may_ask"] = True
    if order.state == states.REVIEW and access.may(request, access.RESOLVE):
        deeds["resolutions"] = _RESOLUTIONS
    elif order.state == states.AUTHORIZED and access.may(request, access.RESOLVE):
        deeds["resolutions"] = _RESOLUTIONS[-1:]
    return {"deeds": deeds}


# -- what has happened ---------------------------------------------------------------


def _moments(order: PaymentOrder) -> list[Moment]:
    """Operations and events of the order, oldest first."""
    lines = [
        Moment(
            at=one.created_at,
            what=one.get_kind_display(),
            tone=one.outcome,
            amount=""
            if one.amount is None
            else mails.amount_in_words(order, one.amount),
            who=str(one.actor or ""),
            address=one.address or "",
            words=[
                one.get_outcome_display(),
                one.result,
                _code(one.response_code),
                one.error,
                *map(notes.warning_in_words, one.warnings.split()),
            ],
            ids=[
                (_("correlation id"), one.correlation_id),
                (_("Nexi's operation"), one.gateway_operation_id),
                (_("Nexi's trace"), one.cid),
                (_("request id"), one.request_id),
                (_("idempotency key"), one.idempotency_key),
            ],
        )
        for one in order.operations.select_related("actor")
    ]
    labels = dict(order._meta.get_field("state").choices or [])
    for event in order.events.select_related("actor"):
        if event.from_state != event.to_state:
            what: Any = f"{labels[event.from_state]} → {labels[event.to_state]}"
        else:
            what = _EVENTS.get(event.kind) or labels.get(event.kind, event.kind)
        lines.append(
            Moment(
                at=event.created_at,
                what=what,
                tone="event",
                who=str(event.actor or ""),
                address=event.address or "",
                words=[event.reason, event.note, _delivery(event)],
                event=event.pk if event.kind in BY_KIND else None,
            )
        )
    lines.sort(key=lambda one: one.at)
    for one in lines:
        one.words = [word for word in one.words if word]
        one.ids = [(word, value) for word, value in one.ids if value]
    return lines


def _delivery(event: Event) -> Any:
    if event.deliver_at is None or not event.attempts:
        return ""
    return _("not delivered to the shop yet (attempts: %(count)s)") % {
        "count": event.attempts
    }


def _amount(order: PaymentOrder, minor: int | None) -> str:
    return "" if minor is None else mails.amount_in_words(order, minor)


def _code(code: str) -> str:
    words = staff_wording.code_in_words(code)
    return f"{code}: {words}" if code else ""
