"""Saved cards: list and detail page."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from nexi_payments import money, permissions, terminal_rights
from nexi_payments.admin import access_log
from nexi_payments.admin.amount_field import input_text
from nexi_payments.admin.base import DetailView, ReadOnlyAdmin, card_label
from nexi_payments.admin.contract_actions import (
    ContractActions,
    contract_context,
    get_contract,
)
from nexi_payments.admin.error_texts import CONTRACT_END_UNCONFIRMED
from nexi_payments.enums import AccessKind, ContractState
from nexi_payments.models import Contract

_ENDABLE: Final = (
    ContractState.REQUESTED,
    ContractState.ACTIVE,
    ContractState.SUSPENDED,
    ContractState.ENDING,
)


class ContractDetail(DetailView):
    def view(
        self, request: HttpRequest, pk: int, extra_context: dict[str, Any]
    ) -> HttpResponse:
        if not self.admin.has_view_permission(request):
            raise PermissionDenied
        contract = get_contract(request, pk)
        access_log.record(request, AccessKind.VIEWED, about=contract.contract_id)
        payments = contract.payments.order_by("-pk")
        payments = terminal_rights.limit(payments, request.user)
        may_charge = terminal_rights.may_use(
            request, permissions.CHARGE_CONTRACT, contract.terminal
        )
        context = {
            **contract_context(contract),
            "facts": _detail_rows(contract),
            "payments": [
                (one, money.display(one.amount, one.currency)) for one in payments[:50]
            ]
            if permissions.has_any(request, *permissions.CAN_VIEW_PAYMENTS)
            else [],
            "end_unconfirmed": CONTRACT_END_UNCONFIRMED,
            "may_charge": may_charge and contract.is_usable,
            "amount_text": _amount_input_text(contract),
            "may_resume": may_charge and contract.state == ContractState.SUSPENDED,
            "may_end": contract.state in _ENDABLE
            and permissions.has_any(request, permissions.END_CONTRACT),
            **extra_context,
        }
        return self.render(request, "contract.html", context)


@admin.register(Contract)
class ContractAdmin(ReadOnlyAdmin):
    """Contracts are never edited and never deleted."""

    viewers = permissions.CAN_VIEW_CONTRACTS
    detail_class = ContractDetail
    page_classes = (ContractActions,)
    change_list_template = "nexi_payments/staff/change_list_verify.html"
    list_display = (
        "contract_id",
        "card",
        "owner",
        "state",
        "kind",
        "next_charge_at",
        "until",
    )
    list_filter = ("state", "kind")
    ordering = ("-created_at", "-id")
    list_select_related = ("user",)

    @admin.display(description=_("card"))
    def card(self, contract: Contract) -> str:
        return card_label(contract) or "–"

    @admin.display(description=_("customer"))
    def owner(self, contract: Contract) -> str:
        return str(contract.user or contract.customer_id or "–")


def _amount_input_text(contract: Contract) -> str:
    total = contract.total
    return "" if total is None else input_text(total, contract.currency)


def _failed_runs(contract: Contract) -> str:
    """The log has the details of the exception."""
    return f"{contract.error_count} ({contract.error})" if contract.error_count else ""


def _detail_rows(contract: Contract) -> list[tuple[Any, Any]]:
    expiry = contract.card_expiry
    amount = contract.amount
    charge_amount = "" if amount is None else money.display(amount, contract.currency)
    rows = [
        (_("Customer"), contract.user),
        (_("Customer at Nexi"), contract.customer_id),
        (_("Description"), contract.description),
        (_("Card"), card_label(contract)),
        (_("Expiry date"), f"{expiry[:2]}/{expiry[2:]}" if expiry else ""),
        (_("Terminal"), contract.terminal),
        (_("Kind"), contract.get_kind_display()),
        (_("Days between charges"), contract.frequency),
        (_("Amount of each charge"), charge_amount),
        (_("Next charge"), contract.next_charge_at),
        (_("Runs that failed in a row"), _failed_runs(contract)),
        (_("Last day"), contract.until),
        (_("Agreed"), contract.consented_at),
        (_("Consent text"), contract.consent_text),
        (_("From"), contract.consent_address),
        (_("Created"), contract.created_at),
        (_("Ended"), contract.ended_at),
    ]
    return [(label, value) for label, value in rows if value]
