"""``path("api/payments/", include("nexi_payments.api.urls"))``, under any prefix."""

from django.urls import path

from nexi_payments.api import checkout, contracts, desk, orders
from nexi_payments.api.base import door

app_name = "nexi_payments_api"

urlpatterns = [
    path("orders/", door(orders.Orders), name="orders"),
    path("orders/<str:id>/", door(orders.Order), name="order"),
    path("orders/<str:id>/operations/", door(orders.Operations), name="operations"),
    path("orders/<str:id>/capture/", door(orders.Capture), name="capture"),
    path("orders/<str:id>/void/", door(orders.Void), name="void"),
    path("orders/<str:id>/refund/", door(orders.Refund), name="refund"),
    path("orders/<str:id>/cancel/", door(orders.Cancel), name="cancel"),
    path("orders/<str:id>/reconcile/", door(orders.Reconcile), name="reconcile"),
    path("contracts/", door(contracts.Contracts), name="contracts"),
    path("contracts/<str:id>/", door(contracts.OneContract), name="contract"),
    path("contracts/<str:id>/charge/", door(contracts.Charge), name="charge"),
    path("contracts/<str:id>/end/", door(contracts.End), name="end"),
    path("moto/", door(desk.Moto), name="moto"),
    path("checks/", door(desk.Checks), name="checks"),
    path("checks/<str:id>/", door(desk.OneCheck), name="check"),
    path("checkout/<str:id>/", door(checkout.Checkout), name="checkout"),
    path("checkout/<str:id>/pay/", door(checkout.Pay), name="pay"),
    path("checkout/<str:id>/continue/", door(checkout.Continue), name="continue"),
]
