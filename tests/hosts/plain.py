"""A project that does not mount the API, and has no admin."""

from tests.settings import *  # noqa: F403

DEBUG = True
ROOT_URLCONF = "tests.hosts.payments_only"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "nexi_payments",
]
