"""What goes to the customer of a phone order: a secure link, a receipt, on paper or by
mail; and the answer to "how does it stand" for the page that watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, mails, paylinks, staff_wording, states
from nexi_payments.admin import access
from nexi_payments.exceptions import InvalidAmount, MotoNotAllowed, WrongState
from nexi_payments.flows import moto, moves
from nexi_payments.models import PaymentOrder
from nexi_payments.staff_forms import MailForm


class Customer:
    if TYPE_CHECKING:

        def address(self, name: str, *args: Any) -> str: ...
        def log_change(self, *args: Any) -> Any: ...
        def desk_order(self, public_id: str) -> PaymentOrder: ...

    # -- the secure link ---------------------------------------------------------------

    def moto_link_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """The same order, to be paid by the customer on the 3-D Secure page."""
        access.require(request, access.MOTO)
        order = self.desk_order(public_id)
        if request.method != "POST":
            return self._back(order)
        return self.offer(request, order)

    def offer(self, request: HttpRequest, order: PaymentOrder) -> HttpResponse:
        was = order.channel
        try:
            moto.offer_link(order, actor=access.actor(request))
        except WrongState:
            messages.error(
                request, _("It is too late for a link: a card was entered already.")
            )
        except (InvalidAmount, MotoNotAllowed):
            messages.error(
                request, _("No terminal takes this amount by link. Nothing changed.")
            )
            return HttpResponseRedirect(self.address("moto_card", order.public_id))
        if order.channel != was:
            self.log_change(request, order, str(_("Offered as a secure link.")))
        return self._back(order)

    def _back(self, order: PaymentOrder) -> HttpResponse:
        return HttpResponseRedirect(self.address("moto_result", order.public_id))

    def link_of(self, request: HttpRequest, order: PaymentOrder) -> str:
        host = request.META.get("HTTP_HOST", "")
        site = conf.site_address(host, secure=request.is_secure())
        return paylinks.make(order, site)

    def customer_context(
        self, request: HttpRequest, order: PaymentOrder, shown: PaymentOrder
    ) -> dict[str, Any]:
        """For the result page: the link while it may be used, the mail's form."""
        linked = order.channel == states.CHANNEL_LINK
        open_link = linked and not self.is_over(shown)
        template = self._mail(order, shown)
        return {
            "link": self.link_of(request, order) if open_link else "",
            "until": order.pay_until,
            "mail": template,
            "mail_form": MailForm(order=order) if template else None,
        }

    # -- mail --------------------------------------------------------------------------

    def _mail(self, order: PaymentOrder, shown: PaymentOrder) -> str:
        """Which mail may be sent now: "link", "receipt", or ""."""
        if shown.state in (states.PAID, states.AUTHORIZED):
            return "receipt"
        linked = order.channel == states.CHANNEL_LINK
        return "link" if linked and not self.is_over(shown) else ""

    def moto_mail_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """Sends the link, or the receipt, whichever it is time for."""
        access.require(request, access.MOTO)
        order = self.desk_order(public_id)
        shown = self.shown(order)
        template = self._mail(order, shown)
        form = MailForm(request.POST, order=order)
        if request.method != "POST" or not template:
            return self._back(order)
        if not form.is_valid():
            messages.error(request, _("This is not an e-mail address: nothing sent."))
            return self._back(order)
        sent = mails.send(
            shown,
            template,
            form.cleaned_data["email"],
            form.cleaned_data["language"],
            link=self.link_of(request, order) if template == "link" else "",
        )
        if not sent:
            messages.error(request, _("The mail could not be sent. Try again later."))
            return self._back(order)
        messages.success(request, _("The mail is on its way."))
        to = form.cleaned_data["email"]
        moves.write_event(
            shown,
            f"mail_{template}",
            source=shown.state,
            actor=access.actor(request),
            note=to,
        )
        self.log_change(request, shown, f"{_('Mail sent')}: {template}")
        return self._back(order)

    # -- on paper ----------------------------------------------------------------------

    def moto_receipt_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        access.require(request, access.MOTO, *access.READERS)
        order = self.shown(self.desk_order(public_id))
        if order.state not in (states.PAID, states.AUTHORIZED):
            return self._back(order)
        context = {"order": order, "amount": mails.amount_in_words(order)}
        return TemplateResponse(request, "nexi_payments/staff/receipt.html", context)

    # -- how does it stand -------------------------------------------------------------

    def shown(self, order: PaymentOrder) -> PaymentOrder:
        """The attempt to talk about: a customer with a link makes new ones."""
        linked = order.channel == states.CHANNEL_LINK
        return moto.newest_attempt(order) if linked else order

    def is_over(self, shown: PaymentOrder) -> bool:
        """Nothing more will happen by itself. A customer with a link may try again."""
        if shown.channel == states.CHANNEL_LINK and shown.state == states.FAILED:
            return shown.link_is_over or shown.reason == states.Reason.SUPERSEDED
        if shown.channel == states.CHANNEL_LINK and shown.state == states.INIT:
            return shown.link_is_over
        return shown.is_final

    def moto_status_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """``{state, final, message, next}``, as the shopper's status."""
        access.require(request, access.MOTO)
        order = self.desk_order(public_id)
        shown = self.shown(order)
        final = self.is_over(shown)
        result = self.address("moto_result", order.public_id)
        return JsonResponse(
            {
                "state": f"{shown.pk} {shown.state}",
                "final": final,
                "message": str(staff_wording.advice(shown).title),
                "next": result if final else None,
            },
            headers={"Cache-Control": "no-store"},
        )
