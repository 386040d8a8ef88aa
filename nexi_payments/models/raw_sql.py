"""The SQL of the statements that every payment runs. No other module has SQL text that
names our tables.

Django builds the SQL of a queryset anew on each use, which would double the CPU time of
a payment (``make bench NAME=statements``). Each function does what the queryset in its
docstring does. A condition has the arguments of ``filter``: a field, alone or with a
lookup of ``_OPERATORS``, ``__isnull``, or ``__in`` (``Rows``, or a tuple that is not
empty). Use a queryset for anything else.

Names come from ``_meta``, and fields adapt the values. Four things have no documented
name in Django: ``mark_for_rollback_on_error``, without which a host that catches an
error could go on in a failed transaction; ``has_listeners``, as receivers are rare;
``quote_name``; and the converters of the compiler, because ``raw()``, which is
documented, takes three times as long.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar, cast

from django.db import OperationalError, connections, models, transaction
from django.db.models import signals
from django.db.models.expressions import Combinable

from nexi_payments.models import db_transactions, deadlocks

log = logging.getLogger("nexi_payments.models")
Row = TypeVar("Row", bound=models.Model)
Where = Mapping[str, Any]

_OPERATORS: Final = {"": "=", "gte": ">=", "lt": "<"}
#: What a field leaves as it is for every database. Not for subclasses of these fields,
#: such as a key of the host's users.
_UNADAPTED: Final[dict[type[Any], type[Any]]] = {
    models.AutoField: int,
    models.BigAutoField: int,
    models.BigIntegerField: int,
    models.BooleanField: bool,
    models.CharField: str,
    models.PositiveIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.TextField: str,
}


@dataclass(frozen=True)
class Rows:
    """The rows of ``model`` that match at least one condition of ``where``.

    ``exist``, ``get`` and ``update`` tell whether there are ``at_least`` this many,
    together with those of ``also``. As the value of an ``__in`` it stands for their
    ``column``.
    """

    model: type[models.Model]
    where: Sequence[Where]
    at_least: int = 1
    column: str = "pk"
    also: Rows | None = None


def insert(row: models.Model) -> None:
    """``row.save(force_insert=True)``.

    For use in a transaction, which a deadlock or an ``IntegrityError`` rolls back.
    Receivers of the host are called as ``save`` calls them; what they raise is logged.
    """
    alias = db_transactions.alias()
    model = type(row)
    told = {"raw": False, "using": alias, "update_fields": None}
    _call_receivers(signals.pre_save, row, told)
    _insert(row, model, alias)
    _call_receivers(signals.post_save, row, {"created": True, **told})


def _call_receivers(signal: Any, row: models.Model, told: dict[str, Any]) -> None:
    """In a savepoint: the commit is that of a charge or its outcome, and a receiver of
    the host must not roll it back. A deadlock ends the transaction for everybody.
    """
    if not signal.has_listeners(type(row)):
        return
    try:
        with transaction.atomic(using=told["using"]):
            signal.send(sender=type(row), instance=row, **told)
    except OperationalError:
        raise
    except Exception as error:
        log.error("a receiver of %s: %s", type(row).__name__, type(error).__name__)


def _insert(row: models.Model, model: type[models.Model], alias: str) -> None:
    connection = connections[alias]
    numbered = row.pk is None
    sql, columns = _insert_sql(alias, model, numbered)
    params = [
        _param(column, getattr(row, column.field.attname), connection)
        for column in columns
    ]
    with (
        transaction.mark_for_rollback_on_error(using=alias),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, params)
        if numbered:
            row.pk = cursor.fetchone()[0] if _returns_key(alias) else cursor.lastrowid
    row._state.adding = False
    row._state.db = alias


def update(
    model: type[models.Model],
    where: Where,
    values: Mapping[str, Any],
    increment: str = "",
    unless: Sequence[Rows] = (),
) -> int:
    """``model.objects.filter(**where).update(**values)``; returns the row count.

    ``increment`` is a column that is raised by 1. If one of ``unless`` exists (as in
    ``exist``, asked in the statement that writes) nothing is updated.
    """
    alias = db_transactions.alias()
    every = (*where.values(), *values.values())
    if not unless and any(isinstance(one, Combinable) for one in every):
        if increment:
            values = {**values, increment: models.F(increment) + 1}
        return model._default_manager.using(alias).filter(**where).update(**values)
    connection = connections[alias]
    columns = [_column(alias, model, name) for name in values]
    params = [
        _param(column, value, connection)
        for column, value in zip(columns, values.values(), strict=True)
    ]
    changes = ", ".join([f"{column.name} = %s" for column in columns])
    if increment:
        name = _column(alias, model, increment).name
        changes = ", ".join(filter(None, (changes, f"{name} = {name} + 1")))
    condition = _condition(alias, model, where, params)
    for rows in unless:
        condition += f" AND {_exists(alias, rows, params)} IS NULL"
    sql = f"UPDATE {_table(alias, model)} SET {changes} WHERE {condition}"  # noqa: S608
    return deadlocks.repeat(functools.partial(_execute, alias, sql, params), alias)


def _execute(alias: str, sql: str, params: list[Any]) -> int:
    with (
        transaction.mark_for_rollback_on_error(using=alias),
        connections[alias].cursor() as cursor,
    ):
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def lock(model: type[models.Model], keys: Sequence[int]) -> None:
    """Locks the rows with these keys until the transaction ends; inserts those that are
    missing. ``model`` has no other column. Sorted keys do not deadlock.
    """
    alias = db_transactions.alias()
    name = _column(alias, model, "pk").name
    marks = ", ".join(["(%s)"] * len(keys))
    on_conflict = f"ON CONFLICT ({name}) DO UPDATE SET {name} = EXCLUDED.{name}"
    if connections[alias].vendor == "mysql":
        on_conflict = f"ON DUPLICATE KEY UPDATE {name} = {name}"
    into = f"INSERT INTO {_table(alias, model)} ({name})"
    _execute(alias, f"{into} VALUES {marks} {on_conflict}", list(keys))


def get(model: type[Row], pk: Any, also: Rows | None = None) -> tuple[Row | None, bool]:
    """``model.objects.filter(pk=pk).first()`` and whether ``also`` exists, in one
    statement. Without a row: ``(None, False)``.
    """
    alias = db_transactions.alias()
    params: list[Any] = []
    exists = "NULL" if also is None else _exists(alias, also, params)
    columns, names, converters = _all_columns(alias, model)
    condition = _condition(alias, model, {"pk": pk}, params)
    sql = f"SELECT {exists}, {columns} WHERE {condition}"
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchone()
    if found is None:
        return None, False
    answer, *values = found
    for place, convert, expression in converters:
        values[place] = convert(values[place], expression, connection)
    return model.from_db(alias, names, values), answer is not None


def exist(*questions: Rows) -> tuple[bool, ...]:
    """Whether there are rows, for each question, all in one statement.

    Of a queryset: ``rows[at_least - 1 :].exists()``. Reads at most ``at_least`` rows.
    """
    alias = db_transactions.alias()
    params: list[Any] = []
    texts = [_exists(alias, rows, params) for rows in questions]
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(texts), params)
        return tuple(answer is not None for answer in cursor.fetchone())


class _Column(NamedTuple):
    name: str  # quoted
    field: Any
    unadapted: type[Any] | None
    lookup: str


@functools.cache
def _column(alias: str, model: type[models.Model], key: str) -> _Column:
    """The column of a field and its lookup, as in ``filter``: "created_at__gte"."""
    name, _, lookup = key.partition("__")
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    kind = type(field.target_field if field.is_relation else field)
    connection = connections[alias]
    unadapted = _UNADAPTED.get(kind)
    if kind is models.DateTimeField and connection.vendor == "postgresql":
        unadapted = datetime  # its driver takes what timezone.now() returns
    quoted = connection.ops.quote_name(field.column)
    return _Column(quoted, field, unadapted, lookup)


@functools.cache
def _table(alias: str, model: type[models.Model]) -> str:
    return str(connections[alias].ops.quote_name(model._meta.db_table))


def _param(column: _Column, value: Any, connection: Any) -> Any:
    if value is None or type(value) is column.unadapted:
        return value
    return column.field.get_db_prep_save(value, connection)


def _condition(
    alias: str, model: type[models.Model], where: Where, params: list[Any]
) -> str:
    """The SQL of a condition; appends to ``params``."""
    connection = connections[alias]
    tests = []
    for key, value in where.items():
        column = _column(alias, model, key)
        if value is None or column.lookup == "isnull":
            test = "IS NOT NULL" if value is False else "IS NULL"
        elif isinstance(value, Rows):
            selected = _column(alias, value.model, value.column).name
            test = f"IN (SELECT {selected} {_from(alias, value, params)})"
        elif column.lookup == "in":
            test = f"IN ({', '.join(['%s'] * len(value))})"
            params += [_param(column, one, connection) for one in value]
        else:
            test = f"{_OPERATORS[column.lookup]} %s"
            params.append(_param(column, value, connection))
        tests.append(f"{column.name} {test}")
    return " AND ".join(tests)


def _from(alias: str, rows: Rows, params: list[Any]) -> str:
    conditions = [_condition(alias, rows.model, one, params) for one in rows.where]
    return f"FROM {_table(alias, rows.model)} WHERE {' OR '.join(conditions)}"


def _exists(alias: str, rows: Rows, params: list[Any]) -> str:
    """1, or NULL where there are fewer rows. Reads at most ``at_least`` of each table,
    in a table of its own: MySQL updates none that a condition reads directly.
    """
    parts, one = [], cast("Rows | None", rows)
    while one is not None:
        part = f"SELECT 1 AS one {_from(alias, one, params)} LIMIT {rows.at_least:d}"
        parts.append(f"SELECT one FROM ({part}) AS matched")  # noqa: S608
        one = one.also
    found, skipped = " UNION ALL ".join(parts), rows.at_least - 1
    return f"(SELECT one FROM ({found}) AS counted LIMIT 1 OFFSET {skipped:d})"  # noqa: S608


def _returns_key(alias: str) -> bool:
    """Only PostgreSQL's driver has no ``lastrowid``."""
    return connections[alias].vendor == "postgresql"


