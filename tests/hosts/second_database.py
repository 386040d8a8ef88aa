"""A router sends everything to "payments"; the database "default" does not exist, so
that whatever still means it is an error."""

from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES = {"default": {}, "payments": {**DATABASES["default"]}}
DATABASES["payments"]["ATOMIC_REQUESTS"] = True
DATABASES["payments"]["TEST"] = {**DATABASES["payments"]["TEST"], "DEPENDENCIES": []}
DATABASE_ROUTERS = ["tests.hosts.second_database.PaymentsRouter"]


class PaymentsRouter:
    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "payments"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "payments"
