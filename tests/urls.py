from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("payments/", include("nexi_payments.urls")),
    path("api/payments/", include("nexi_payments.api.urls")),
]
