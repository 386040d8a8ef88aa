"""Cards on file: the list, the page of one, charging, ending, taking off hold. Nothing
is edited here, and each deed asks "really?" first."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, flows, money, states
from nexi_payments.admin import access
from nexi_payments.admin.refusals import NOT_ENDED_YET, why_not
from nexi_payments.exceptions import NexiPaymentsError, OutcomeNotRecorded
from nexi_payments.models import Contract, database
from nexi_payments.staff_forms import ContractChargeForm

_ENDABLE: Final = (states.REQUESTED, states.ACTIVE, states.ON_HOLD, states.ENDING)


@admin.register(Contract)
class ContractAdmin(access.ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Looked at here, never edited and never deleted."""

    change_list_template = "nexi_payments/staff/check_list.html"
    list_display = ("contract_id", "card", "owner", "state", "kind", "due_at", "until")
    list_filter = ("state", "kind")
    ordering = ("-created_at", "-id")
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    actions = None
    list_select_related = ("user",)

    class Media:
        css = {"all": ("nexi_payments/staff.css",)}

    def has_view_permission(self, request: HttpRequest, *args: Any) -> bool:
        return access.may(request, *access.CONTRACT_READERS)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.at("<int:pk>/charge/", self.charge_view, "charge"),
            self.at("<int:pk>/end/", self.end_view, "end"),
            self.at("<int:pk>/resume/", self.resume_view, "resume"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        way = access.way_to_verify(request, self.admin_site.name)
        return super().changelist_view(request, {"verify_url": way})

    @admin.display(description=_("card"))
    def card(self, contract: Contract) -> str:
        return card_of(contract) or "–"

    @admin.display(description=_("customer"))
    def owner(self, contract: Contract) -> str:
        return str(contract.user or contract.customer_id or "–")

    # -- the page of one ---------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Read only: a POST is denied."""
        reader = self.has_view_permission(request)
        if request.method not in ("GET", "HEAD") or not reader:
            raise PermissionDenied
        request.current_app = self.admin_site.name
        found = unquote(object_id)
        contract = self._one(int(found) if found.isdecimal() else 0)
        payments = contract.payments.order_by("-pk")
        charges = access.may(request, access.CHARGE_CONTRACT)
        context = {
            **self._frame(request, contract),
            "facts": _facts(contract),
            "payments": payments[:50] if access.may(request, *access.READERS) else [],
            "not_ended_yet": NOT_ENDED_YET,
            "may_charge": charges and contract.is_usable,
            "may_resume": charges and contract.state == states.ON_HOLD,
            "may_end": contract.state in _ENDABLE
            and access.may(request, access.END_CONTRACT),
        }
        return TemplateResponse(request, "nexi_payments/staff/contract.html", context)

    # -- deeds -------------------------------------------------------------------------

    @database.non_atomic_requests
    def charge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One charge; by its reference the second click finds the first."""
        access.require(request, access.CHARGE_CONTRACT)
        contract = self._one(pk)
        if request.method != "POST":
            return self._page_of(contract)
        form = ContractChargeForm(request.POST, contract=contract)
        if not form.is_valid():
            for errors in form.errors.values():
                messages.error(request, " ".join(map(str, errors)))
            return self._page_of(contract)
        data = form.cleaned_data
        if "confirmed" not in request.POST:
            amount = _amount(data["amount"], contract)
            question = _("Charge %(amount)s to this card?") % {"amount": amount}
            hidden = {
                "amount": formats.localize_input(data["amount"]),
                "reference": data["reference"],
            }
            return self._ask(request, contract, "charge", question, _("Charge"), hidden)
        try:
            order = flows.charge_contract(
                contract,
                data["amount"],
                contract.currency,
                reference=data["reference"],
                actor=access.actor(request),
            )
        except OutcomeNotRecorded:
            text = _("The outcome is not known yet. Do not charge it again; look here.")
            messages.warning(request, text)
        except NexiPaymentsError as error:
            messages.error(request, why_not(error))
        else:
            good = order.state in states.SUCCESSFUL
            tell = messages.success if good else messages.warning
            tell(request, f"{order.reference}: {order.get_state_display()}")
            self.log_change(request, contract, f"{_('Charge')}: {order.order_id}")
        return self._page_of(contract)

    @database.non_atomic_requests
    def end_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """No charge from now on, whatever Nexi answers."""
        access.require(request, access.END_CONTRACT)
        contract = self._one(pk)
        if request.method != "POST":
            return self._page_of(contract)
        if "confirmed" not in request.POST:
            question = _(
                "End this card on file? It cannot be charged any more. To keep it again"
                " the customer has to agree anew."
            )
            return self._ask(request, contract, "end", question, _("End it"), {})
        try:
            flows.end_contract(contract, actor=access.actor(request))
        except NexiPaymentsError as error:
            messages.warning(request, why_not(error))
        else:
            messages.success(request, _("Ended. Nothing is charged to this card."))
        self.log_change(request, contract, str(_("End of a card on file")))
        return self._page_of(contract)

    @database.non_atomic_requests
    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Off hold; the charge that has failed is made by the next run."""
        access.require(request, access.CHARGE_CONTRACT)
        contract = self._one(pk)
        if request.method == "POST":
            try:
                flows.resume_contract(contract, actor=access.actor(request))
            except NexiPaymentsError as error:
                messages.error(request, why_not(error))
            else:
                text = _("Off hold: it is charged with the next run.")
                messages.success(request, text)
                self.log_change(request, contract, str(_("Off hold")))
        return self._page_of(contract)

    # -- shared ------------------------------------------------------------------------

    def _frame(self, request: HttpRequest, contract: Contract) -> dict[str, Any]:
        line = conf.current().terminals.get(contract.terminal)
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{_('Card on file')} {contract.contract_id}",
            "contract": contract,
            "card": self.card(contract),
            "live": line is not None and line.environment == conf.PRODUCTION,
        }

    def _ask(
        self,
        request: HttpRequest,
        contract: Contract,
        deed: str,
        question: Any,
        button: Any,
        hidden: dict[str, Any],
    ) -> HttpResponse:
        context = {
            **self._frame(request, contract),
            "question": question,
            "button": button,
            "hidden": hidden,
            "action": self.address(deed, contract.pk),
            "back": self.address("change", contract.pk),
        }
        template = "nexi_payments/staff/contract_confirm.html"
        return TemplateResponse(request, template, context)

    def _one(self, pk: int) -> Contract:
        contract = Contract.objects.filter(pk=pk).select_related("user").first()
        if contract is None:
            raise Http404
        return contract

    def _page_of(self, contract: Contract) -> HttpResponse:
        return HttpResponseRedirect(self.address("change", contract.pk))


