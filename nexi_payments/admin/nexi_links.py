"""Nexi's payment links at the desk: create, show, mail, renew and cancel one.

Nexi's URL is fetched when staff want to see or mail it, and stored nowhere.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, permissions
from nexi_payments.admin.base import StaffPages, get_actor, get_phone_order, show_errors
from nexi_payments.admin.customer_messages import latest_attempt
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.payment_forms import EmailForm
from nexi_payments.exceptions import (
    GatewayUnavailable,
    InvalidState,
    NexiPaymentsError,
    OrderNotPayable,
    OutcomeNotRecorded,
    PaymentBeingConfirmed,
)
from nexi_payments.flows import customer_emails
from nexi_payments.flows.hosted import nexi_links
from nexi_payments.models import PaymentOrder, db_transactions

#: The usual link ends three days from now.
_USUAL: Final = timedelta(days=2)


CANCEL_UNCONFIRMED: Final = _(
    "Nexi has not confirmed yet that this link is cancelled: until then it may still be"
    " paid. We ask again automatically."
)


class LastDayForm(forms.Form):
    """The last day on which a link of Nexi's may be paid."""

    last_day = forms.DateField(label=_("Last day"), input_formats=["%Y-%m-%d"])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first, self.last = nexi_links.last_days()
        limits = {"min": self.first.isoformat(), "max": self.last.isoformat()}
        self.fields["last_day"].widget = forms.DateInput(
            format="%Y-%m-%d", attrs={"type": "date", **limits}
        )
        self.fields["last_day"].initial = self.first + _USUAL

    def clean_last_day(self) -> Any:
        day = self.cleaned_data["last_day"]
        if not self.first <= day <= self.last:
            text = _("Choose a day from tomorrow on, at most 90 days ahead.")
            raise forms.ValidationError(text)
        return day


class NexiLinks(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        route = "moto/<str:order_id>/nexi-link/"
        return [self.admin.admin_path(route, self.act, "nexi_link")]

    @db_transactions.non_atomic_requests
    def act(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """One action on the link, by the button that was pressed."""
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id)
        result = self.redirect("moto_result", order.order_id)
        action = {
            "create": self._create,
            "show": self._show,
            "mail": self._mail,
            "renew": self._renew,
            "cancel": self._cancel,
        }.get(request.POST.get("do", ""))
        if request.method != "POST" or action is None:
            return result
        try:
            return action(request, latest_attempt(order)) or result
        except (InvalidState, OrderNotPayable) as error:
            if isinstance(error, PaymentBeingConfirmed):
                messages.error(request, error_text(error))
            else:
                text = _("This link is not open any more: see below what became of it.")
                messages.error(request, text)
        except OutcomeNotRecorded:
            text = _("The result was not stored. Wait a moment, then look again.")
            messages.warning(request, text)
        except NexiPaymentsError as error:
            messages.error(request, error_text(error))
        return result

    def _create(self, request: HttpRequest, order: PaymentOrder) -> None:
        form = LastDayForm(request.POST)
        if not form.is_valid():
            return show_errors(request, form)
        step = nexi_links.create_nexi_link(
            order,
            form.cleaned_data["last_day"],
            language=get_language(),
            site=_site(request),
            actor=get_actor(request),
        )
        if not step.redirect_to:
            messages.error(request, _("Nexi has made no link. Nothing was charged."))
            return None
        messages.success(request, _("Nexi has made the link. Mail it, or show it."))
        return self.log_change(request, order, str(_("Nexi's payment link made.")))

    def _show(self, request: HttpRequest, order: PaymentOrder) -> HttpResponse:
        context = {
            "title": _("Nexi's payment link"),
            "order": order,
            "link": nexi_links.fetch_nexi_link(order, site=_site(request)),
            "until": order.pay_until,
            "live": conf.current().is_live(order.terminal),
            "desk_url": self.admin.admin_url("moto"),
        }
        response = self.render(request, "nexi_link.html", context)
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def _mail(self, request: HttpRequest, order: PaymentOrder) -> None:
        form = EmailForm(request.POST, order=order)
        if not form.is_valid():
            messages.error(request, _("This is not an e-mail address: nothing sent."))
            return None
        to, language = form.cleaned_data["email"], form.cleaned_data["language"]
        url = nexi_links.fetch_nexi_link(order, site=_site(request))
        actor = get_actor(request)
        if not customer_emails.send_payment_link(order, to, language, url, actor=actor):
            messages.error(request, _("The mail could not be sent. Try again later."))
            return None
        messages.success(request, _("The mail is on its way."))
        return self.log_change(request, order, f"{_('Mail sent')}: Nexi")

    def _renew(self, request: HttpRequest, order: PaymentOrder) -> None:
        form = LastDayForm(request.POST)
        if not form.is_valid():
            return show_errors(request, form)
        day = form.cleaned_data["last_day"]
        try:
            nexi_links.renew_nexi_link(order, day, site=_site(request))
        except GatewayUnavailable:  # it was sent, and may be sent again
            text = _("Nexi has not confirmed the new last day. Change it once more.")
            messages.warning(request, text)
            return None
        messages.success(request, _("The link has a new last day."))
        return self.log_change(request, order, f"{_('Last day')}: {day.isoformat()}")

    def _cancel(self, request: HttpRequest, order: PaymentOrder) -> None:
        try:
            nexi_links.cancel_nexi_link(order, site=_site(request))
        except GatewayUnavailable:  # it was sent, and is sent again
            messages.warning(request, CANCEL_UNCONFIRMED)
            return
        messages.success(
            request, _("Nexi has cancelled the link. Nothing was charged.")
        )
        self.log_change(request, order, str(_("Nexi's payment link cancelled.")))


def link_context(attempt: PaymentOrder) -> dict[str, Any]:
    """What the result page offers about Nexi's link."""
    found = nexi_links.find_open(attempt)
    creates = found is None and nexi_links.may_create(attempt)
    cancelled = nexi_links.find_cancelled(attempt)
    return {
        "nexi_link_in_doubt": CANCEL_UNCONFIRMED
        if cancelled is not None and not cancelled.is_closed
        else "",
        "nexi_link": found,
        "may_create_nexi_link": creates,
        "last_day_form": LastDayForm() if creates or found else None,
        "nexi_email_form": EmailForm(order=attempt, auto_id="id_nexi_%s")
        if found
        else None,
    }


def _site(request: HttpRequest) -> str:
    host = request.META.get("HTTP_HOST", "")
    return conf.site_address(host, secure=request.is_secure())
