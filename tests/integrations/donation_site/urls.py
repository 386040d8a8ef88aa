from django.contrib import admin
from django.urls import include, path
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls

from tests.integrations.donation_site import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("cms/", include(wagtailadmin_urls)),
    path("payments/", include("nexi_payments.urls")),
    path("pledges/<str:number>/", views.pledge, name="pledge"),
    path("pledges/<str:number>/give-back/", views.give_back),
    path("pledges/<str:number>/cancel/", views.cancel),
    path("pledges/<str:number>/stop/", views.stop),
    path("", include(wagtail_urls)),  # any other address is a page of Wagtail
]
