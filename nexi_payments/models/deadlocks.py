"""Repeats what a database has rolled back as a deadlock or serialization failure.

A transaction is repeated as a whole (``db_transactions.retried``). A lone write, which
the database commits alone, may be chosen as a victim, too: the models below and
``raw_sql`` repeat it. Inside a transaction nothing is repeated: its other writes are
rolled back, and only its owner can run them again.
"""

from __future__ import annotations

import copy
import functools
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from django.db import OperationalError, connections, models, router

Result = TypeVar("Result")
Row = TypeVar("Row", bound=models.Model)

#: How often a transaction or lone write is tried.
_MAX_ATTEMPTS: Final = 5
#: MySQL: deadlock, lock wait timeout. PostgreSQL: deadlock, serialization failure.
_DEADLOCK_CODES: Final = frozenset({1213, 1205, "40P01", "40001"})


def repeat(
    work: Callable[[], Result],
    alias: str,
    rows: tuple[models.Model, ...] = (),
    is_committed: Callable[[], bool] = lambda: False,
) -> Result:
    """Calls ``work``, and again after a deadlock, unless a transaction is open.

    ``rows`` are the instances that ``work`` changes. After an exception they are as
    before, as the database is. If ``is_committed``, a commit hook of the host has
    raised: nothing is repeated or restored then.
    """
    attempt = 0
    while True:
        attempt += 1
        before = [_snapshot(row) for row in rows]
        try:
            return work()
        except BaseException as error:
            if is_committed():
                raise
            for row, attributes in zip(rows, before, strict=True):
                vars(row).clear()
                vars(row).update(attributes)
            last = attempt == _MAX_ATTEMPTS
            if last or not _is_deadlock(error) or _in_transaction(alias):
                raise
        time.sleep(random.uniform(0.005, 0.03) * attempt)  # noqa: S311


def _snapshot(row: models.Model) -> dict[str, Any]:
    state = copy.copy(row._state)
    # not shared: Django 6.1 empties it when the copy is deleted
    state.fields_cache = dict(row._state.fields_cache)
    return {**vars(row), "_state": state}


def _is_deadlock(error: BaseException) -> bool:
    native = error.__cause__ if isinstance(error, OperationalError) else None
    codes = {getattr(native, "sqlstate", None), *(native.args[:1] if native else ())}
    return not _DEADLOCK_CODES.isdisjoint(codes)


def _in_transaction(alias: str) -> bool:
    connection = connections[alias]
    return connection.in_atomic_block or not connection.get_autocommit()


class RetryingQuerySet(models.QuerySet[Row]):
    """A queryset whose lone writes are repeated after a deadlock."""

    def update(self, **values: Any) -> int:
        return repeat(functools.partial(super().update, **values), self._to)

    def delete(self) -> tuple[int, dict[str, int]]:
        return repeat(super().delete, self._to)

    def get_or_create(
        self, defaults: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> tuple[Row, bool]:
        find_or_insert = functools.partial(super().get_or_create, defaults, **kwargs)
        return repeat(find_or_insert, self._to)

    @property
    def _to(self) -> str:
        self._for_write = True
        return str(self.db)

    # as Django's own: not for templates, and no ``objects.delete()``
    update.alters_data = delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class RetryingModel(models.Model):
    """A model whose lone writes are repeated after a deadlock."""

    objects = RetryingQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        alias = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        repeat(functools.partial(super().save, *args, **kwargs), alias)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        alias = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        return repeat(functools.partial(super().delete, *args, **kwargs), alias)

    save.alters_data = delete.alters_data = True  # type: ignore[attr-defined]
