from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView
from yourshop.views import checkout, order_page

urlpatterns = [
    path("", TemplateView.as_view(template_name="yourshop/basket.html")),
    path("checkout/", checkout),
    path("orders/<str:number>/", order_page, name="order"),
    path("payments/", include("nexi_payments.urls")),
    path("admin/", admin.site.urls),
]
