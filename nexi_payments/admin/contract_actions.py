"""Charge, end and resume a saved card. Charging and ending ask for a confirmation."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, enums, flows, money, permissions
from nexi_payments.admin.amount_field import input_text
from nexi_payments.admin.base import (
    ActionPages,
    card_label,
    get_actor,
    require_right,
)
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.forms import ContractChargeForm
from nexi_payments.exceptions import (
    ContractEndUnconfirmed,
    NexiPaymentsError,
    OutcomeNotRecorded,
)
from nexi_payments.models import Contract, db_transactions


class ContractActions(ActionPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [
            path("<int:pk>/charge/", self.charge, "charge"),
            path("<int:pk>/end/", self.end, "end"),
            path("<int:pk>/resume/", self.resume, "resume"),
        ]

    @db_transactions.non_atomic_requests
    def charge(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Charge once. The reference makes a second submit find the first charge."""
        permissions.require_any(request, permissions.CHARGE_CONTRACT)
        contract = get_contract(request, pk, permissions.CHARGE_CONTRACT)
        if request.method != "POST":
            return self.redirect("change", pk)
        form = ContractChargeForm(request.POST, contract=contract)
        if not form.is_valid():
            context = {
                **contract_context(contract),
                **self.action_context("charge", pk),
                "hidden": {"reference": form.cleaned_data.get("reference", "")},
                "number": contract.contract_id,
            }
            return self.reject_form(request, form, pk, context)
        data = form.cleaned_data
        if "confirmed" not in request.POST:
            minor = money.to_minor(data["amount"], contract.currency)
            question = _("Charge %(amount)s to this card?") % {
                "amount": money.display(minor, contract.currency)
            }
            hidden = {
                "amount": input_text(data["amount"], contract.currency),
                "reference": data["reference"],
            }
            return self._confirm_page(
                request, contract, "charge", question, _("Charge"), hidden
            )
        try:
            order = flows.charge_contract(
                contract,
                data["amount"],
                contract.currency,
                reference=data["reference"],
                actor=get_actor(request),
            )
        except OutcomeNotRecorded:
            text = _("The outcome is not known yet. Do not charge it again; look here.")
            messages.warning(request, text)
        except NexiPaymentsError as error:
            messages.error(request, error_text(error))
        else:
            successful = order.state in enums.SUCCESSFUL
            add = messages.success if successful else messages.warning
            add(request, f"{order.reference}: {order.display_status.label}")
            self.log_change(request, contract, f"{_('Charge')}: {order.order_id}")
        return self.redirect("change", pk)

    @db_transactions.non_atomic_requests
    def end(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End the contract here at once, whatever Nexi answers."""
        permissions.require_any(request, permissions.END_CONTRACT)
        contract = get_contract(request, pk, permissions.END_CONTRACT)
        if request.method != "POST":
            return self.redirect("change", pk)
        if "confirmed" not in request.POST:
            question = _(
                "End this card on file? It cannot be charged any more. To keep it again"
                " the customer has to agree anew."
            )
            return self._confirm_page(
                request, contract, "end", question, _("End it"), {}
            )
        try:
            flows.end_contract(contract, actor=get_actor(request))
        except ContractEndUnconfirmed as error:
            # ended here: who did it is recorded, with what Nexi has not said yet
            messages.warning(request, error_text(error))
            self.log_change(request, contract, str(error_text(error)))
        else:
            messages.success(request, _("Ended. Nothing is charged to this card."))
            self.log_change(request, contract, str(_("End of a card on file")))
        return self.redirect("change", pk)

    @db_transactions.non_atomic_requests
    def resume(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Resume a suspended contract. The next run repeats the failed charge."""
        permissions.require_any(request, permissions.CHARGE_CONTRACT)
        contract = get_contract(request, pk, permissions.CHARGE_CONTRACT)
        if request.method == "POST":
            try:
                flows.resume_contract(contract, actor=get_actor(request))
            except NexiPaymentsError as error:
                messages.error(request, error_text(error))
            else:
                text = _("Off hold: it is charged with the next run.")
                messages.success(request, text)
                self.log_change(request, contract, str(_("Off hold")))
        return self.redirect("change", pk)

    def _confirm_page(
        self,
        request: HttpRequest,
        contract: Contract,
        action: str,
        question: Any,
        button: Any,
        hidden: dict[str, Any],
    ) -> HttpResponse:
        context = {
            **contract_context(contract),
            **self.action_context(action, contract.pk),
            "question": question,
            "button": button,
            "hidden": hidden,
        }
        return self.render(request, "contract_confirm.html", context)


def get_contract(
    request: HttpRequest, pk: int, permission: str = permissions.VIEW_CONTRACTS
) -> Contract:
    """The contract with its user. Errors as ``base.get_order``."""
    contract = get_object_or_404(Contract.objects.select_related("user"), pk=pk)
    require_right(request, contract.terminal, permission)
    return contract


def contract_context(contract: Contract) -> dict[str, Any]:
    """The context of each page about a contract."""
    return {
        "title": f"{_('Card on file')} {contract.contract_id}",
        "contract": contract,
        "card": card_label(contract) or "–",
        "live": conf.current().is_live(contract.terminal),
    }
