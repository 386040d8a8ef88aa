"""A real backup of the test database: the file of SQLite, a template of PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, connections


class DatabaseCopy:
    """The database as it was at ``take``. No other connection may be open then."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "backup.sqlite3"
        self.name = f"{connection.settings_dict['NAME']}_restore_{os.getpid()}"
        self.is_postgres = connection.vendor == "postgresql"

    def take(self) -> None:
        connections.close_all()
        if self.is_postgres:
            self._create(self.name, template=_database())
            return
        with (
            contextlib.closing(sqlite3.connect(_database())) as source,
            contextlib.closing(sqlite3.connect(self.file)) as target,
        ):
            source.backup(target)

    def restore(self) -> None:
        connections.close_all()
        if self.is_postgres:
            _execute(f'DROP DATABASE "{_database()}" WITH (FORCE)')
            self._create(_database(), template=self.name)
            return
        for ending in ("-wal", "-shm"):
            Path(f"{_database()}{ending}").unlink(missing_ok=True)
        shutil.copyfile(self.file, _database())

    def drop(self) -> None:
        if self.is_postgres:
            _execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def _create(self, name: str, *, template: str) -> None:
        _execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


@contextmanager
def database_copy(folder: Path) -> Iterator[DatabaseCopy]:
    copy = DatabaseCopy(folder)
    try:
        yield copy
    finally:
        copy.drop()


def _database() -> str:
    return str(connection.settings_dict["NAME"])


def _execute(statement: str) -> None:
    import psycopg

    settings: dict[str, Any] = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        dbname="postgres",
        autocommit=True,
    ) as admin:
        admin.execute(statement.encode())
