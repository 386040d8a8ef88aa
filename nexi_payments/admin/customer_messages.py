"""What staff send to a customer: the secure payment link, its email, the receipt."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, enums, money, permissions, terminal_rights
from nexi_payments.admin.base import (
    StaffPages,
    get_actor,
    get_phone_order,
    is_phone_order,
)
from nexi_payments.admin.payment_forms import EmailForm
from nexi_payments.emails import receipts
from nexi_payments.enums import Channel, OrderState
from nexi_payments.exceptions import (
    InvalidAmount,
    InvalidState,
    MotoNotAllowed,
    TerminalNotConfigured,
)
from nexi_payments.flows import customer_emails, payment_link
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.web import languages, payment_links


class CustomerMessages(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("moto/<str:order_id>/link/", self.link, "moto_link"),
            path("moto/<str:order_id>/email/", self.email, "moto_email"),
            path("<int:pk>/receipt/", self.receipt, "receipt"),
        ]

    # -- the secure link ---------------------------------------------------------------

    def link(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """Turn a phone order into a link order, which the customer pays with 3-D
        Secure."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id)
        if request.method != "POST":
            return self._redirect_to_result(order)
        return self.offer_link(request, order)

    def offer_link(self, request: HttpRequest, order: PaymentOrder) -> HttpResponse:
        """The link, mailed at once where the order has an address.

        Raises ``PermissionDenied`` if the user may not take on its terminal.
        """
        if not may_offer_link(request, order):
            raise PermissionDenied
        channel = order.channel
        try:
            payment_link.offer_link(order, actor=get_actor(request))
        except InvalidState:
            messages.error(
                request, _("It is too late for a link: a card was entered already.")
            )
        except (InvalidAmount, MotoNotAllowed, TerminalNotConfigured):
            messages.error(
                request, _("No terminal takes this amount by link. Nothing changed.")
            )
            return self.redirect("moto_card", order.order_id)
        if order.channel != channel:
            self.log_change(request, order, str(_("Offered as a secure link.")))
            if order.customer_email:
                to, language = order.customer_email, languages.default()
                self._mail(request, order, "payment_link", to, language)
        return self._redirect_to_result(order)

    def _redirect_to_result(self, order: PaymentOrder) -> HttpResponse:
        return self.redirect("moto_result", order.order_id)

    # -- email -------------------------------------------------------------------------

    def email(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """Email the link or the receipt, whichever applies in the present state."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id, permissions.VIEW_PAYMENTS)
        attempt = latest_attempt(order)
        template = _sendable_email(order, attempt)
        if request.method == "POST" and template:
            self._send_email(request, attempt, template)
        return self._redirect_to_result(order)

    def _send_email(
        self, request: HttpRequest, order: PaymentOrder, template: str
    ) -> None:
        form = EmailForm(request.POST, order=order)
        if not form.is_valid():
            messages.error(request, _("This is not an e-mail address: nothing sent."))
            return
        to, language = form.cleaned_data["email"], form.cleaned_data["language"]
        self._mail(request, order, template, to, language)

    def _mail(
        self,
        request: HttpRequest,
        order: PaymentOrder,
        template: str,
        to: str,
        language: str,
    ) -> None:
        actor = get_actor(request)
        if template == "receipt":
            sent = customer_emails.send_receipt(order, to, language, actor=actor)
        else:
            link = _link_url(request, order, language)
            sent = customer_emails.send_payment_link(
                order, to, language, link, actor=actor
            )
        if not sent:
            messages.error(request, _("The mail could not be sent. Try again later."))
            return
        messages.success(request, _("Sent to %(address)s.") % {"address": to})
        self.log_change(request, order, f"{_('Mail sent')}: {template}")

    # -- the receipt -------------------------------------------------------------------

    def receipt(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Receipt to print; a POST emails it.

        Clerks who only take phone orders see receipts of phone orders only.
        """
        permissions.require_any(
            request, permissions.TAKE_MOTO, *permissions.CAN_VIEW_PAYMENTS
        )
        rows = terminal_rights.limit(PaymentOrder.objects.filter(pk=pk), request.user)
        order = rows.first()
        reader = permissions.has_any(request, *permissions.CAN_VIEW_PAYMENTS)
        if not reader and (order is None or not is_phone_order(order)):
            raise PermissionDenied
        if order is None:
            raise Http404
        page = ("change", pk) if reader else ("moto_result", order.order_id)
        if order.state not in enums.WITH_RECEIPT:
            return self.redirect(*page)
        if request.method == "POST":
            permissions.require_any(request, permissions.TAKE_MOTO)
            self._send_email(request, order, "receipt")
            return self.redirect(*page)
        context = {
            "order": order,
            "amount": money.display(order.amount, order.currency),
            "receipt": receipts.Receipt(order),
            "merchant": conf.current().merchant_name,
        }
        return TemplateResponse(request, "nexi_payments/staff/receipt.html", context)


def customer_context(
    request: HttpRequest, order: PaymentOrder, attempt: PaymentOrder
) -> dict[str, Any]:
    """Context of the result page: the link while it is usable, and the email form."""
    linked = order.channel == Channel.LINK
    open_link = linked and not is_finished(attempt)
    template = _sendable_email(order, attempt)
    return {
        "link": _link_url(request, order) if open_link else "",
        "until": order.pay_until,
        "email_template": template,
        "email_form": EmailForm(order=order) if template else None,
        "sent": _last_sent(order, attempt, template),
    }


def _last_sent(
    order: PaymentOrder, attempt: PaymentOrder, template: str
) -> Event | None:
    """The event of the last such email, whose ``note`` is the address."""
    receipt = template == "receipt"
    kind = enums.EventKind.RECEIPT_EMAILED if receipt else enums.EventKind.LINK_EMAILED
    rows = Event.objects.filter(order__in=(order.pk, attempt.pk), kind=kind)
    return rows.exclude(note="").order_by("pk").last()


def may_offer_link(request: HttpRequest, order: PaymentOrder) -> bool:
    """Whether there is a terminal for the link, and the user may take there."""
    settings = conf.current()
    terminal = settings.terminals.get(order.terminal)
    target = settings.link_terminal(terminal) if terminal else None
    if target is None:
        return True  # the flow says what is missing
    return terminal_rights.may(request.user, terminal_rights.TAKE, target.name)


def latest_attempt(order: PaymentOrder) -> PaymentOrder:
    """The latest attempt: a customer with a link may create new ones."""
    linked = order.channel == Channel.LINK
    return payment_link.current_attempt(order) if linked else order


def is_finished(attempt: PaymentOrder) -> bool:
    """Whether polling may stop. A customer with a usable link may still try again."""
    if attempt.channel == Channel.LINK and attempt.state == OrderState.FAILED:
        ended = (enums.Reason.SUPERSEDED, enums.Reason.VETOED)
        is_over = attempt.link_expired or attempt.is_cancelled
        return is_over or attempt.reason in ended
    if attempt.channel == Channel.LINK and attempt.state == OrderState.INIT:
        return attempt.link_expired
    return attempt.is_final


def _sendable_email(order: PaymentOrder, attempt: PaymentOrder) -> str:
    """The email that may be sent now: "payment_link", "receipt", or ""."""
    if attempt.state in enums.WITH_RECEIPT:
        return "receipt"
    linked = order.channel == Channel.LINK
    return "payment_link" if linked and not is_finished(attempt) else ""


def _link_url(request: HttpRequest, order: PaymentOrder, language: str = "") -> str:
    host = request.META.get("HTTP_HOST", "")
    site = conf.site_address(host, secure=request.is_secure())
    return payment_links.build_url(order, site, language)
