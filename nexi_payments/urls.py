"""``path("payments/", include("nexi_payments.urls"))``, under any prefix."""

from django.urls import path

from nexi_payments import views

app_name = "nexi_payments"

urlpatterns = [
    path("pay/<slug:public_id>/", views.pay, name="pay"),
    path(
        "return/<slug:public_id>/<str:token>/",
        views.return_from_issuer,
        name="return",
    ),
    path("result/<slug:public_id>/", views.result, name="result"),
    path("status/<slug:public_id>/", views.status, name="status"),
    path("link/<str:token>/", views.follow_link, name="link"),
    path("simulator/<path:path>", views.simulator, name="simulator"),
]
