from django.conf import settings
from django.urls import include, path

from tests.urls import urlpatterns as ours

urlpatterns = [*ours]
if settings.THEME == "grappelli":
    urlpatterns.insert(0, path("grappelli/", include("grappelli.urls")))
