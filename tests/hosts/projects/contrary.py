"""Every setting that is not the default: users by UUID, language prefixes, a sub-path,
two databases, static files with a manifest, an admin site of its
own, thousands separators, a cache for the whole site, www, https, a URLconf for each
host name, sessions in signed cookies, a mail backend of its own."""

from __future__ import annotations

from typing import Any

from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.http import HttpRequest, HttpResponse

from tests.base_settings import MIDDLEWARE, SQLITE, before, without
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, NEXI_PAYMENTS, env

ALLOWED_HOSTS = [".shop.example"]
PREPEND_WWW = True
SECURE_SSL_REDIRECT = True
FORCE_SCRIPT_NAME = "/shop"
STATIC_URL = "/shop/static/"
STATIC_ROOT = env("SQLITE_TEST_FILE", default="life") + "-static"
ROOT_URLCONF = "tests.hosts.projects.contrary_urls"
AUTH_USER_MODEL = "people.ByUuid"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts.people"]
LANGUAGE_CODE = "it"
TIME_ZONE = "America/Havana"
USE_THOUSAND_SEPARATOR = True
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
CSRF_USE_SESSIONS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    },
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    f"{__name__}.ByHost",
    *before(
        without(MIDDLEWARE, "django.middleware.clickjacking.XFrameOptionsMiddleware"),
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.gzip.GZipMiddleware",
    ),
    "django.middleware.cache.FetchFromCacheMiddleware",
]


def _database(name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{name}.sqlite3",
        "ATOMIC_REQUESTS": True,
        "OPTIONS": dict(SQLITE),
        "TEST": {
            "NAME": env("SQLITE_TEST_FILE", default="life-") + name,
            "DEPENDENCIES": [],
        },
    }


DATABASES = {"default": _database("other"), "payments": _database("payments")}
DATABASE_ROUTERS = [f"{__name__}.Router"]
MOTO = {"ENVIRONMENT": "simulator", "MOTO": True}
NEXI_PAYMENTS = {
    **NEXI_PAYMENTS,
    "TERMINALS": {**NEXI_PAYMENTS["TERMINALS"], "moto": MOTO},
    "PUBLIC_URL": "https://www.shop.example",
    "URLCONF": "tests.hosts.projects.contrary_urls_www",
    "MAILS": ["receipt"],
    "MERCHANT_NAME": "Bottega",
}


class Router:
    """All of Django's own tables and ours in "payments"; "default" has nothing."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "payments"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "payments"


class ByHost:
    """Pages, API and offices on host names of their own."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.get_host().removeprefix("www.").partition(".")[0]
        kind = name if name in ("api", "office") else "www"
        request.urlconf = f"{ROOT_URLCONF}_{kind}"  # type: ignore[assignment]
        response: HttpResponse = self.get_response(request)
        return response


class Backend(BaseEmailBackend):
    """It does not inherit what Django's own have."""

    def send_messages(self, messages: Any) -> int:
        mail.outbox.extend(messages)
        return len(messages)
