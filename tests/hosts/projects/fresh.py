"""Appended to the settings of a project that ``startproject`` made, after the lines of
the quickstart. All else is Django's default: language, zone, user model, admin, cache,
no ``LocaleMiddleware``."""

SETTINGS = """
INSTALLED_APPS += ["rest_framework"]
NEXI_PAYMENTS["TERMINALS"] |= {
    "two": {"FLOW": "2steps"}, "moto": {"MOTO": True},
}
NEXI_PAYMENTS["MAILS"] = ["receipt"]
DATABASES["default"]["TEST"] = {"NAME": "fresh.sqlite3"}
"""
URLS = """
urlpatterns += [path("api/payments/", include("nexi_payments.api.urls"))]
"""