def card_of(contract: Contract) -> str:
    last4 = contract.card_last4
    return f"{contract.card_brand} •••• {last4}".strip() if last4 else ""


def _amount(amount: Any, contract: Contract) -> str:
    digits = money.exponent(contract.currency)
    number = formats.number_format(amount, digits, force_grouping=True)
    return f"{number} {contract.currency}"


def _facts(contract: Contract) -> list[tuple[Any, Any]]:
    expiry = contract.card_expiry
    each = "" if contract.amount is None else _amount(contract.total, contract)
    facts = [
        (_("Customer"), contract.user),
        (_("Customer at Nexi"), contract.customer_id),
        (_("Description"), contract.description),
        (_("Card"), card_of(contract)),
        (_("Card valid until"), f"{expiry[:2]}/{expiry[2:]}" if expiry else ""),
        (_("Terminal"), contract.terminal),
        (_("Kind"), contract.get_kind_display()),
        (_("Days between charges"), contract.frequency),
        (_("Amount of each charge"), each),
        (_("Next charge"), contract.due_at),
        (_("Last day"), contract.until),
        (_("Agreed"), contract.agreed_at),
        (_("To these words"), contract.agreed_text),
        (_("From"), contract.agreed_address),
        (_("Created"), contract.created_at),
        (_("Ended"), contract.ended_at),
    ]
    return [(word, value) for word, value in facts if value]
