"""URLs of a project that does not mount the API."""

from django.urls import include, path

urlpatterns = [path("payments/", include("nexi_payments.urls"))]
