"""The desk for phone orders: the order, then the card on a page of its own, then what
to tell the caller. A mixin of the order's ``ModelAdmin``.

Each order row takes one card once: a second submit, a reload, Back, and a repetition
after an error find it taken and show how it stands. The card page is not a page of the
admin's theme: nothing runs there but our own script.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, forms, mails, staff_wording, states
from nexi_payments.admin import access
from nexi_payments.admin.customer import Customer
from nexi_payments.exceptions import (
    CardBlocked,
    NexiPaymentsError,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
    ReferenceInUse,
    TerminalUnavailable,
)
from nexi_payments.flows import moto, orders
from nexi_payments.models import PaymentOrder, database
from nexi_payments.pages import guarded, page
from nexi_payments.staff_forms import (
    DeskCardForm,
    MotoOrderForm,
    focus_first,
    moto_terminals,
)


class Desk(Customer):
    if TYPE_CHECKING:
        admin_site: Any
        opts: Any

        def address(self, name: str, *args: Any) -> str: ...
        def log_change(self, *args: Any) -> Any: ...
        def log_addition(self, *args: Any) -> Any: ...

    # -- step one: the order -----------------------------------------------------------

    @database.non_atomic_requests
    def moto_view(self, request: HttpRequest) -> HttpResponse:
        """Amount, reference, customer. Nothing is charged here."""
        access.require(request, access.MOTO)
        response: HttpResponse = guarded(self._take_order)(request)
        return response

    def _take_order(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or not moto_terminals():
            form = MotoOrderForm(initial={"nonce": secrets.token_hex(16)})
            return self._order_page(request, form)
        form = MotoOrderForm(request.POST)
        order = self._open(request, form) if form.is_valid() else None
        forms.scrub(request)
        if order is None:
            return self._order_page(request, form)
        if "link" in request.POST and order.state == states.INIT:
            return self.offer(request, order)
        return HttpResponseRedirect(self._where(order))

    def _open(self, request: HttpRequest, form: MotoOrderForm) -> PaymentOrder | None:
        data = form.cleaned_data
        nonce = data["nonce"] or None
        started = timezone.now()
        try:
            order = moto.open_order(
                amount=data["amount"],
                currency=data["currency"],
                reference=data["reference"],
                terminal=data["terminal"],
                description=data["description"],
                customer={
                    "name": data["customer_name"],
                    "email": data["customer_email"],
                },
                nonce=nonce,
                actor=access.actor(request),
            )
        except ReferenceInUse as error:
            form.add_error("reference", _taken(error.order))
            return None
        except NexiPaymentsError as error:
            form.add_error(None, str(error))
            return None
        if order.created_at >= started:
            self.log_addition(request, order, str(_("Opened at the phone desk.")))
        return order

    def _order_page(self, request: HttpRequest, form: MotoOrderForm) -> HttpResponse:
        focus_first(form)
        context = self._context(
            request,
            title=_("Phone order"),
            form=form,
            terminals=form.terminals,
            live=any(one.environment == conf.PRODUCTION for one in form.terminals),
        )
        template = "nexi_payments/staff/order.html"
        status = 400 if form.is_bound and form.errors else 200
        return TemplateResponse(request, template, context, status=status)

    # -- step two: the card ------------------------------------------------------------

    @database.non_atomic_requests
    def moto_card_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """Charges once. A card posted to an order that has had one changes nothing."""
        access.require(request, access.MOTO)
        response: HttpResponse = guarded(self._take_card)(request, public_id)
        return response

    def _where(self, order: PaymentOrder) -> str:
        fresh = order.state == states.INIT and order.channel != states.CHANNEL_LINK
        return self.address("moto_card" if fresh else "moto_result", order.public_id)

    def _take_card(self, request: HttpRequest, public_id: str) -> HttpResponse:
        order = self.desk_order(public_id)
        if order.state != states.INIT or order.channel == states.CHANNEL_LINK:
            forms.scrub(request)
            return HttpResponseRedirect(self._where(order))
        if request.method != "POST":
            name = order.cardholder_name or order.customer_name
            blank = DeskCardForm(initial={"cardholder_name": name})
            return self._card_page(request, order, blank)
        form = forms.read_card(request, DeskCardForm)
        if form.card is None:
            return self._card_page(request, order, form, status=400)
        last4 = form.card.last4
        twins = moto.alike(order, last4)
        if twins.exists() and not form.cleaned_data["knowingly"]:
            form.add_error("knowingly", _("This card was charged the same just now."))
            return self._card_page(request, order, form, status=400)
        return self._charge(request, order, form)

    def _charge(
        self, request: HttpRequest, order: PaymentOrder, form: forms.CardForm
    ) -> HttpResponse:
        assert form.card is not None  # noqa: S101  for the type checker
        try:
            moto.pay_moto(
                order,
                form.card,
                cardholder=form.cleaned_data["cardholder_name"],
                actor=access.actor(request),
            )
        except (OrderBusy, OrderNotPayable):
            # another submit, tab or clerk was faster: show how it stands
            return HttpResponseRedirect(self.address("moto_result", order.public_id))
        except OutcomeNotRecorded:
            order.refresh_from_db()
        except CardBlocked:
            advice = staff_wording.NEVER_AGAIN
            form.add_error("card_number", f"{advice.title}. {advice.say}")
            return self._card_page(request, order, form, status=400)
        except TerminalUnavailable:
            form.add_error(
                None, _("Nexi refuses the key of this terminal. Nothing was charged.")
            )
            return self._card_page(request, order, form, status=503)
        said = f"{mails.amount_in_words(order)}, ••••{order.card_last4}: {order.state}"
        self.log_change(request, order, f"{_('Phone payment')} {said}")
        return HttpResponseRedirect(self.address("moto_result", order.public_id))

    def _card_page(
        self,
        request: HttpRequest,
        order: PaymentOrder,
        form: forms.CardForm,
        *,
        status: int = 200,
    ) -> HttpResponse:
        terminal = conf.current().terminal(order.terminal)
        # the number is typed again after any mistake, so the clerk begins there
        name = form["cardholder_name"]
        first = "card_number" if name.value() and not name.errors else name.name
        form.fields[first].widget.attrs["autofocus"] = True
        context = {
            "order": order,
            "amount": mails.amount_in_words(order),
            "form": form,
            "twins": [
                (twin, mails.amount_in_words(twin)) for twin in moto.alike(order)[:5]
            ],
            "live": terminal.environment == conf.PRODUCTION,
            "may_link": moto.link_terminal(terminal) is not None,
            "link_url": self.address("moto_link", order.public_id),
            "desk_url": self.address("moto"),
        }
        return page(request, "desk_card.html", context, status=status)

    # -- how it ended ------------------------------------------------------------------

    def moto_result_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """What to tell the caller; watches while the end is not known."""
        access.require(request, access.MOTO)
        order = self.desk_order(public_id)
        if order.state == states.INIT and order.channel != states.CHANNEL_LINK:
            return HttpResponseRedirect(self._where(order))
        linked = order.channel == states.CHANNEL_LINK
        shown = self.shown(order)
        context = self._context(
            request,
            title=_("Phone order"),
            order=order,
            shown=shown,
            amount=mails.amount_in_words(order),
            advice=staff_wording.advice(shown),
            waiting=not self.is_over(shown),
            again=shown.state == states.FAILED
            and not linked
            and shown.reason != states.Reason.SUPERSEDED,
            live=conf.current().terminal(shown.terminal).environment == conf.PRODUCTION,
            may_view=access.may(request, *access.READERS),
            may_ask=access.may(request, access.ASK)
            and shown.state in (states.PAYING, states.AWAITING_3DS),
            **self.customer_context(request, order, shown),
        )
        return TemplateResponse(request, "nexi_payments/staff/result.html", context)

    def moto_again_view(self, request: HttpRequest, public_id: str) -> HttpResponse:
        """Another card for an order that failed: a new attempt, never the old one."""
        access.require(request, access.MOTO)
        order = self.desk_order(public_id)
        if request.method == "POST" and order.state == states.FAILED:
            try:
                order = orders.another_attempt(order)
                moto.taken_over(order, access.actor(request))
            except ReferenceInUse as error:
                messages.error(request, _taken(error.order))
                order = error.order
        return HttpResponseRedirect(self._where(order))

    # -- shared ------------------------------------------------------------------------

    def desk_order(self, public_id: str) -> PaymentOrder:
        """An order that staff have made, or one that a desk may charge; else 404.
        A charge on file has its card already."""
        order = PaymentOrder.objects.filter(public_id=public_id).first()
        if order is not None and order.channel != states.CHANNEL_MIT:
            terminal = conf.current().terminals.get(order.terminal)
            if order.channel in states.DESK or (terminal and terminal.moto):
                return order
        raise Http404

    def _context(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "list_url": self.address("changelist"),
            "desk_url": self.address("moto"),
            **more,
        }


def _taken(order: PaymentOrder) -> str:
    return _("This reference is taken: %(amount)s, %(state)s.") % {
        "amount": mails.amount_in_words(order),
        "state": order.get_state_display(),
    }
