"""The one database that our tables live in, wherever a project's router puts them.

Django's own ``atomic``, ``on_commit`` and ``non_atomic_requests`` mean the database
"default" unless told; a transaction there would guard nothing of ours elsewhere.
"""

from __future__ import annotations

import copy
import functools
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import OperationalError, connections, models, router, transaction

from nexi_payments.models.order import PaymentOrder

Result = TypeVar("Result")
Row = TypeVar("Row", bound=models.Model)
View = TypeVar("View", bound=Callable[..., Any])

#: So often is a transaction tried that the database ends to resolve a deadlock.
_TRIES: Final = 5
#: MySQL: deadlock, lock wait timeout. PostgreSQL: deadlock, serialization failure.
_ENDED_FOR_OTHERS: Final = frozenset({1213, 1205, "40P01", "40001"})


def alias() -> str:
    """Its name in ``DATABASES``."""
    return str(router.db_for_write(PaymentOrder))


def atomic(*, durable: bool = False) -> transaction.Atomic:
    """A transaction there. ``durable``: an error inside somebody else's."""
    return transaction.atomic(using=alias(), durable=durable)


def refuse_inside_a_transaction() -> None:
    """A loud ``RuntimeError`` where somebody's transaction is open: none is held while
    Nexi is asked."""
    with atomic(durable=True):
        pass


def committed(
    work: Callable[[], Result], *rows: models.Model, durable: bool = True
) -> Result:
    """What ``work`` gives, in a transaction of its own.

    A database that finds two transactions waiting for each other ends one of them; it
    asks for it again, and gets it. ``rows`` are the instances that ``work`` changes:
    they are first put back as they were. With ``durable`` off ``work`` may be part of
    somebody's transaction, who then has to deal with that himself.
    """
    for attempt in range(1, _TRIES + 1):
        before = [_picture(row) for row in rows]
        try:
            with atomic(durable=durable):
                return work()
        except OperationalError as error:
            inside = connections[alias()].in_atomic_block
            if inside or attempt == _TRIES or not _ended_for_others(error):
                raise
        for row, picture in zip(rows, before, strict=True):
            vars(row).clear()
            vars(row).update(picture)
        time.sleep(random.uniform(0.005, 0.03) * attempt)  # noqa: S311
    raise AssertionError("not reached")


def shared(
    rows: models.QuerySet[Row], take: Callable[[Row], bool], *, size: int, most: int
) -> Iterator[Row]:
    """At most ``most`` of ``rows``, taken ``size`` at a time by whichever worker comes.

    ``take`` makes a row this worker's by compare-and-swap, and says whether it did.
    Where the database can, others do not even look at rows that one is taking.
    """

    def batch(count: int) -> tuple[bool, list[Row]]:
        asked = rows.all()
        if connections[rows.db].features.has_select_for_update_skip_locked:
            asked = rows.select_for_update(skip_locked=True)
        found = list(asked[:count])
        return bool(found), [one for one in found if take(one)]

    while most > 0:
        more, taken = committed(functools.partial(batch, min(size, most)))
        if not more:
            return
        most -= len(taken)
        yield from taken


def _picture(row: models.Model) -> dict[str, Any]:
    state = copy.copy(row._state)
    # not shared: Django 6.1 empties it when the copy goes
    state.fields_cache = dict(row._state.fields_cache)
    return {**vars(row), "_state": state}


def _ended_for_others(error: OperationalError) -> bool:
    native = error.__cause__
    codes = {getattr(native, "sqlstate", None), *(native.args[:1] if native else ())}
    return not _ENDED_FOR_OTHERS.isdisjoint(codes)


def on_commit(call: Callable[[], object]) -> None:
    """``call`` once the transaction is on disk; what it raises is only logged."""
    transaction.on_commit(call, using=alias(), robust=True)


def non_atomic_requests(view: View) -> View:
    """For views that call the gateway: outside ``ATOMIC_REQUESTS`` of any database."""
    for name in settings.DATABASES:
        view = transaction.non_atomic_requests(using=name)(view)
    return view
