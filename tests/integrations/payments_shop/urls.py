from decimal import Decimal

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import include, path
from payments import PaymentError, RedirectNeeded

from tests.integrations.payments_shop.models import Payment


def buy(request: HttpRequest, variant: str) -> HttpResponse:
    payment = Payment.objects.create(
        variant=variant,
        description="Two books",
        total=Decimal("12.50"),
        currency="EUR",
        billing_first_name="Giulia",
        billing_last_name="Bianchi",
        billing_address_1="Via Verdi 3",
        billing_city="Roma",
        billing_country_code="IT",
        billing_country_area="RM",
        billing_email="giulia@shop.example",
    )
    return redirect(f"/pay/{payment.pk}/")


def pay(request: HttpRequest, pk: int) -> HttpResponse:
    payment = get_object_or_404(Payment, pk=pk)
    try:
        payment.get_form(request.POST or None)
    except RedirectNeeded as there:
        return redirect(str(there))
    return HttpResponse("no form of ours", status=500)


def page(request: HttpRequest, pk: int) -> HttpResponse:
    return HttpResponse(get_object_or_404(Payment, pk=pk).status)


@transaction.non_atomic_requests
def run_action(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """What a shop's back office does: ``payment.refund()`` and the like."""
    payment = Payment.objects.get(pk=pk)
    amount = request.GET.get("amount")
    arguments = [Decimal(amount)] if amount else []
    try:
        getattr(payment, deed)(*arguments)
    except (PaymentError, ValueError) as no:
        return HttpResponse(f"{type(no).__name__}: {no}")
    payment.refresh_from_db()
    return HttpResponse(f"{payment.status} {payment.captured_amount}")


urlpatterns = [
    path("buy/<str:variant>/", buy),
    path("pay/<int:pk>/", pay),
    path("thanks/<int:pk>/", page),
    path("sorry/<int:pk>/", page),
    path("ask/<int:pk>/<str:deed>/", run_action),
    path("admin/", admin.site.urls),
    path("payments/", include("payments.urls")),
    path("nexi/", include("nexi_payments.urls")),
]
