"""What the functions of ``raw_sql`` stand for: the same, with querysets. The tests
compare both, and ``benchmarks/payment/statements.py`` measures both."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Exists, F, Q

from nexi_payments.models import db_transactions, raw_sql
from nexi_payments.models.raw_sql import Rows

if TYPE_CHECKING:  # the environment of the benchmarks has no pytest
    import pytest


def _all(model: type[models.Model]) -> models.QuerySet[Any]:
    return model._base_manager.using(db_transactions.alias())


def insert(row: models.Model) -> None:
    row.save(force_insert=True, using=db_transactions.alias())


def update(
    model: type[models.Model],
    where: Mapping[str, Any],
    values: Mapping[str, Any],
    increment: str = "",
    unless: Sequence[Rows] = (),
) -> int:
    if any(exist(*unless)):
        return 0
    if increment:
        values = {**values, increment: F(increment) + 1}
    return _all(model).filter(**where).update(**values)


def get(
    model: type[models.Model], pk: Any, also: Rows | None = None
) -> tuple[Any, bool]:
    rows = _all(model).filter(pk=pk)
    if also is not None:
        wanted = matching(also)[also.at_least - 1 : also.at_least]
        rows = rows.annotate(also_found=Exists(wanted))
    row = rows.first()
    return row, bool(getattr(row, "also_found", False))


def exist(*questions: Rows) -> tuple[bool, ...]:
    return tuple(_count(one) >= one.at_least for one in questions)


def _count(rows: Rows | None) -> int:
    return 0 if rows is None else matching(rows).count() + _count(rows.also)


def matching(rows: Rows) -> models.QuerySet[Any]:
    return _all(rows.model).filter(reduce(or_, (_condition(one) for one in rows.where)))


def _condition(where: Mapping[str, Any]) -> Q:
    return Q(
        **{
            key: matching(value).values(value.column)
            if isinstance(value, Rows)
            else value
            for key, value in where.items()
        }
    )


def columns_of(row: Any) -> dict[str, Any]:
    """The values of a row's columns, by name."""
    values = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}
    return {
        name: bytes(value) if isinstance(value, memoryview) else value
        for name, value in values.items()
    }


def compare_all(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Lets every call of ``raw_sql`` run as a queryset, too, and compares the results.

    Returns the number of calls by function and result, while they are made.
    """
    seen: Counter[str] = Counter()
    by_hand = SimpleNamespace(**vars(raw_sql))

    def both_insert(row: models.Model) -> None:
        twin, numbered = copy.copy(row), row.pk is None
        with _rolled_back():
            insert(twin)
            expected = _stored(twin)
        by_hand.insert(row)
        found = _stored(row)
        if numbered:
            assert found.pop("id") > 0
            del expected["id"]
        assert found == expected
        assert (row._state.adding, row._state.db) == (False, twin._state.db)
        seen[f"insert {type(row).__name__}"] += 1

    def both_update(
        model: type[models.Model],
        where: Any,
        values: Any,
        increment: str = "",
        unless: Sequence[Rows] = (),
    ) -> int:
        with _rolled_back():
            expected = update(model, where, values, increment, unless)
            rows = _table(model)
        found: int = by_hand.update(model, where, values, increment, unless)
        assert (found, _table(model)) == (expected, rows)
        seen[f"update {model.__name__} {found}"] += 1
        return found

    def both_get(model: type[models.Model], pk: Any, also: Any = None) -> Any:
        expected, also_expected = get(model, pk, also)
        row, also_found = by_hand.get(model, pk, also)
        assert also_found is also_expected
        assert (row is None) == (expected is None)
        if row is not None:
            assert columns_of(row) == columns_of(expected)
            assert (row._state.adding, row._state.db) == (False, expected._state.db)
        seen[f"get {model.__name__} {also_found}"] += 1
        return row, also_found

    def both_exist(*questions: Rows) -> tuple[bool, ...]:
        found: tuple[bool, ...] = by_hand.exist(*questions)
        assert found == exist(*questions)
        for question, answer in zip(questions, found, strict=True):
            seen[f"exist {question.model.__name__} {answer}"] += 1
        return found

    for function in (both_insert, both_update, both_get, both_exist):
        name = function.__name__.removeprefix("both_")
        monkeypatch.setattr(raw_sql, name, function)
    return seen


@contextmanager
def _rolled_back() -> Iterator[None]:
    alias = db_transactions.alias()
    with transaction.atomic(using=alias):
        yield
        transaction.set_rollback(True, using=alias)


def _stored(row: models.Model) -> dict[str, Any]:
    return columns_of(_all(type(row)).get(pk=row.pk))


def _table(model: type[models.Model]) -> list[dict[str, Any]]:
    return [columns_of(row) for row in _all(model).order_by("pk")]
