"""A project on MariaDB; ``CHARSET`` is that of its tables: utf8mb4, or utf8mb3, which
older servers and older databases have."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, NEXI_PAYMENTS, env

CHARSET = env("CHARSET")
MOTO = {"ENVIRONMENT": "simulator", "MOTO": True}
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
DATABASES["default"]["TEST"] = {
    "NAME": f"test_{DATABASES['default']['NAME']}_{CHARSET}",
    "CHARSET": CHARSET,
    "COLLATION": f"{CHARSET}_bin",
}
NEXI_PAYMENTS = {
    **NEXI_PAYMENTS,
    "TERMINALS": {**NEXI_PAYMENTS["TERMINALS"], "moto": MOTO},
    "MAILS": ["receipt"],
}
