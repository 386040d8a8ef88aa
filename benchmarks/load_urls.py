from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from benchmarks.payment import floor, ours
from benchmarks.payment.models import FloorRow


def other(request: HttpRequest) -> HttpResponse:
    """What other visitors of the shop see meanwhile: a page with one query."""
    return HttpResponse(str(FloorRow.objects.filter(pk=1).first()))


urlpatterns = [
    path("nexi/", include("nexi_payments.urls")),
    path("ours/", ours.moto),
    path("begin/", ours.begin_three),
    path("finish/", ours.finish),
    path("floor/", floor.moto),
    path("other/", other),
]
