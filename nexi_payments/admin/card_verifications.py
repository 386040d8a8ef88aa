"""Zero-amount card verification: card page, outcome page and list. Read-only.

The card page does not use the theme of the admin, like the card page of phone orders
(decision 11). A form sends one request: a second submit, a reload and Back find its
verification by the form's nonce.
"""

from __future__ import annotations

import functools
import secrets
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _

from nexi_payments import (
    card_extraction,
    conf,
    date_texts,
    permissions,
    terminal_rights,
)
from nexi_payments.admin import (
    access_log,
    card_verification_texts,
    changelist,
    response_code_texts,
)
from nexi_payments.admin.base import (
    DetailView,
    ReadOnlyAdmin,
    StaffPages,
    card_label,
    get_actor,
    usable_terminals,
    verify_card_url,
)
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.forms import CardVerificationForm, focus_card_form
from nexi_payments.card import Card
from nexi_payments.enums import AccessKind, VerificationOutcome
from nexi_payments.exceptions import (
    OutcomeNotRecorded,
    TerminalUnavailable,
    TooManyVerifications,
)
from nexi_payments.flows import card_verification
from nexi_payments.models import CardVerification, db_transactions
from nexi_payments.web import card_form
from nexi_payments.web.responses import render_page, with_retry_after
from nexi_payments.web.sensitive import sensitive_view

_OUTCOME_LABELS: Final[dict[str, Any]] = dict(VerificationOutcome.choices)


_NO_CARDS: Final = _("Cards are entered on Nexi's page only. Nobody was asked.")


