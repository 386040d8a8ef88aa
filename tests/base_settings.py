"""What the projects of the tests, bridges and benchmarks have in common. Each says only
where it differs; one that lacks something removes it by name (``without``).

The demo shop is not made of this, nor is what runs it (tests/fuzz, tests/histories):
there the settings of the demo themselves are under test.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SECRET_KEY = "tests-only"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "nexi_payments",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": CONTEXT_PROCESSORS},
    }
]
#: As docs/production.md has it.
SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
}


def without(names: Iterable[str], *gone: str) -> list[str]:
    """``names`` but for ``gone``, each of which has to be among them."""
    kept = list(names)
    for name in gone:
        kept.remove(name)
    return kept


def before(names: Iterable[str], name: str, *new: str) -> list[str]:
    """``names`` with ``new`` ones before ``name``."""
    there = list(names)
    place = there.index(name)
    return [*there[:place], *new, *there[place:]]
