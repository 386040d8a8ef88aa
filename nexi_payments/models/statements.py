"""The few statements of every payment, their SQL written once a process.

Django's querysets write their SQL anew each time they are used: in a payment that was
two thirds of all the work. What is here says the same to the database for a tenth.
Columns and equality only; whatever else is asked goes to a queryset.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from django.db import connections, models, transaction
from django.db.models import signals
from django.db.models.expressions import Combinable

from nexi_payments.models import database

Row = TypeVar("Row", bound=models.Model)

#: In a condition: the column holds something.
SOMETHING: Final = object()

#: What every database takes as it is. By exact type: a subclass may need adapting.
_AS_IT_IS: Final = frozenset({str, int, bool, type(None)})


def insert(row: models.Model) -> None:
    """Writes a new row, as ``row.save(force_insert=True)`` does.

    Raises ``IntegrityError``; the transaction around it is of no use then.
    """
    alias = database.alias()
    model = type(row)
    if _heard(model, signals.pre_save, signals.post_save):
        row.save(force_insert=True, using=alias)
        return
    connection = connections[alias]
    sql, fields, returning = _insertion(alias, model, row.pk is None)
    cells = [_cell(field, getattr(row, field.attname), connection) for field in fields]
    with (
        transaction.mark_for_rollback_on_error(using=alias),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, cells)
        if returning:
            row.pk = cursor.fetchone()[0]
        elif row.pk is None:
            row.pk = connection.ops.last_insert_id(
                cursor, model._meta.db_table, str(model._meta.pk.column)
            )
    row._state.adding = False
    row._state.db = alias


def update(
    model: type[models.Model], where: Mapping[str, Any], values: Mapping[str, Any]
) -> int:
    """As ``model.objects.filter(**where).update(**values)``: how many rows it found.

    A condition is a column and its value, ``None`` for NULL, or ``SOMETHING``. Sums of
    columns (``F``) are left to a queryset.
    """
    alias = database.alias()
    if any(isinstance(value, Combinable) for value in where.values()):
        return model._base_manager.using(alias).filter(**where).update(**values)
    connection = connections[alias]
    sql, fields = _change(alias, model, tuple(values), _shape(where))
    given = [value for value in where.values() if not _needs_no_cell(value)]
    asked = zip(fields, [*values.values(), *given], strict=True)
    cells = [_cell(field, value, connection) for field, value in asked]
    return _execute(alias, sql, cells)


def delete(model: type[models.Model], where: Mapping[str, Any]) -> int:
    """As ``model.objects.filter(**where).delete()``: how many rows were there.

    For rows that nothing refers to.
    """
    alias = database.alias()
    if _heard(model, signals.pre_delete, signals.post_delete):
        return model._base_manager.using(alias).filter(**where).delete()[0]
    condition, fields = _condition(alias, model, _shape(where))
    given = [value for value in where.values() if not _needs_no_cell(value)]
    asked = zip(fields, given, strict=True)
    cells = [_cell(field, value, connections[alias]) for field, value in asked]
    table = connections[alias].ops.quote_name(model._meta.db_table)
    return _execute(alias, f"DELETE FROM {table} WHERE {condition}", cells)  # noqa: S608


def find(
    model: type[Row], pk: int, also: str = "NULL", values: Sequence[Any] = ()
) -> tuple[Row | None, Any]:
    """The row, or ``None``, and in the same statement the answer to a question: an
    expression of SQL, ``values`` in it."""
    alias = database.alias()
    connection = connections[alias]
    sql, names, converters = _look(alias, model, also)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, pk])
        found = cursor.fetchone()
    if found is None:
        return None, None
    answer, *cells = found
    for place, convert, expression in converters:
        cells[place] = convert(cells[place], expression, connection)
    return model.from_db(alias, names, cells), answer


def ask(questions: Iterable[tuple[str, Sequence[Any]]]) -> tuple[Any, ...]:
    """The answers to expressions of SQL and their values, in one statement."""
    connection = connections[database.alias()]
    texts, cells = [], []
    for text, values in questions:
        texts.append(text)
        for value in values:
            plain = type(value) in _AS_IT_IS
            adapt = connection.ops.adapt_datetimefield_value
            cells.append(value if plain else adapt(value))
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(texts), cells)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def _execute(alias: str, sql: str, cells: list[Any]) -> int:
    with (
        transaction.mark_for_rollback_on_error(using=alias),
        connections[alias].cursor() as cursor,
    ):
        cursor.execute(sql, cells)
        return int(cursor.rowcount)


def _heard(model: type[models.Model], *told: Any) -> bool:
    """Whether the host listens: then Django's own way, which tells it."""
    return any(signal.has_listeners(model) for signal in told)


def _cell(field: Any, value: Any, connection: Any) -> Any:
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, models.Model):
        return value.pk
    return field.get_db_prep_save(value, connection)


def _needs_no_cell(value: Any) -> bool:
    return value is None or value is SOMETHING


def _shape(where: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What of a condition its text depends on."""
    return tuple(
        (
            name,
            "IS NULL"
            if value is None
            else "IS NOT NULL"
            if value is SOMETHING
            else "= %s",
        )
        for name, value in where.items()
    )


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


@functools.cache
def _condition(
    alias: str, model: type[models.Model], shape: tuple[tuple[str, str], ...]
) -> tuple[str, tuple[Any, ...]]:
    quote = connections[alias].ops.quote_name
    parts = [(_field(model, name), test) for name, test in shape]
    text = " AND ".join(f"{quote(field.column)} {test}" for field, test in parts)
    return text, tuple(field for field, test in parts if test == "= %s")


@functools.cache
def _change(
    alias: str,
    model: type[models.Model],
    names: tuple[str, ...],
    shape: tuple[tuple[str, str], ...],
) -> tuple[str, tuple[Any, ...]]:
    quote = connections[alias].ops.quote_name
    fields = tuple(_field(model, name) for name in names)
    changes = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    condition, asked = _condition(alias, model, shape)
    table = quote(model._meta.db_table)
    sql = f"UPDATE {table} SET {changes} WHERE {condition}"  # noqa: S608
    return sql, fields + asked


@functools.cache
def _insertion(
    alias: str, model: type[models.Model], numbered: bool
) -> tuple[str, tuple[Any, ...], bool]:
    """``numbered``: the database gives the key."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    key = model._meta.pk
    fields = tuple(
        field
        for field in model._meta.concrete_fields
        if not (numbered and field is key)
    )
    columns = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    table = quote(model._meta.db_table)
    sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608
    returning = numbered and connection.features.can_return_columns_from_insert
    if returning:
        sql += f" RETURNING {quote(str(key.column))}"
    return sql, fields, returning


@functools.cache
def _look(
    alias: str, model: type[models.Model], also: str
) -> tuple[str, list[str], list[tuple[int, Any, Any]]]:
    connection = connections[alias]
    quote = connection.ops.quote_name
    fields = model._meta.concrete_fields
    table = quote(model._meta.db_table)
    columns = ", ".join(quote(str(field.column)) for field in fields)
    key = quote(str(model._meta.pk.column))
    sql = f"SELECT {also}, {columns} FROM {table} WHERE {key} = %s"  # noqa: S608
    compiler = model._base_manager.using(alias).query.get_compiler(alias)
    found = compiler.get_converters([f.get_col(model._meta.db_table) for f in fields])
    converters = [
        (place, convert, expression)
        for place, (converts, expression) in found.items()
        for convert in converts
    ]
    return sql, [field.attname for field in fields], converters