class CardVerificationPages(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("verify/", self.verify, "verify"),
            path("verify/<slug:order_id>/", self.result, "result"),
        ]

    # -- the card ----------------------------------------------------------------------

    @db_transactions.non_atomic_requests
    @method_decorator(sensitive_view(card_extraction.FORM))
    def verify(self, request: HttpRequest) -> HttpResponse:
        """Card form. Each rendered form sends at most one verification."""
        permissions.require_any(request, permissions.VERIFY_CARD)
        return self._handle_card_form(request)

    def _handle_card_form(self, request: HttpRequest) -> HttpResponse:
        terminals = conf.current().verification_terminals
        if terminals and not usable_terminals(request.user, terminals):
            raise PermissionDenied
        if not terminals:
            card_extraction.discard_submission(request)
            messages.error(request, _NO_CARDS)
            return self.redirect("changelist")
        new_form = functools.partial(CardVerificationForm, user=request.user)
        if request.method != "POST":
            access_log.record(request, AccessKind.VIEWED)
            return self._card_page(request, new_form(initial=_new_nonce()))
        form = card_form.bind_card_form(request, new_form)
        if form.card is None:
            return self._card_page(request, form, status=400)
        try:
            verification, created = self._verify(request, form.card, form.cleaned_data)
        except TooManyVerifications as error:
            form.add_error(None, error_text(error))
            page = self._card_page(request, form, status=429)
            return with_retry_after(page, error.seconds)
        except TerminalUnavailable:
            text = _("Nexi refuses the key of this terminal. Nobody was asked.")
            form.add_error(None, text)
            return self._card_page(request, form, status=503)
        if created:
            note = str(_("A card was verified."))
            self.admin.log_addition(request, verification, note)
        elif _is_same_card(verification, form.card):
            messages.info(request, _("This was asked already. Nobody was asked again."))
        else:
            form.data = {**request.POST.dict(), **_new_nonce()}
            text = _("This page was used for another card. Enter this one again.")
            form.add_error(None, text)
            return self._card_page(request, form, status=409)
        return self.redirect("result", verification.order_id)

    def _verify(
        self, request: HttpRequest, card: Card, data: dict[str, Any]
    ) -> tuple[CardVerification, bool]:
        try:
            return card_verification.get_or_verify_card(
                card,
                cardholder=data["cardholder_name"],
                currency=data["currency"],
                terminal=data["terminal"],
                nonce=data["nonce"] or None,
                actor=get_actor(request),
            )
        except OutcomeNotRecorded as error:
            return CardVerification.objects.get(order_id=error.order_id), True

    def _card_page(
        self, request: HttpRequest, form: card_form.CardForm, *, status: int = 200
    ) -> HttpResponse:
        focus_card_form(form)
        terminals: list[conf.Terminal] = form.terminals  # type: ignore[attr-defined]
        context = {
            "form": form,
            "live": any(one.is_live for one in terminals),
            "verifications_url": self.admin.admin_url("changelist"),
        }
        return render_page(request, "verify_card.html", context, status=status)

    # -- the outcome -------------------------------------------------------------------

    def result(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """The outcome, and what to do now."""
        permissions.require_any(request, *permissions.CAN_VIEW_VERIFICATIONS)
        rows = CardVerification.objects.select_related("actor")
        rows = terminal_rights.limit(rows, request.user)
        verification = get_object_or_404(rows, order_id=order_id)
        access_log.record(request, AccessKind.VIEWED)
        context = {
            "title": _("Card check"),
            "card": card_label(verification),
            "expiry": f"{verification.card_expiry[:2]}/{verification.card_expiry[2:]}",
            "response": response_text(verification),
            "advice": card_verification_texts.advice(verification),
            "waiting": card_verification.current_outcome(verification)
            == VerificationOutcome.OPEN,
            "facts": _detail_rows(verification),
            "live": conf.current().is_live(verification.terminal),
            "verify_url": verify_card_url(request, self.admin.admin_site.name),
        }
        return self.render(request, "card_verification.html", context)


class CardVerificationDetail(DetailView):
    def view(
        self, request: HttpRequest, pk: int, extra_context: dict[str, Any]
    ) -> HttpResponse:
        """Redirect to the outcome page, whose URL has the order id."""
        if not self.admin.has_view_permission(request):
            raise PermissionDenied
        verification = get_object_or_404(self.admin.get_queryset(request), pk=pk)
        return self.redirect("result", verification.order_id)


@admin.register(CardVerification)
class CardVerificationAdmin(ReadOnlyAdmin):
    viewers = permissions.CAN_VIEW_VERIFICATIONS
    detail_class = CardVerificationDetail
    page_classes = (CardVerificationPages,)
    change_list_template = "nexi_payments/staff/change_list_verify.html"
    list_display = ("when", "card", "status", "response", "terminal", "clerk")
    list_filter = ("outcome", changelist.TerminalFilter)
    ordering = ("-created_at", "-id")
    show_facets = admin.ShowFacets.NEVER
    paginator = changelist.CappedPaginator
    list_select_related = ("actor",)

    @admin.display(description=_("asked"))
    def when(self, verification: CardVerification) -> str:
        return date_texts.moment(verification.created_at)

    @admin.display(description=_("card"))
    def card(self, verification: CardVerification) -> str:
        return card_label(verification)

    @admin.display(description=_("outcome"))
    def status(self, verification: CardVerification) -> str:
        return str(_OUTCOME_LABELS[card_verification.current_outcome(verification)])

    @admin.display(description=_("answer of the bank"))
    def response(self, verification: CardVerification) -> str:
        return response_text(verification) or "–"

    @admin.display(description=_("clerk"))
    def clerk(self, verification: CardVerification) -> str:
        return verification.actor_name or str(verification.actor or "–")


def response_text(verification: CardVerification) -> str:
    """Response code with its meaning, ``"116 not enough money"``; "" without a code."""
    code = verification.response_code
    return f"{code} {response_code_texts.response_code_text(code)}".strip()


def _new_nonce() -> dict[str, str]:
    return {"nonce": secrets.token_hex(16)}


def _is_same_card(verification: CardVerification, card: Card) -> bool:
    stored = (
        verification.card_brand,
        verification.card_last4,
        verification.card_expiry,
    )
    return stored == (card.brand, card.last4, card.expiry)


def _detail_rows(verification: CardVerification) -> list[tuple[Any, Any]]:
    rows = [
        (_("Asked"), verification.created_at),
        (_("Clerk"), verification.actor_name or verification.actor),
        (_("Terminal"), verification.terminal),
        (_("Order id at Nexi"), verification.order_id),
        (_("Correlation id"), verification.correlation_id),
        (_("Error"), verification.error),
    ]
    return [(label, value) for label, value in rows if value]
