"""The host project of the tests, with the admin theme that THEME names."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS

THEME = os.environ.get("THEME", "")
APPS = {
    "unfold": ["unfold", "unfold.contrib.filters"],
    "jazzmin": ["jazzmin"],
    "grappelli": ["grappelli"],
}
INSTALLED_APPS = [*APPS.get(THEME, []), *INSTALLED_APPS]
ROOT_URLCONF = "tests.themes.urls"
DATABASES = {
    "default": {
        **DATABASES["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("THEME_DATABASE", ":memory:"),
    }
}
DEBUG = bool(os.environ.get("THEME_DEBUG"))
