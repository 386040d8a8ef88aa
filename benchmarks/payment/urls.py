from importlib.util import find_spec

from django.urls import include, path

from benchmarks.payment import floor, ours

urlpatterns = [
    path("nexi/", include("nexi_payments.urls")),
    path("floor/moto/", floor.moto),
    path("floor/2steps/", floor.begin_two),
    path("floor/2steps/back/", floor.finish_two),
    path("floor/3steps/", floor.begin_three),
    path("floor/3steps/back/", floor.finish_three),
    path("floor/moto/trips/", floor.moto_with_trips),
    path("floor/3steps/back/trips/", floor.finish_three_with_trips),
    path("ours/moto/", ours.moto),
    path("ours/2steps/", ours.begin_two),
    path("ours/3steps/", ours.begin_three),
    path("ours/back/", ours.finish),
]
if find_spec("payments") and find_spec("djstripe"):
    from benchmarks.payment import peers

    urlpatterns += peers.urlpatterns
