"""The coffee club, and "my cards": a card on file, through the front door."""

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
from nexi_payments.exceptions import ContractUnsettled
from nexi_payments.models import Contract, database

PRICE: Final = Decimal("14.90")
EVERY: Final = 30
_SHOWN: Final = ("active", "on_hold", "ending", "ended")


@require_safe
@login_required
def cards(request: HttpRequest) -> HttpResponse:
    found = Contract.objects.filter(user=request.user.pk, state__in=_SHOWN)
    context: dict[str, Any] = {"contracts": found, "price": PRICE, "every": EVERY}
    return render(request, "demo_shop/my_cards.html", context)


@require_POST
@login_required
def join(request: HttpRequest) -> HttpResponse:
    """The first box is paid now, the next ones by themselves."""
    payment = flows.create_order(
        amount=PRICE,
        currency="EUR",
        reference=new_number(),
        description=_("Coffee club: the first box"),
        user=request.user,
        customer=flows.describe_customer(request.user),
        success_url=reverse("my_cards"),
        failure_url=reverse("my_cards"),
        contract=flows.CardOnFile(_("Coffee club"), every=EVERY, amount=PRICE),
    )
    return redirect(payment)


@require_POST
@login_required
@database.non_atomic_requests
def leave(request: HttpRequest, contract_id: str) -> HttpResponse:
    contract = get_object_or_404(
        Contract, contract_id=contract_id, user=request.user.pk
    )
    try:
        flows.end_contract(contract)
    except ContractUnsettled:
        text = _("Your card is not charged any more. We are telling Nexi.")
        messages.info(request, text)
    else:
        messages.success(request, _("Your card is not kept any more."))
    return redirect("my_cards")
