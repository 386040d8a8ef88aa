"""A project that does not mount the API, and has no admin."""

from tests.base_settings import without
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

DEBUG = True
ROOT_URLCONF = "tests.hosts.minimal_urls"
INSTALLED_APPS = without(
    INSTALLED_APPS,
    "django.contrib.admin",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
)
