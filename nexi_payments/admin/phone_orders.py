"""Phone orders (MOTO): order form, card page, and a new attempt after a decline.

Each order row is charged once: a second submit, a reload, Back and a retry after an
error find it claimed and show its status. The card page does not use the theme of the
admin: only the package's own script runs there.
"""

from __future__ import annotations

import functools
import secrets
from contextlib import suppress
from typing import Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _

from nexi_payments import card_extraction, conf, money, permissions
from nexi_payments.admin import access_log, phone_order_cards, reference_lookup
from nexi_payments.admin.base import (
    StaffPages,
    get_actor,
    get_phone_order,
    usable_terminals,
)
from nexi_payments.admin.customer_messages import CustomerMessages, may_offer_link
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.forms import (
    PhoneOrderCardForm,
    PhoneOrderForm,
    focus_card_form,
    focus_first,
)
from nexi_payments.admin.phone_order_steps import (
    awaits_card,
    is_for_link,
    needs_approval,
    reference_in_use_text,
    wants_link,
)
from nexi_payments.enums import AccessKind, OrderState
from nexi_payments.exceptions import (
    ApprovalRequired,
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
    TooManyAttempts,
)
from nexi_payments.flows import ceilings, moto
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.web import card_form
from nexi_payments.web.responses import render_page, with_retry_after
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
        if not usable_terminals(request.user, conf.current().desk_terminals):
            raise PermissionDenied
        new_form = functools.partial(PhoneOrderForm, user=request.user)
        if request.method != "POST":
            form = new_form(initial={"nonce": secrets.token_hex(16)})
            return self._order_page(request, form)
        form = card_form.bind_form(request, new_form)
        if reference_lookup.is_wanted(form):
            return self._look_up(request, form)
        order = self._create_order(request, form) if form.is_valid() else None
        if order is None:
            return self._order_page(request, form)
        by_link = wants_link(request) or is_for_link(order)
        if by_link and order.state == OrderState.INIT:
            return CustomerMessages(self.admin).offer_link(request, order)
        if needs_approval(request, order):
            with suppress(ApprovalRequired):  # stored: its page says so
                ceilings.require_approval_of_phone_order(order, get_actor(request))
        return self._redirect_to_next(request, order)

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
            form.add_error("reference", reference_in_use_text(request, error.order))
            return None
        except NexiPaymentsError as error:
            form.add_error(None, str(error))
            return None
        if created:
            note = str(_("Opened at the phone desk."))
            if accepted:
                note += f" {_('Confirmed, although it is not as in the shop.')}"
            self.admin.log_addition(request, order, note)
            access_log.record(request, AccessKind.OPENED, about=order.order_id)
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
            "by_link": wants_link(request),
            "takes_cards": any(one.takes_phone_cards for one in form.terminals),
            "live": any(one.is_live for one in form.terminals),
            "desk_url": self.admin.admin_url("moto"),
            "own_url": self.admin.admin_url("moto_own"),
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
        order = get_phone_order(request, order_id)
        if not awaits_card(request, order):
            card_extraction.discard_submission(request)
            if request.method == "POST" and is_for_link(order):
                messages.error(request, _NO_CARDS)
            return self._redirect_to_next(request, order)
        if order.terminal not in conf.current().terminals:
            card_extraction.discard_submission(request)
            error = TerminalNotConfigured(order.terminal)
            messages.error(request, error_text(error))
            return self.redirect("moto")
        if request.method != "POST":
            access_log.record(request, AccessKind.VIEWED)
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
        except (ApprovalRequired, OrderBusy, OrderNotPayable):
            # another submit, tab or clerk was faster: show its status
            return self.redirect("moto_result", order.order_id)
        except OutcomeNotRecorded:
            order.refresh_from_db()
        except PossibleDuplicate:
            form.add_error("allow_duplicate", phone_order_cards.DUPLICATE)
            return self._card_page(request, order, form, status=400)
        except CardBlocked:
            form.add_error("card_number", phone_order_cards.REFUSED)
            return self._card_page(request, order, form, status=400)
        except TooManyAttempts as error:
            form.add_error(None, error_text(error))
            page = self._card_page(request, order, form, status=429)
            return with_retry_after(page, error.seconds)
        except TerminalUnavailable:
            text = _("Nexi refuses the key of this terminal. Nothing was charged.")
            form.add_error(None, text)
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
            "duplicates": phone_order_cards.duplicate_lines(order, request.user),
            "ask_url": self.admin.admin_url("moto_ask", order.order_id),
            "live": terminal.is_live,
            "may_link": conf.current().link_terminal(terminal) is not None
            and may_offer_link(request, order),
            "link_url": self.admin.admin_url("moto_link", order.order_id),
            "desk_url": self.admin.admin_url("moto"),
        }
        return render_page(request, "phone_order_card.html", context, status=status)

    # -- another attempt ---------------------------------------------------------------

    def retry(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """Create a new attempt for a failed order. The old one is never charged
        again."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id)
        if request.method == "POST" and order.state == OrderState.FAILED:
            try:
                order = moto.create_moto_attempt(order, actor=get_actor(request))
            except ReferenceInUse as error:
                messages.error(request, reference_in_use_text(request, error.order))
                order = error.order
            except OrderNotPayable as error:  # cancelled: its page says so
                order = error.order
        return self._redirect_to_next(request, order)

    def _redirect_to_next(
        self, request: HttpRequest, order: PaymentOrder
    ) -> HttpResponse:
        page = "moto_card" if awaits_card(request, order) else "moto_result"
        return self.redirect(page, order.order_id)
