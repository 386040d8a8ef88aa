"""The tests' host project, with a plain ModelAdmin beside ours to compare with."""

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
