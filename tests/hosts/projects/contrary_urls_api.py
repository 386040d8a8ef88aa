"""www.api.shop.example"""

from django.urls import include, path

urlpatterns = [path("v1/", include("nexi_payments.api.urls"))]
