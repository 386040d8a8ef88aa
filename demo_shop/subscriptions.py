"""Coffee club (a recurring payment) and "my cards" (saved cards), by the public API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from demo_shop.models import new_number
from nexi_payments import flows
from nexi_payments.enums import ContractKind
from nexi_payments.exceptions import ContractEndUnconfirmed
from nexi_payments.models import Contract, db_transactions

PRICE: Final = Decimal("14.90")
INTERVAL_DAYS: Final = 30
_LISTED_STATES: Final = ("active", "suspended", "ending", "ended")


@require_safe
@login_required
def cards(request: HttpRequest) -> HttpResponse:
    found = Contract.objects.filter(user=request.user.pk, state__in=_LISTED_STATES)
    context: dict[str, Any] = {
        "contracts": found,
        "is_member": any(_is_membership(one) for one in found),
        "price": PRICE,
        "every": INTERVAL_DAYS,
    }
    return render(request, "demo_shop/my_cards.html", context)


@require_POST
@login_required
def join(request: HttpRequest) -> HttpResponse:
    """Pay the first box now; later ones are charged automatically. Once a person."""
    if any(
        _is_membership(one) for one in Contract.objects.filter(user=request.user.pk)
    ):
        messages.info(request, _("You are a member already."))
        return redirect("my_cards")
    payment = flows.create_order(
        amount=PRICE,
        currency="EUR",
        reference=new_number(),
        description=_("Coffee club: the first box"),
        user=request.user,
        customer=flows.describe_customer(request.user),
        success_url=reverse("my_cards"),
        failure_url=reverse("my_cards"),
        contract=flows.ContractTerms(
            _("Coffee club"), interval_days=INTERVAL_DAYS, amount=PRICE
        ),
    )
    return redirect(payment)


@require_POST
@login_required
@db_transactions.non_atomic_requests
def leave(request: HttpRequest, contract_id: str) -> HttpResponse:
    contract = get_object_or_404(
        Contract, contract_id=contract_id, user=request.user.pk
    )
    try:
        flows.end_contract(contract)
    except ContractEndUnconfirmed:
        text = _("Your card is not charged any more. We are telling Nexi.")
        messages.info(request, text)
    else:
        messages.success(request, _left_text(contract))
    return redirect("my_cards")


def _is_membership(contract: Contract) -> bool:
    return contract.kind == ContractKind.SCHEDULED and contract.is_usable


def _left_text(contract: Contract) -> str:
    if contract.kind == ContractKind.SCHEDULED:
        return _("You have left the club. Your card is not charged any more.")
    return _("Your card is not kept any more.")
