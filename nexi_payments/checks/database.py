"""System checks of the database: transactions and locks. Ids: docs/checks.md.

SQL by hand: the ORM reads tables, not the settings of a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004  Django's own name
)
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.enums import ContractState
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import Contract, PaymentOrder, db_transactions
from nexi_payments.models.bookkeeping import Heartbeat
from nexi_payments.models.text_storage import UTF8MB4

#: psycopg's IsolationLevel, an ``IntEnum``: a project may set the number.
_PSYCOPG_READ_COMMITTED: Final = 2
#: Of the connection, of new tables, and of a column of ours that differs.
_MYSQL_CHARSETS: Final = """
    SELECT @@character_set_connection, @@character_set_database, (
        SELECT MIN(character_set_name) FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name LIKE 'nexi\\_payments\\_%'
        AND character_set_name <> 'utf8mb4'
    )"""
_STRICT_MODES: Final = frozenset({"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"})


def check_databases(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Runs with ``check --database default`` and with ``migrate``."""
    found: list[CheckMessage] = []
    if db_transactions.alias() in (databases or ()):
        connection = connections[db_transactions.alias()]
        found += _check_autocommit(connection)
        found += {
            "sqlite": _check_sqlite,
            "mysql": _check_mysql,
            "postgresql": _check_postgresql,
        }.get(connection.vendor, _check_untested_vendor)(connection)
        found += _check_rows(connection)
    return found


def _check_rows(connection: BaseDatabaseWrapper) -> list[CheckMessage]:
    """The checks that read our tables, once they exist."""
    try:
        with transaction.atomic(using=connection.alias):
            return [*_check_reconciler(), *_check_terminals(), *_check_currencies()]
    except DatabaseError:
        return []  # before a migration


def _check_terminals() -> Iterator[CheckMessage]:
    """E023. With settings that cannot be read, E001 is enough."""
    try:
        missing = terminal_outages.missing_terminals()
    except ImproperlyConfigured:
        return
    for terminal in missing:
        yield Error(
            f"{terminal}.",
            hint="Restore it in the settings, with its API key, until nothing names it:"
            " without it no status inquiry of these payments is possible.",
            id="nexi_payments.E023",
        )


def _check_currencies() -> Iterator[CheckMessage]:
    """W028: contracts that ``CURRENCIES`` no longer allows to charge."""
    try:
        terminals = conf.current().terminals
    except ImproperlyConfigured:
        return
    usable = Contract.objects.filter(
        state__in=(ContractState.ACTIVE, ContractState.SUSPENDED)
    )
    used = usable.order_by("terminal", "currency").values_list("terminal", "currency")
    for name, currency in used.distinct():
        if name in terminals and currency not in terminals[name].currencies:
            yield Warning(
                f"Terminal {name!r} has saved cards to charge in {currency}, and its"
                f" CURRENCIES are {', '.join(terminals[name].currencies)}.",
                hint=f"Add {currency} to CURRENCIES: their next charge suspends the"
                " contract.",
                id="nexi_payments.W028",
            )


def _check_reconciler() -> Iterator[CheckMessage]:
    """W022, if there are payments to reconcile."""
    late = timezone.now() - Heartbeat.OVERDUE_AFTER
    is_needed = PaymentOrder.objects.filter(created_at__lt=late).exists()
    has_run = Heartbeat.objects.filter(
        name=Heartbeat.RECONCILE, ended_at__gte=late
    ).exists()
    if is_needed and not has_run:
        yield Warning(
            "nexi_reconcile has not run for ten minutes.",
            hint='Payments in doubt stay "being checked", abandoned ones open. Run it'
            " every minute, with --watch, or by Celery beat.",
            id="nexi_payments.W022",
        )


