from importlib.util import find_spec

from django.urls import include, path

from benchmarks.payment import baseline, subject

urlpatterns = [
    path("nexi/", include("nexi_payments.urls")),
    path("baseline/moto/", baseline.moto),
    path("baseline/2steps/", baseline.begin_two_steps),
    path("baseline/2steps/back/", baseline.finish_two_steps),
    path("baseline/3steps/", baseline.begin_three_steps),
    path("baseline/3steps/back/", baseline.finish_three_steps),
    path("baseline/moto/queries/", baseline.moto_with_queries),
    path("baseline/3steps/back/queries/", baseline.finish_three_steps_with_queries),
    path("ours/moto/", subject.moto),
    path("ours/2steps/", subject.begin_two_steps),
    path("ours/3steps/", subject.begin_three_steps),
    path("ours/back/", subject.finish),
]
if find_spec("payments") and find_spec("djstripe"):
    from benchmarks.payment import other_packages

    urlpatterns += other_packages.urlpatterns
