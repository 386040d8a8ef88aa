"""The tests' host project, with a plain ModelAdmin beside ours to compare with."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import NEXI_PAYMENTS

if "GATEWAY" in os.environ:  # the workers of benchmarks/reconciler.py
    terminal = {"API_KEY": "benchmark", "BASE_URL": os.environ["GATEWAY"]}
    NEXI_PAYMENTS = {
        **NEXI_PAYMENTS,
        "TERMINALS": {"default": terminal, "moto": terminal},
    }

ROOT_URLCONF = "benchmarks.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
