"""A card is verified for nothing: the card on a page of its own, then what the bank
says, and the list of what was asked. Nothing is edited here and nothing deleted.

The card page is not a page of the admin's theme, as at the desk (decision 11). A form
asks once: a second submit, a reload and Back find its check by the form's nonce.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import formats, timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, flows, forms, staff_wording, states
from nexi_payments.admin import access, check_wording, listing
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    OutcomeNotRecorded,
    TerminalUnavailable,
    TooManyChecks,
)
from nexi_payments.flows import verifying
from nexi_payments.models import CardCheck, database
from nexi_payments.models.contract import CHECK_LABELS
from nexi_payments.pages import guarded, page
from nexi_payments.staff_forms import CheckForm

_WORDS: Final = dict(CHECK_LABELS)


@admin.register(CardCheck)
class CardCheckAdmin(access.ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    change_list_template = "nexi_payments/staff/check_list.html"
    list_display = ("when", "card", "stands", "answer", "terminal", "who")
    list_filter = ("outcome", listing.TerminalFilter)
    ordering = ("-created_at", "-id")
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = listing.CappedPaginator
    actions = None
    list_select_related = ("actor",)

    class Media:
        css = {"all": ("nexi_payments/staff.css",)}

    def has_view_permission(self, request: HttpRequest, *args: Any) -> bool:
        return access.may(request, *access.CHECK_READERS)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.at("verify/", self.verify_view, "verify"),
            self.at("verify/<slug:order_id>/", self.result_view, "result"),
            *super().get_urls(),
        ]

    # -- the list ----------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        way = access.way_to_verify(request, self.admin_site.name)
        return super().changelist_view(request, {"verify_url": way})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Its page is the one that was shown at once. A POST is denied."""
        reader = self.has_view_permission(request)
        if request.method not in ("GET", "HEAD") or not reader:
            raise PermissionDenied
        found = unquote(object_id)
        pk = int(found) if found.isdecimal() and len(found) < 19 else 0
        return self._page_of(_one(pk=pk))

    @admin.display(description=_("asked"))
    def when(self, check: CardCheck) -> str:
        moment = timezone.localtime(check.created_at)
        return formats.date_format(moment, "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("card"))
    def card(self, check: CardCheck) -> str:
        return card_of(check)

    @admin.display(description=_("outcome"))
    def stands(self, check: CardCheck) -> str:
        return str(_WORDS[verifying.standing(check)])

    @admin.display(description=_("answer of the bank"))
    def answer(self, check: CardCheck) -> str:
        return answer_of(check) or "–"

    @admin.display(description=_("clerk"))
    def who(self, check: CardCheck) -> str:
        return str(check.actor or "–")

    # -- the card ----------------------------------------------------------------------

    @database.non_atomic_requests
    def verify_view(self, request: HttpRequest) -> HttpResponse:
        """Asks the bank once for each form that was shown."""
        access.require(request, access.VERIFY)
        response: HttpResponse = guarded(self._take_card)(request)
        return response

    def _take_card(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return self._card_page(request, CheckForm(initial=_unused()))
        form = forms.read_card(request, CheckForm)
        if form.card is None:
            return self._card_page(request, form, status=400)
        started = timezone.now()
        try:
            check = self._verify(request, form.card, form.cleaned_data)
        except TooManyChecks as error:
            form.add_error(None, _too_many(error))
            return self._card_page(request, form, status=429)
        except TerminalUnavailable:
            text = _("Nexi refuses the key of this terminal. Nobody was asked.")
            form.add_error(None, text)
            return self._card_page(request, form, status=503)
        if check.created_at >= started:
            self.log_addition(request, check, str(_("A card was verified.")))
        elif _is_of(check, form.card):
            messages.info(request, _("This was asked already. Nobody was asked again."))
        else:
            form.data = {**request.POST.dict(), **_unused()}
            text = _("This page was used for another card. Enter this one again.")
            form.add_error(None, text)
            return self._card_page(request, form, status=409)
        return self._page_of(check)

    def _verify(
        self, request: HttpRequest, card: Card, data: dict[str, Any]
    ) -> CardCheck:
        try:
            return flows.verify_card(
                card,
                cardholder=data["cardholder_name"],
                currency=data["currency"],
                terminal=data["terminal"],
                nonce=data["nonce"] or None,
                actor=access.actor(request),
            )
        except OutcomeNotRecorded as error:
            return CardCheck.objects.get(order_id=error.order_id)

    def _card_page(
        self, request: HttpRequest, form: forms.CardForm, *, status: int = 200
    ) -> HttpResponse:
        # the number is typed again after any mistake, so the clerk begins there
        name = form["cardholder_name"]
        first = "card_number" if name.value() and not name.errors else name.name
        form.fields[first].widget.attrs["autofocus"] = True
        terminals: list[conf.Terminal] = form.terminals  # type: ignore[attr-defined]
        context = {
            "form": form,
            "live": any(one.environment == conf.PRODUCTION for one in terminals),
            "checks_url": self.address("changelist"),
        }
        return page(request, "desk_verify.html", context, status=status)

    # -- what the bank says ------------------------------------------------------------

    def result_view(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """What happened, and what to do now."""
        access.require(request, *access.CHECK_READERS)
        check = _one(order_id=order_id)
        line = conf.current().terminals.get(check.terminal)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Card check"),
            "card": card_of(check),
            "expiry": f"{check.card_expiry[:2]}/{check.card_expiry[2:]}",
            "answer": answer_of(check),
            "advice": check_wording.advice(check),
            "waiting": verifying.standing(check) == states.OPEN,
            "facts": _facts(check),
            "live": line is not None and line.environment == conf.PRODUCTION,
            "verify_url": access.way_to_verify(request, self.admin_site.name),
        }
        return TemplateResponse(request, "nexi_payments/staff/check.html", context)

    # -- shared ------------------------------------------------------------------------

    def _page_of(self, check: CardCheck) -> HttpResponse:
        return HttpResponseRedirect(self.address("result", check.order_id))


def card_of(check: CardCheck) -> str:
    return f"{check.card_brand} •••• {check.card_last4}".strip()


def answer_of(check: CardCheck) -> str:
    """``"116 not enough money"``; "" where the bank gave no code."""
    code = check.response_code
    return f"{code} {staff_wording.code_in_words(code)}".strip()


def _one(**which: Any) -> CardCheck:
    check = CardCheck.objects.filter(**which).select_related("actor").first()
    if check is None:
        raise Http404
    return check


def _unused() -> dict[str, str]:
    return {"nonce": secrets.token_hex(16)}


def _is_of(check: CardCheck, card: Card) -> bool:
    kept = (check.card_brand, check.card_last4, check.card_expiry)
    return kept == (card.brand, card.last4, card.expiry)


def _too_many(error: TooManyChecks) -> str:
    minutes = -(-error.seconds // 60)
    return _(
        "Too many cards from here were not good. Nobody was asked; try again in"
        " %(minutes)d min."
    ) % {"minutes": minutes}


def _facts(check: CardCheck) -> list[tuple[Any, Any]]:
    facts = [
        (_("Asked"), check.created_at),
        (_("Clerk"), check.actor),
        (_("Terminal"), check.terminal),
        (_("Order id at Nexi"), check.order_id),
        (_("Correlation id"), check.correlation_id),
        (_("Error"), check.error),
    ]
    return [(word, value) for word, value in facts if value]
