"""The URLs of a host with the REST API and without Django's admin."""

from django.urls import include, path

urlpatterns = [
    path("payments/", include("nexi_payments.urls")),
    path("api/payments/", include("nexi_payments.api.urls")),
]
