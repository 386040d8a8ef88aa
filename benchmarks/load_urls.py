from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from benchmarks.payment import baseline, subject
from benchmarks.payment.models import BaselineRow


def other_page(request: HttpRequest) -> HttpResponse:
    """What other visitors of the shop see meanwhile: a page with one query."""
    return HttpResponse(str(BaselineRow.objects.filter(pk=1).first()))


urlpatterns = [
    path("nexi/", include("nexi_payments.urls")),
    path("ours/", subject.moto),
    path("begin/", subject.begin_three_steps),
    path("finish/", subject.finish),
    path("baseline/", baseline.moto),
    path("other/", other_page),
]
