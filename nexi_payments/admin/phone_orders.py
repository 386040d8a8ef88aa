"""Phone orders (MOTO): order form, card page, and a new attempt after a decline.

Each order row is charged once: a second submit, a reload, Back and a retry after an
error find it claimed and show its status. The card page does not use the theme of the
admin: only the package's own script runs there.
"""

from __future__ import annotations

import secrets
from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _

from nexi_payments import card_extraction, conf, money, permissions
from nexi_payments.admin import reference_lookup, staff_texts
from nexi_payments.admin.base import StaffPages, get_actor, get_phone_order
from nexi_payments.admin.customer_messages import CustomerMessages
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.forms import (
    PhoneOrderCardForm,
    PhoneOrderForm,
    focus_card_form,
    focus_first,
)
from nexi_payments.enums import Channel, OrderState
from nexi_payments.exceptions import (
    CardBlocked,
    NexiPaymentsError,
    OrderBusy,
    OrderNotPayable,
    OutcomeNotRecorded,
    PossibleDuplicate,
    ReferenceInUse,
    ShopOrderError,
    TerminalNotConfigured,
    TerminalUnavailable,
)
from nexi_payments.flows import moto
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.web import card_form
from nexi_payments.web.responses import render_page
from nexi_payments.web.sensitive import sensitive_view

_NO_CARDS: Final = _(
    "No card may be entered here. It was not kept and nothing was charged: send a"
    " secure link."
)