@functools.cache
def _insert_sql(
    alias: str, model: type[models.Model], numbered: bool
) -> tuple[str, list[_Column]]:
    """``numbered``: the database assigns the key."""
    key: Any = model._meta.pk
    columns = [
        _column(alias, model, field.name)
        for field in model._meta.concrete_fields
        if not (field.generated or (numbered and field is key))
    ]
    names = ", ".join([column.name for column in columns])
    marks = ", ".join(["%s"] * len(columns))
    sql = f"INSERT INTO {_table(alias, model)} ({names}) VALUES ({marks})"  # noqa: S608
    key_name = _column(alias, model, "pk").name
    returning = f" RETURNING {key_name}" if numbered and _returns_key(alias) else ""
    return sql + returning, columns


@functools.cache
def _all_columns(
    alias: str, model: type[models.Model]
) -> tuple[str, list[str], list[tuple[int, Any, Any]]]:
    """Columns and table; names of attributes; place and converter of values."""
    fields = model._meta.concrete_fields
    compiler = model._base_manager.using(alias).query.get_compiler(alias)
    found = compiler.get_converters([f.get_col(model._meta.db_table) for f in fields])
    converters = [
        (place, convert, expression)
        for place, (converts, expression) in found.items()
        for convert in converts
    ]
    names = ", ".join([_column(alias, model, field.name).name for field in fields])
    text = f"{names} FROM {_table(alias, model)}"
    return text, [field.attname for field in fields], converters