def _check_autocommit(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    if not connection.settings_dict.get("AUTOCOMMIT", True):
        yield Error(
            f"Database {connection.alias!r} has AUTOCOMMIT off.",
            hint="Switch it on: a payment must be on disk before the card is charged.",
            id="nexi_payments.E008",
        )


def _options(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    options: dict[str, Any] = connection.settings_dict.get("OPTIONS", {})
    return options


def _check_sqlite(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    """W001: with SQLite's defaults, concurrent requests fail: "database is locked"."""
    options = _options(connection)
    if (
        str(options.get("transaction_mode")).upper() != "IMMEDIATE"
        or "wal" not in str(options.get("init_command", "")).lower()
    ):
        yield Warning(
            f"SQLite database {connection.alias!r} is not set up for concurrent"
            " payments.",
            hint="OPTIONS: {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
            "'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL'}",
            id="nexi_payments.W001",
        )


def _check_postgresql(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    level = _options(connection).get("isolation_level")
    with connection.cursor() as cursor:
        if level is None:
            cursor.execute("SHOW default_transaction_isolation")
            level = cursor.fetchone()[0]
            if level != "read committed":
                yield _isolation_error(connection, level)
        elif level != _PSYCOPG_READ_COMMITTED:
            yield _isolation_error(connection, getattr(level, "name", str(level)))
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone()[0] == "off":
            yield Warning(
                f"PostgreSQL database {connection.alias!r} has synchronous_commit off.",
                hint="After a power cut, a charge may be missing in the database. Set "
                "it: ALTER ROLE … SET synchronous_commit = on",
                id="nexi_payments.W005",
            )
        cursor.execute("SHOW server_encoding")
        encoding = cursor.fetchone()[0]
        if encoding != "UTF8":
            yield _charset_error(connection, encoding, "UTF8")


def _check_mysql(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    level = _options(connection).get("isolation_level", "read committed")
    if str(level).lower() != "read committed":
        yield _isolation_error(connection, level)
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@sql_mode, @@innodb_flush_log_at_trx_commit")
        modes, flush = cursor.fetchone()
        cursor.execute(
            "SELECT engine, table_collation FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = %s",
            [PaymentOrder._meta.db_table],
        )
        engine, collation = cursor.fetchone() or ("InnoDB", "")
        cursor.execute(_MYSQL_CHARSETS)
        charsets = cursor.fetchone()
    wrong = sorted({one for one in charsets if one and one != UTF8MB4})
    if wrong:
        yield _charset_error(connection, ", ".join(wrong), UTF8MB4)
    if not _STRICT_MODES & set(modes.split(",")):
        yield Error(
            f"MySQL database {connection.alias!r} truncates values that are too long.",
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
            hint="After a power cut, a charge may be missing in the database. Set "
            "innodb_flush_log_at_trx_commit = 1.",
            id="nexi_payments.W005",
        )
    if collation.endswith("_ci"):
        yield Warning(
            f"References are compared with {collation}: 'a1' equals 'A1'.",
            hint="Harmless if your order numbers do not differ by case only. Otherwise "
            "create the database with COLLATE utf8mb4_bin.",
            id="nexi_payments.W006",
        )


def _charset_error(
    connection: BaseDatabaseWrapper, found: str, wanted: str
) -> CheckMessage:
    return Error(
        f"Database {connection.alias!r} stores text as {found}, not {wanted}: a name"
        " with an emoji, or in another script, cannot be stored.",
        hint=f"Create the database with {wanted}. MySQL and MariaDB: ALTER DATABASE … "
        "CHARACTER SET utf8mb4, then ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 for"
        " each table of nexi_payments, and no other 'charset' in OPTIONS.",
        id="nexi_payments.E050",
    )


def _check_untested_vendor(connection: BaseDatabaseWrapper) -> Iterator[CheckMessage]:
    yield Warning(
        f"nexi_payments is not tested with {connection.vendor}.",
        hint="SQLite, PostgreSQL and MySQL or MariaDB are tested.",
        id="nexi_payments.W007",
    )


def _isolation_error(connection: BaseDatabaseWrapper, level: object) -> CheckMessage:
    return Error(
        f"Database {connection.alias!r} has the isolation level {level}.",
        hint="A snapshot hides what another request has just committed. Use Django's "
        "default, READ COMMITTED.",
        id="nexi_payments.E016",
    )
