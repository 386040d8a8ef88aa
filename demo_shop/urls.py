from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from demo_shop import one_page, simulator_panel, subscriptions, time_controls, views

urlpatterns = [
    path("", views.products, name="shop"),
    path("basket/", views.basket, name="basket"),
    path("basket/<int:product_id>/", views.change_basket, name="change_basket"),
    path("checkout/", views.checkout, name="checkout"),
    path("orders/<slug:number>/", views.order_page, name="order"),
    path("orders/<slug:number>/cancel/", views.cancel_order, name="cancel_order"),
    path("account/", views.account, name="account"),
    path("cards/", subscriptions.cards, name="my_cards"),
    path("cards/join/", subscriptions.join, name="join_club"),
    path("cards/<slug:contract_id>/end/", subscriptions.leave, name="leave_club"),
    path(
        "login/",
        LoginView.as_view(template_name="demo_shop/login.html"),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("payments/", include("nexi_payments.urls")),
    path("api/payments/", include("nexi_payments.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("one-page/", one_page.show, name="one_page"),
    path("one-page/order/", one_page.order, name="one_page_order"),
    path("panel/", simulator_panel.panel, name="panel"),
    path("panel/gateway/", simulator_panel.set_fault, name="set_fault"),
    path("panel/worlds/", simulator_panel.set_worlds, name="set_worlds"),
    path("panel/time/", time_controls.advance_time, name="advance_time"),
    path("panel/cards/", simulator_panel.choose_card_page, name="choose_card_page"),
    path("tour/", simulator_panel.tour, name="tour"),
    path("tour/leave/", simulator_panel.dismiss_tour, name="dismiss_tour"),
    path("admin/", admin.site.urls),
]
