"""A new project, in which the recipe for any other shop has been typed."""

import os

from tests.base_settings import *  # noqa: F403
from tests.base_settings import INSTALLED_APPS, MIDDLEWARE, SQLITE, without

DEBUG = True  # without a key: the built-in simulator
ROOT_URLCONF = "tests.integrations.other_shop.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "yourshop"]
MIDDLEWARE = without(
    MIDDLEWARE,
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BRIDGE_DATABASE"],
        "OPTIONS": SQLITE,
    }
}
NEXI_PAYMENTS = {
    "TERMINALS": {
        "default": {
            "API_KEY": os.environ.get("NEXI_API_KEY"),
            "CAPTURE": os.environ.get("BRIDGE_CAPTURE", "automatic"),
        }
    }
}
