"""A shop on django-payments, as its documentation has it."""

import os

from tests.base_settings import *  # noqa: F403
from tests.base_settings import INSTALLED_APPS, MIDDLEWARE, SQLITE, before, without

DEBUG = True  # without a key: the built-in simulator
ROOT_URLCONF = "tests.integrations.payments_shop.urls"
INSTALLED_APPS = [
    *before(INSTALLED_APPS, "nexi_payments", "payments"),
    "nexi_payments.integrations.django_payments",
    "tests.integrations.payments_shop",
]
MIDDLEWARE = without(
    MIDDLEWARE,
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BRIDGE_DATABASE"],
        "ATOMIC_REQUESTS": True,
        "OPTIONS": SQLITE,
    }
}

PAYMENT_HOST = "127.0.0.1"
PAYMENT_MODEL = "payments_shop.Payment"
PAYMENT_VARIANTS = {
    "nexi": ("nexi_payments.integrations.django_payments.provider.NexiProvider", {}),
    "held": (
        "nexi_payments.integrations.django_payments.provider.NexiProvider",
        {"terminal": "manual"},
    ),
}
NEXI_PAYMENTS = {
    "TERMINALS": {
        "default": {"ENVIRONMENT": "simulator", "METHODS": ["PAYPAL"]},
        "manual": {"ENVIRONMENT": "simulator", "CAPTURE": "manual"},
    }
}
