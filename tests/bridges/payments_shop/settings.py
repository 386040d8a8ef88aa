"""A shop on django-payments, as its documentation has it."""

import os

DEBUG = True  # without a key: the built-in simulator
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "tests.bridges.payments_shop.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "payments",
    "nexi_payments",
    "nexi_payments.bridges.django_payments",
    "tests.bridges.payments_shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BRIDGE_DATABASE"],
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
STATIC_URL = "static/"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PAYMENT_HOST = "127.0.0.1"
PAYMENT_MODEL = "payments_shop.Payment"
PAYMENT_VARIANTS = {
    "nexi": ("nexi_payments.bridges.django_payments.provider.NexiProvider", {}),
    "held": (
        "nexi_payments.bridges.django_payments.provider.NexiProvider",
        {"terminal": "manual"},
    ),
}
NEXI_PAYMENTS = {
    "TERMINALS": {
        "default": {"ENVIRONMENT": "simulator"},
        "manual": {"ENVIRONMENT": "simulator", "CAPTURE": "manual"},
    }
}
