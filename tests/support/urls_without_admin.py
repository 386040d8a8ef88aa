"""The URLs of a host without Django's admin."""

from django.urls import include, path

urlpatterns = [path("payments/", include("nexi_payments.urls"))]
