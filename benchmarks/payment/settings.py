"""A project as ``startproject`` makes it, with ours and the other packages in it.

``DATABASE_URL`` is the database, ``GATEWAY`` the address of ``door.py``. A package that
is not installed is left out.
"""

import os
from importlib.util import find_spec

import environ

from tests.base_settings import *  # noqa: F403
from tests.base_settings import INSTALLED_APPS, MIDDLEWARE, SQLITE, without

_env = environ.Env()
GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:1")

ROOT_URLCONF = "benchmarks.payment.urls"
INSTALLED_APPS = [
    *without(INSTALLED_APPS, "django.contrib.admin"),
    "benchmarks.payment",
    *(name for name in ("payments", "djstripe") if find_spec(name)),
]
MIDDLEWARE = without(MIDDLEWARE, "django.middleware.locale.LocaleMiddleware")
DATABASES = {"default": _env.db_url("DATABASE_URL", default="sqlite:///bench.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"] |= {
        "OPTIONS": dict(SQLITE),
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
    "SEALED_CARD_KEYS": ["YmVuY2htYXJrcy1vbmx5LWJlbmNobWFya3Mtb25seSE="],
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
