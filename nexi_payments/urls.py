"""URLs of the pages, for any prefix:

``path("payments/", include("nexi_payments.urls"))``
"""

from django.urls import path

from nexi_payments import views
from nexi_payments.web.responses import no_store

app_name = "nexi_payments"

urlpatterns = [
    path("pay/<slug:public_id>/", no_store(views.pay), name="pay"),
    path(
        "return/<slug:public_id>/<str:token>/",
        no_store(views.return_from_issuer),
        name="return",
    ),
    path(
        "hosted/<slug:public_id>/<str:token>/",
        no_store(views.return_from_hosted_page),
        name="hosted",
    ),
    path("notify/<slug:public_id>/<str:token>/", no_store(views.notify), name="notify"),
    path("result/<slug:public_id>/", no_store(views.result), name="result"),
    path("status/<slug:public_id>/", no_store(views.status), name="status"),
    path("link/<str:token>/", no_store(views.follow_link), name="link"),
    path("csp-report/", no_store(views.csp_report), name="csp_report"),
    path("simulator/<path:path>", no_store(views.simulator), name="simulator"),
]
