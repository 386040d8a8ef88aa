"""Appended to the settings of a project that ``startproject`` made, after the lines of
the quickstart. All else is Django's default: language, zone, user model, admin, cache,
no ``LocaleMiddleware``."""

SETTINGS = """
import django

INSTALLED_APPS += ["rest_framework"]
NEXI_PAYMENTS["TERMINALS"] |= {
    "two": {"FLOW": "2steps"}, "moto": {"MOTO": True},
}
NEXI_PAYMENTS["MAILS"] = ["receipt"]
NEXI_PAYMENTS["API_PASSWORD_AUTHENTICATION"] = [
    "rest_framework.authentication.SessionAuthentication",
]
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
DATABASES["default"]["TEST"] = {"NAME": "fresh.sqlite3"}
"""
URLS = """
urlpatterns += [path("api/payments/", include("nexi_payments.api.urls"))]
"""
