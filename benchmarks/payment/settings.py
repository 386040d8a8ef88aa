"""A project as ``startproject`` makes it, with ours and the other packages in it.

``DATABASE_URL`` is the database, ``GATEWAY`` the address of ``door.py``. A package that
is not installed is left out.
"""

import os
from importlib.util import find_spec

import environ

_env = environ.Env()
GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:1")

SECRET_KEY = "benchmarks-only"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.payment.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "nexi_payments",
    "benchmarks.payment",
    *(name for name in ("payments", "djstripe") if find_spec(name)),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": _env.db_url("DATABASE_URL", default="sqlite:///bench.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"] |= {
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
        },
        "TEST": {"NAME": DATABASES["default"]["NAME"]},
    }
# connections stay, as in a shop with many payments; the tables are made at once, and
# not by the migrations of three packages
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"].setdefault("TEST", {})["MIGRATE"] = False

_TERMINAL = {
    "API_KEY": "benchmark",
    "BASE_URL": GATEWAY + "/api/phoenix-0.0/psp/api/v1",
    "ENVIRONMENT": "sandbox",
    "THREE_DS_HOSTS": ["127.0.0.1"],
}
NEXI_PAYMENTS = {
    "TERMINALS": {
        "default": _TERMINAL,
        "two": {**_TERMINAL, "FLOW": "2steps"},
        "moto": {**_TERMINAL, "MOTO": True},
    },
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "HOLD_KEYS": ["YmVuY2htYXJrcy1vbmx5LWJlbmNobWFya3Mtb25seSE="],
}

PAYMENT_HOST = "127.0.0.1"
PAYMENT_USES_SSL = False
PAYMENT_MODEL = "payment.PeerPayment"
PAYMENT_VARIANTS = {
    "authorizenet": (
        "payments.authorizenet.AuthorizeNetProvider",
        {
            "login_id": "benchmark",
            "transaction_key": "benchmark",
            "endpoint": GATEWAY + "/gateway/transact.dll",
        },
    )
}
STRIPE_SECRET_KEY = STRIPE_TEST_SECRET_KEY = "sk_test_" + "b" * 24
STRIPE_LIVE_MODE = False
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_WEBHOOK_VALIDATION = None
LOGGING_CONFIG = None
