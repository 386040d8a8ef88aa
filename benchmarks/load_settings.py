"""The project of ``benchmarks.payment`` under load. ``POOL`` is how many connections a
worker may have; with ``HELD`` none is given back while Nexi is asked, as Django does.
``FRESH`` makes a new connection for each request, as Django does unless told."""

import os

from benchmarks.payment.settings import *  # noqa: F403
from benchmarks.payment.settings import DATABASES, INSTALLED_APPS
from nexi_payments.conf import db_connections

ROOT_URLCONF = "benchmarks.load_urls"
# without the packages to compare with: they weigh something
INSTALLED_APPS = [one for one in INSTALLED_APPS if one not in ("payments", "djstripe")]
if "POOL" in os.environ:
    size = int(os.environ["POOL"])
    options = {"pool": {"min_size": size, "max_size": size, "timeout": 60}}
    DATABASES["default"] |= {"CONN_MAX_AGE": 0, "OPTIONS": options}
if "FRESH" in os.environ:
    DATABASES["default"]["CONN_MAX_AGE"] = 0
if "PLAIN_SQLITE" in os.environ:  # as Django sets it up: one journal, readers wait
    DATABASES["default"]["OPTIONS"] = {}
if "HELD" in os.environ:
    db_connections.release_connections = lambda: None
