"""The database of the tests: one of its own for each session, emptied in one step."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import (
    DEFAULT_DB_ALIAS,
    OperationalError,
    connection,
    connections,
    models,
    transaction,
)
from django.test import TransactionTestCase

from tests.support import warm_processes

ROOT = Path(__file__).resolve().parents[2]
#: What ``migrate`` fills, the same for each test.
_KEPT = ("django_content_type", "auth_permission")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """On SQLite: a file in the session's own folder, so that two sessions in one
    checkout do not meet, and no wait for the disk. ``synchronous`` matters when the
    power fails, which no test does; those that kill processes (tests/histories,
    tests/system/test_crash.py) have databases of their own."""
    here = connections[DEFAULT_DB_ALIAS].settings_dict
    if not here["ENGINE"].endswith("sqlite3"):
        return
    if here["TEST"]["NAME"] and "SQLITE_TEST_FILE" not in os.environ:
        here["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    before = here["OPTIONS"].get("init_command", "")
    here["OPTIONS"]["init_command"] = f"{before}; PRAGMA synchronous=OFF".lstrip("; ")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """After a test with transactions of its own, Django's ``flush`` empties all tables
    and writes content types and permissions anew. Here the tables with rows are
    emptied, and those two stay, unless the test changed them."""
    tables: dict[str, Tables] = {}
    set_up = vars(TransactionTestCase)["_fixture_setup"].__func__
    flush = TransactionTestCase._fixture_teardown

    def prepared(case: type[TransactionTestCase]) -> None:
        for alias in case._databases_names(include_mirrors=False):
            if alias not in tables:
                tables[alias] = Tables(alias)
        set_up(case)

    def emptied(case: TransactionTestCase) -> None:
        with_more = case.available_apps is not None or case.serialized_rollback
        aliases = case._databases_names(include_mirrors=False)
        if with_more or not all(tables[alias].emptied() for alias in aliases):
            flush(case)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_setup", classmethod(prepared))
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptied)
        yield


@pytest.fixture
def migrated(django_db_setup: None, django_db_blocker: Any, tmp_path: Path) -> Path:
    """The path of a SQLite file for another project with the apps of the suite: a copy
    of the empty tables, which ``migrate`` need not make again. On other databases there
    is no file yet."""
    path = tmp_path / "migrated.sqlite3"
    with django_db_blocker.unblock():
        connection = connections[DEFAULT_DB_ALIAS]
        if connection.vendor == "sqlite":
            connection.ensure_connection()
            with contextlib.closing(sqlite3.connect(path)) as copy:
                connection.connection.backup(copy)
    return path


@pytest.fixture(scope="session")
def demo_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the demo with all tables and no row of ours, to be copied."""
    database = tmp_path_factory.mktemp("tables") / "demo.sqlite3"
    warm_processes.run(
        *("manage.py", "migrate", "--verbosity=0"),
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "demo_shop.settings",
            "DATABASE_URL": f"sqlite:///{database}",
        },
        cwd=ROOT,
        check=True,
    )
    return database


@contextmanager
def broken_update(model: type[models.Model]) -> Iterator[None]:
    """The disk is full when rows of ``model`` are updated."""
    quote = connection.ops.quote_name

    def execute_or_fail(
        execute: Any, sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if sql.startswith(f"UPDATE {quote(model._meta.db_table)}"):
            raise OperationalError("disk full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute_or_fail):
        yield


class Tables:
    def __init__(self, alias: str) -> None:
        self.connection = connections[alias]
        quoted = self.connection.ops.quote_name
        names = self.connection.introspection.django_table_names(only_existing=True)
        self.names = [quoted(name) for name in names if name not in _KEPT]
        full = (f"EXISTS(SELECT 1 FROM {name})" for name in self.names)
        self.which_are_full = ", ".join(full)
        self.kept = [quoted(name) for name in _KEPT if name in names]
        self.before = self._content()

    def _content(self) -> list[Any]:
        with self.connection.cursor() as cursor:
            found = []
            for name in self.kept:
                cursor.execute(f"SELECT * FROM {name} ORDER BY id")
                found.append(cursor.fetchall())
            return found

    def emptied(self) -> bool:
        """False when what ``migrate`` wrote is not what it was."""
        if self.names:
            with (
                self.connection.constraint_checks_disabled(),
                transaction.atomic(using=self.connection.alias),
                self.connection.cursor() as cursor,
            ):
                cursor.execute(f"SELECT {self.which_are_full}")
                for name, full in zip(self.names, cursor.fetchone(), strict=True):
                    if full:
                        cursor.execute(f"DELETE FROM {name}")
        return self._content() == self.before
