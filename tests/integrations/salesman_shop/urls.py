from decimal import Decimal

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import include, path
from django.views.decorators.http import require_POST
from salesman.orders.models import Order

from nexi_payments import flows
from nexi_payments.models import PaymentOrder


@require_POST
@staff_member_required
def give_back(request, ref):
    """Part of an order came back. Salesman itself refunds all or nothing."""
    order = get_object_or_404(Order, ref=ref)
    paid = PaymentOrder.objects.for_object(order).get(state="paid")
    flows.enqueue_refund(
        paid,
        Decimal(request.POST["amount"]),
        reason="part of it came back",
        key=f"{ref}-{request.POST['parcel']}",
        actor=flows.Actor(request.user),
    )
    order.extra["returned"] = request.POST["parcel"]
    order.save(update_fields=["extra"])
    if "broken" in request.POST:
        raise RuntimeError("the shop's own rows could not be written")
    return HttpResponse(status=204)


urlpatterns = [
    path("api/", include("salesman.urls")),
    path("returns/<str:ref>/", give_back),
    path("payments/", include("nexi_payments.urls")),
    path("admin/", admin.site.urls),
]
