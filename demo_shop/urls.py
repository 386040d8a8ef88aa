from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from demo_shop import views

urlpatterns = [
    path("", views.products, name="shop"),
    path("basket/", views.basket, name="basket"),
    path("basket/<int:product_id>/", views.change_basket, name="change_basket"),
    path("checkout/", views.checkout, name="checkout"),
    path("orders/<slug:number>/", views.order_page, name="order"),
    path("account/", views.account, name="account"),
    path(
        "login/",
        LoginView.as_view(template_name="demo_shop/login.html"),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("payments/", include("nexi_payments.urls")),
    path("admin/", admin.site.urls),
]
