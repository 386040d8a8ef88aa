"""Transactions in the database of our tables, wherever a project's router puts them.

Django's own ``atomic``, ``on_commit`` and ``non_atomic_requests`` use the database
"default" unless told otherwise. A transaction there would not cover our tables
elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import connections, models, router, transaction

from nexi_payments.models import deadlocks
from nexi_payments.models.order import PaymentOrder

P = ParamSpec("P")
Result = TypeVar("Result")
Row = TypeVar("Row", bound=models.Model)
View = TypeVar("View", bound=Callable[..., Any])


def alias() -> str:
    """The name of our database in ``DATABASES``."""
    return str(router.db_for_write(PaymentOrder))


def atomic(*, durable: bool = False) -> transaction.Atomic:
    """A transaction in our database. ``durable`` raises inside another one."""
    return transaction.atomic(using=alias(), durable=durable)


def require_no_transaction() -> None:
    """Raises ``RuntimeError`` inside a transaction: none may be open during a gateway
    call.
    """
    with atomic(durable=True):
        pass


def is_another_open() -> bool:
    """Whether a transaction is open, in our database or in another one of the host.

    Called after a commit in ours: the host's others may still be open.
    """
    others = connections.all(initialized_only=True)
    if any(one.in_atomic_block for one in others if one.alias != alias()):
        return True
    try:
        require_no_transaction()
    except RuntimeError:
        return True
    return False


def retried(
    *, durable: bool = True
) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Decorates a function to run in a transaction, and again after a deadlock.

    After any exception the model instances among its arguments are as before.
    ``durable`` raises ``RuntimeError`` inside another transaction. Without it the
    function may run inside one, which must handle deadlocks itself.
    """

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> Result:
            commits: list[bool] = []

            def work() -> Result:
                with atomic(durable=durable):
                    # the first hook: it runs before one of the host that may raise
                    on_commit(lambda: commits.append(True))
                    return function(*args, **kwargs)

            given = (*args, *kwargs.values())
            rows = tuple(one for one in given if isinstance(one, models.Model))
            return deadlocks.repeat(work, alias(), rows, lambda: bool(commits))

        return run

    return decorate


def claim_in_batches(
    rows: models.QuerySet[Row],
    claim: Callable[[Row], bool],
    *,
    batch_size: int,
    limit: int,
) -> Iterator[Row]:
    """Yields at most ``limit`` of ``rows``, claimed in batches of ``batch_size``.

    ``claim`` leases a row by compare-and-swap and returns whether it did. If the
    database can, concurrent workers skip rows that are being claimed.
    """

    while limit > 0:
        more, taken = _claim_batch(rows, claim, min(batch_size, limit))
        if not more:
            return
        limit -= len(taken)
        yield from taken


@retried()
def _claim_batch(
    rows: models.QuerySet[Row], claim: Callable[[Row], bool], count: int
) -> tuple[bool, list[Row]]:
    """Whether there was a row, and those that were claimed."""
    queryset = rows.all()
    if connections[rows.db].features.has_select_for_update_skip_locked:
        queryset = rows.select_for_update(skip_locked=True)
    found = list(queryset[:count])
    return bool(found), [one for one in found if claim(one)]


def on_commit(callback: Callable[[], object]) -> None:
    """Calls ``callback`` after the commit; its errors are only logged."""
    transaction.on_commit(callback, using=alias(), robust=True)


def non_atomic_requests(view: View) -> View:
    """Exempts a view that calls the gateway from ``ATOMIC_REQUESTS``, any database."""
    for name in settings.DATABASES:
        view = transaction.non_atomic_requests(using=name)(view)
    return view
