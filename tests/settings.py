"""A small host project. ``DATABASE_URL`` moves the suite to another database."""

from decimal import Decimal

import django
import environ

from tests.base_settings import *  # noqa: F403
from tests.base_settings import SQLITE

env = environ.Env()

ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
TIME_ZONE = "Europe/Rome"
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("it", "Italiano"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("es", "Español"),
    ("fr", "Français"),
]
ROOT_URLCONF = "tests.urls"
DATABASES = {"default": env.db_url("DATABASE_URL", default="sqlite://:memory:")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"] |= {
        "OPTIONS": dict(SQLITE),
        # a file, not memory: threads must have connections of their own
        "TEST": {"NAME": env("SQLITE_TEST_FILE", default="test.sqlite3")},
    }
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
NEXI_PAYMENTS = {
    "TERMINALS": {
        "default": {"ENVIRONMENT": "simulator"},
        "two": {"ENVIRONMENT": "simulator", "FLOW": "2steps"},
        "manual": {"ENVIRONMENT": "simulator", "CAPTURE": "manual"},
        "moto": {
            "ENVIRONMENT": "simulator",
            "MOTO": True,
            "MAX_AMOUNT": Decimal("1000"),
        },
    },
    "RATE_LIMITS": "off",  # tests/flows/orders/test_velocity.py has them on
    # tests/api/test_second_factor.py has the default
    "API_PASSWORD_AUTHENTICATION": [
        "rest_framework.authentication.SessionAuthentication"
    ],
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "SEALED_CARD_KEYS": ["dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="],
}
