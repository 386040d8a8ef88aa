"""A Wagtail site that takes donations, one by one and monthly, each request in a
transaction."""

import os

from tests.base_settings import *  # noqa: F403
from tests.base_settings import INSTALLED_APPS, MIDDLEWARE, SQLITE

DEBUG = True  # without a key: the built-in simulator
ROOT_URLCONF = "tests.integrations.donation_site.urls"
INSTALLED_APPS = [
    "tests.integrations.donation_site.apps.DonationSite",
    "wagtail.contrib.redirects",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    *INSTALLED_APPS,
]
MIDDLEWARE = [
    *MIDDLEWARE,
    "wagtail.contrib.redirects.middleware.RedirectMiddleware",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BRIDGE_DATABASE"],
        "ATOMIC_REQUESTS": True,
        "OPTIONS": SQLITE,
    }
}
LANGUAGE_CODE = "en"
WAGTAIL_SITE_NAME = "Trees for Brianza"
WAGTAILADMIN_BASE_URL = "http://127.0.0.1:8000"
_SITE = "tests.integrations.donation_site.hooks"
NEXI_PAYMENTS = {
    "TERMINALS": {
        "default": {},
        "moto": {"MOTO": True, "CURRENCIES": ["EUR", "HUF"]},
    },
    "BEFORE_CHARGE": f"{_SITE}.may_be_charged",
    "REFERENCE_LOOKUP": f"{_SITE}.find_pledge",
    "REFERENCE_LOOKUP_STRICT": True,
}
