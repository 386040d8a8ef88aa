"""System checks of the database: how transactions and locks behave there. Ids:
docs/checks.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.apps import apps
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004  Django's own name
)
from django.db import DatabaseError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from nexi_payments.models import LastPass, PaymentOrder, database

_STRICT: Final = frozenset({"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"})


def check_router(**kwargs: Any) -> list[CheckMessage]:
    """What a transaction guards must be in one database, and read from there: a replica
    is behind by just the commit that matters."""
    alias = database.alias()
    elsewhere = sorted(
        model.__name__
        for model in apps.get_app_config("nexi_payments").get_models()
        if router.db_for_write(model) != alias
    )
    found: list[CheckMessage] = []
    if elsewhere:
        found.append(
            Error(
                f"A router sends {', '.join(elsewhere)} to another database than"
                f" {alias!r}, where PaymentOrder is.",
                hint="All tables of nexi_payments belong together.",
                id="nexi_payments.E012",
            )
        )
    if router.db_for_read(PaymentOrder) != alias:
        found.append(
            Error(
                "A router lets payments be read from another database than they are "
                "written to.",
                hint="Except the app 'nexi_payments' from reading replicas.",
                id="nexi_payments.E013",
            )
        )
    return found


def check_databases(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """With ``check --database default`` and with ``migrate``."""
    found: list[CheckMessage] = []
    if database.alias() in (databases or ()):
        connection = connections[database.alias()]
        found += _autocommit(connection)
        found += {
            "sqlite": _sqlite,
            "mysql": _mysql,
            "postgresql": _postgresql,
        }.get(connection.vendor, _other)(connection)
        found += _reconciler(connection)
    return found


def _reconciler(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    """Only where there has been something to reconcile, and the tables are there."""
    late = timezone.now() - LastPass.LATE
    try:
        with transaction.atomic(using=connection.alias):
            waits = PaymentOrder.objects.filter(created_at__lt=late).exists()
            ran = LastPass.objects.filter(
                name=LastPass.RECONCILE, ended_at__gte=late
            ).exists()
    except DatabaseError:
        return  # before the first migration
    if waits and not ran:
        yield Warning(
            "nexi_reconcile has not run for ten minutes.",
            hint='Payments in doubt stay "being checked" and abandoned ones open. '
            "Run it every minute, with --watch, or by Celery beat.",
            id="nexi_payments.W022",
        )


def _autocommit(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    if not connection.settings_dict.get("AUTOCOMMIT", True):
        yield Error(
            f"Database {connection.alias!r} has AUTOCOMMIT off.",
            hint="A payment must be on disk before the card is charged.",
            id="nexi_payments.E008",
        )


def _options(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    options: dict[str, Any] = connection.settings_dict.get("OPTIONS", {})
    return options


def _sqlite(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    """Its own defaults lose races with "database is locked"."""
    options = _options(connection)
    if (
        options.get("transaction_mode") != "IMMEDIATE"
        or "wal" not in str(options.get("init_command", "")).lower()
    ):
        yield Warning(
            f"SQLite database {connection.alias!r} is not set up for concurrent"
            " payments.",
            hint="OPTIONS: {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
            "'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL'}",
            id="nexi_payments.W001",
        )


def _postgresql(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    level = _options(connection).get("isolation_level")
    with connection.cursor() as cursor:
        if level is None:
            cursor.execute("SHOW default_transaction_isolation")
            level = cursor.fetchone()[0]
            if level != "read committed":
                yield _isolation(connection, level)
        elif getattr(level, "name", str(level)) != "READ_COMMITTED":
            yield _isolation(connection, getattr(level, "name", str(level)))
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone()[0] == "off":
            yield Warning(
                f"PostgreSQL database {connection.alias!r} has synchronous_commit off.",
                hint="After a power cut a card may have been charged of which nothing "
                "is known here. ALTER ROLE … SET synchronous_commit = on",
                id="nexi_payments.W005",
            )


def _mysql(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    level = _options(connection).get("isolation_level", "read committed")
    if str(level).lower() != "read committed":
        yield _isolation(connection, level)
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@sql_mode, @@innodb_flush_log_at_trx_commit")
        modes, flush = cursor.fetchone()
        cursor.execute(
            "SELECT engine, table_collation FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = %s",
            [PaymentOrder._meta.db_table],
        )
        engine, collation = cursor.fetchone() or ("InnoDB", "")
    if not _STRICT & set(modes.split(",")):
        yield Error(
            f"MySQL database {connection.alias!r} cuts values that are too long.",
            hint="OPTIONS: {'sql_mode': 'STRICT_TRANS_TABLES'}",
            id="nexi_payments.E014",
        )
    if engine != "InnoDB":
        yield Error(
            f"The tables in {connection.alias!r} are of engine {engine}.",
            hint="Only InnoDB has transactions: ALTER TABLE … ENGINE = InnoDB",
            id="nexi_payments.E015",
        )
    if int(flush) != 1:
        yield Warning(
            "innodb_flush_log_at_trx_commit is not 1.",
            hint="After a power cut a card may have been charged of which nothing is "
            "known here.",
            id="nexi_payments.W005",
        )
    if collation.endswith("_ci"):
        yield Warning(
            f"References are compared with {collation}: 'a1' and 'A1' are one basket.",
            hint="Harmless where your order numbers do not differ by case only. Else "
            "create the database with COLLATE utf8mb4_bin.",
            id="nexi_payments.W006",
        )


def _other(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    yield Warning(
        f"Nobody has tried nexi_payments on {connection.vendor}.",
        hint="SQLite, PostgreSQL and MySQL or MariaDB are tested.",
        id="nexi_payments.W007",
    )


def _isolation(connection: BaseDatabaseWrapper, level: object) -> CheckMessage:
    return Error(
        f"Database {connection.alias!r} has the isolation level {level}.",
        hint="A snapshot hides what another request has just done. Leave Django's "
        "READ COMMITTED.",
        id="nexi_payments.E016",
    )
