"""URLs of the pages, for any prefix:

``path("payments/", include("nexi_payments.urls"))``
"""

from django.urls import path

from nexi_payments import views
from nexi_payments.web.languages import in_chosen_language
from nexi_payments.web.responses import no_store

app_name = "nexi_payments"

#: What other sites post to: reached without its final slash, too. APPEND_SLASH would
#: redirect, and a browser turns a redirected POST into a GET without a body.
_POSTED_TO = (
    ("return/<slug:public_id>/<str:token>", no_store(views.return_from_issuer)),
    ("hosted/<slug:public_id>/<str:token>", no_store(views.return_from_hosted_page)),
    ("notify/<slug:public_id>/<str:token>", no_store(views.notify)),
)

urlpatterns = [
    path("pay/<slug:public_id>/", no_store(in_chosen_language(views.pay)), name="pay"),
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
    path(
        "result/<slug:public_id>/",
        no_store(in_chosen_language(views.result)),
        name="result",
    ),
    path(
        "status/<slug:public_id>/",
        no_store(in_chosen_language(views.status)),
        name="status",
    ),
    path("link/<str:token>/", no_store(views.follow_link), name="link"),
    path("csp-report/", no_store(views.csp_report), name="csp_report"),
    path("simulator/<path:path>", no_store(views.simulator), name="simulator"),
    *(path(route, view) for route, view in _POSTED_TO),
]
