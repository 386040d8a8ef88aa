"""What a donor sees of a pledge, and what the office may do with it."""

import contextlib
from decimal import Decimal

from django.contrib.admin.views.decorators import staff_member_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from nexi_payments import flows
from nexi_payments.exceptions import AlreadyCharged, ContractEndUnconfirmed
from nexi_payments.models import Contract, PaymentOrder
from tests.integrations.donation_site.models import Pledge


def pledge(request, number):
    """Found by a number that cannot be guessed."""
    one = get_object_or_404(Pledge, number=number)
    if request.method == "POST" and one.status in ("open", "failed"):
        return redirect(one.payment(request.user))
    return render(request, "donation_site/pledge.html", {"pledge": one})


@require_POST
@staff_member_required
def give_back(request, number):
    one = get_object_or_404(Pledge, number=number)
    paid = PaymentOrder.objects.get(reference=number, state="paid")
    flows.enqueue_refund(
        paid,
        Decimal(request.POST["amount"]),
        reason="the donor asked",
        key=f"{number}-{request.POST['parcel']}",
        actor=flows.Actor(request.user),
    )
    one.last_return = request.POST["parcel"]
    one.save(update_fields=["last_return"])
    if "broken" in request.POST:
        raise RuntimeError("the site's own rows could not be written")
    return HttpResponse(status=204)


@require_POST
@staff_member_required
def cancel(request, number):
    """Own row and payment in the transaction of this request."""
    one = get_object_or_404(Pledge.objects.select_for_update(), number=number)
    one.status = "cancelled"
    one.save(update_fields=["status"])
    payment = PaymentOrder.objects.for_object(one).order_by("-pk").first()
    try:
        flows.cancel(payment, "the donor called", actor=flows.Actor(request.user))
    except AlreadyCharged as error:
        flows.enqueue_refund(error.order, key=f"{number}-cancelled")
    return HttpResponse(status=204)


@transaction.non_atomic_requests  # the flow refuses to run in a transaction
@require_POST
@staff_member_required
def stop(request, number):
    """No further months."""
    one = get_object_or_404(Pledge, number=number)
    one.status = "stopped"
    one.save(update_fields=["status"])
    # ended here all the same; nexi_charge_due tells Nexi again
    with contextlib.suppress(ContractEndUnconfirmed):
        flows.end_contract(Contract.objects.get(reference=number))
    return HttpResponse(status=204)
