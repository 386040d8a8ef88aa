"""A server of JSON only: no sessions, no admin, no messages, no static files. Servers
authenticate by a token of the project."""

from __future__ import annotations

from typing import Any

import django
import environ

from tests.base_settings import SQLITE

env = environ.Env()
SECRET_KEY = "tests-only"
DEBUG = False
ALLOWED_HOSTS = ["api.shop.example"]
USE_TZ = True
ROOT_URLCONF = "tests.hosts.projects.headless_urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "nexi_payments",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "headless.sqlite3",
        "OPTIONS": dict(SQLITE),
        "TEST": {"NAME": env("SQLITE_TEST_FILE", default="headless.sqlite3")},
    }
}
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [f"{ROOT_URLCONF}.ByToken"]}
NEXI_PAYMENTS: dict[str, Any] = {
    "TERMINALS": {
        "default": {"ENVIRONMENT": "simulator"},
        "two": {"ENVIRONMENT": "simulator", "FLOW": "2steps"},
        "moto": {"ENVIRONMENT": "simulator", "MOTO": True},
    },
    "PUBLIC_URL": "https://api.shop.example",
    "SEALED_CARD_KEYS": ["dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="],
    "MAILS": ["receipt"],
}