class PhoneOrders(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("moto/", self.order, "moto"),
            path("moto/<str:order_id>/card/", self.card, "moto_card"),
            path("moto/<str:order_id>/retry/", self.retry, "moto_retry"),
        ]

    # -- step 1: the order -------------------------------------------------------------

    @db_transactions.non_atomic_requests
    @method_decorator(sensitive_view(card_extraction.FORM))
    def order(self, request: HttpRequest) -> HttpResponse:
        """Order form: amount, reference, customer. Charges nothing."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        return self._handle_order_form(request)

    def _handle_order_form(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            form = PhoneOrderForm(initial={"nonce": secrets.token_hex(16)})
            return self._order_page(request, form)
        form = card_form.bind_form(request, PhoneOrderForm)
        if reference_lookup.is_wanted(form):
            return self._look_up(request, form)
        order = self._create_order(request, form) if form.is_valid() else None
        if order is None:
            return self._order_page(request, form)
        by_link = _wants_link(request) or is_for_link(order)
        if by_link and order.state == OrderState.INIT:
            return CustomerMessages(self.admin).offer_link(request, order)
        return self._redirect_to_next(order)

    def _look_up(self, request: HttpRequest, form: PhoneOrderForm) -> HttpResponse:
        """The form, filled in with what the shop knows. Creates nothing."""
        if "reference" in form.errors or form.has_card_number():
            return self._order_page(request, form)
        found = reference_lookup.fill_in(form, get_actor(request))
        return self._order_page(request, found.form, lookup=found)

    def _create_order(
        self, request: HttpRequest, form: PhoneOrderForm
    ) -> PaymentOrder | None:
        data = form.cleaned_data
        nonce = data["nonce"] or None
        accepted = str(form.data.get("accepted_difference", ""))
        terminal = conf.current().terminal(data["terminal"])
        try:
            order, created = moto.get_or_create_moto_order(
                amount=data["amount"],
                currency=data["currency"],
                reference=data["reference"],
                terminal=terminal.name,
                description=data["description"],
                customer={
                    "name": data["customer_name"],
                    "email": data["customer_email"],
                },
                nonce=nonce,
                accepted_difference=accepted,
                by_link=not terminal.takes_phone_cards,
                actor=get_actor(request),
            )
        except ShopOrderError as error:
            reference_lookup.add_difference(form, error)
            return None
        except ReferenceInUse as error:
            form.add_error("reference", _reference_in_use_text(error.order))
            return None
        except NexiPaymentsError as error:
            form.add_error(None, str(error))
            return None
        if created:
            note = str(_("Opened at the phone desk."))
            if accepted:
                note += f" {_('Confirmed, although it is not as in the shop.')}"
            self.admin.log_addition(request, order, note)
        return order

    def _order_page(
        self,
        request: HttpRequest,
        form: PhoneOrderForm,
        *,
        lookup: reference_lookup.Found | None = None,
    ) -> HttpResponse:
        focus_first(form)
        context = {
            "title": _("Phone order"),
            "form": form,
            "by_link": _wants_link(request),
            "takes_cards": any(one.takes_phone_cards for one in form.terminals),
            "live": any(one.is_live for one in form.terminals),
            "desk_url": self.admin.admin_url("moto"),
            "may_look_up": bool(conf.current().reference_lookup),
            "lookup": lookup,
        }
        failed = form.is_bound and form.errors
        status = 400 if failed or (lookup and not lookup.is_known) else 200
        return self.render(request, "phone_order.html", context, status=status)

    # -- step 2: the card --------------------------------------------------------------

    @db_transactions.non_atomic_requests
    @method_decorator(sensitive_view(card_extraction.FORM))
    def card(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """Card form. Charges once: a card posted to a claimed order changes nothing."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        return self._handle_card_form(request, order_id)

    def _handle_card_form(self, request: HttpRequest, order_id: str) -> HttpResponse:
        order = get_phone_order(order_id)
        if not awaits_card(order):
            card_extraction.discard_submission(request)
            if request.method == "POST" and is_for_link(order):
                messages.error(request, _NO_CARDS)
            return self._redirect_to_next(order)
        if order.terminal not in conf.current().terminals:
            card_extraction.discard_submission(request)
            error = TerminalNotConfigured(order.terminal)
            messages.error(request, error_text(error))
            return self.redirect("moto")
        if request.method != "POST":
            name = order.cardholder_name or order.customer_name
            blank = PhoneOrderCardForm(initial={"cardholder_name": name})
            return self._card_page(request, order, blank)
        form = card_form.bind_card_form(request, PhoneOrderCardForm)
        if form.card is None:
            return self._card_page(request, order, form, status=400)
        return self._charge(request, order, form)

    def _charge(
        self, request: HttpRequest, order: PaymentOrder, form: card_form.CardForm
    ) -> HttpResponse:
        assert form.card is not None  # noqa: S101  for the type checker
        try:
            moto.pay_moto(
                order,
                form.card,
                cardholder=form.cleaned_data["cardholder_name"],
                allow_duplicate=form.cleaned_data["allow_duplicate"],
                actor=get_actor(request),
            )
        except (OrderBusy, OrderNotPayable):
            # another submit, tab or clerk was faster: show its status
            return self.redirect("moto_result", order.order_id)
        except OutcomeNotRecorded:
            order.refresh_from_db()
        except PossibleDuplicate:
            form.add_error(
                "allow_duplicate", _("This card was charged the same just now.")
            )
            return self._card_page(request, order, form, status=400)
        except CardBlocked:
            advice = staff_texts.NEVER_AGAIN
            form.add_error("card_number", f"{advice.title}. {advice.say}")
            return self._card_page(request, order, form, status=400)
        except TerminalUnavailable:
            form.add_error(
                None, _("Nexi refuses the key of this terminal. Nothing was charged.")
            )
            return self._card_page(request, order, form, status=503)
        amount = money.display(order.amount, order.currency)
        note = f"{amount}, ••••{order.card_last4}: {order.state}"
        self.log_change(request, order, f"{_('Phone payment')} {note}")
        return self.redirect("moto_result", order.order_id)

    def _card_page(
        self,
        request: HttpRequest,
        order: PaymentOrder,
        form: card_form.CardForm,
        *,
        status: int = 200,
    ) -> HttpResponse:
        terminal = conf.current().terminal(order.terminal)
        focus_card_form(form)
        context = {
            "order": order,
            "amount": money.display(order.amount, order.currency),
            "form": form,
            "duplicates": [
                (duplicate, money.display(duplicate.amount, duplicate.currency))
                for duplicate in moto.possible_duplicates(order)[:5]
            ],
            "live": terminal.is_live,
            "may_link": conf.current().link_terminal(terminal) is not None,
            "link_url": self.admin.admin_url("moto_link", order.order_id),
            "desk_url": self.admin.admin_url("moto"),
        }
        return render_page(request, "phone_order_card.html", context, status=status)

    # -- another attempt ---------------------------------------------------------------

    def retry(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """Create a new attempt for a failed order. The old one is never charged
        again."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(order_id)
        if request.method == "POST" and order.state == OrderState.FAILED:
            try:
                order = moto.create_moto_attempt(order, actor=get_actor(request))
            except ReferenceInUse as error:
                messages.error(request, _reference_in_use_text(error.order))
                order = error.order
            except OrderNotPayable as error:  # cancelled: its page says so
                order = error.order
        return self._redirect_to_next(order)

    def _redirect_to_next(self, order: PaymentOrder) -> HttpResponse:
        page = "moto_card" if awaits_card(order) else "moto_result"
        return self.redirect(page, order.order_id)


def awaits_card(order: PaymentOrder) -> bool:
    """Whether the clerk has to enter a card, which no link has replaced."""
    return _is_new(order) and not is_for_link(order)


def is_for_link(order: PaymentOrder) -> bool:
    """Whether the clerk can only send a secure link: no card may be entered."""
    terminal = conf.current().terminals.get(order.terminal)
    takes_none = terminal is not None and not terminal.takes_phone_cards
    return takes_none and _is_new(order)


def _is_new(order: PaymentOrder) -> bool:
    return order.state == OrderState.INIT and order.channel != Channel.LINK


def _wants_link(request: HttpRequest) -> bool:
    """Whether the clerk asked for a link: by button, or by URL after an amount
    choice."""
    return "link" in request.POST or "link" in request.GET


def _reference_in_use_text(order: PaymentOrder) -> str:
    return _("This reference is taken: %(amount)s, %(state)s.") % {
        "amount": money.display(order.amount, order.currency),
        "state": order.display_status.label,
    }
