from django.apps import apps
from django.contrib import admin
from django.urls import include, path

from tests.integrations.oscar_shop.checkout.views import PayView

urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("payments/", include("nexi_payments.urls")),
    path("pay/<str:number>/", PayView.as_view(), name="pay-order"),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
