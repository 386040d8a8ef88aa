"""What can be counted, and therefore does not depend on who else uses the machine."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

#: What opens or ends a transaction; counted as transactions, not as statements.
_TRANSACTION_KEYWORDS = ("BEGIN", "COMMIT", "ROLLBACK")


@dataclass
class QueryCounts:
    """Statements without BEGIN and COMMIT, and commits and rollbacks of transactions.
    A statement outside a transaction is a commit of its own, and is not among them."""

    statements: list[str]
    transactions: int = 0


@contextmanager
def count_queries() -> Iterator[QueryCounts]:
    """Counts what the connection of this thread is asked."""
    asked = QueryCounts([])
    connection.ensure_connection()

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(_TRANSACTION_KEYWORDS):
            asked.statements.append(sql)
        return execute(sql, params, many, context)

    ends = {name: getattr(connection, name) for name in ("_commit", "_rollback")}

    def counted(end: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            asked.transactions += 1
            return end()

        return call

    for name, end in ends.items():
        setattr(connection, name, counted(end))
    try:
        with connection.execute_wrapper(note):
            yield asked
    finally:
        for name in ends:
            delattr(connection, name)


def count_function_calls(pay: Callable[[], object]) -> int:
    """Calls of functions, in Python and in C, in this thread."""
    found = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal found
        if event in ("call", "c_call"):
            found += 1

    collecting = gc.isenabled()
    gc.disable()  # finalizers run when they like
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        pay()
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()
    return found


def peak_memory(pay: Callable[[], object]) -> int:
    """The most bytes that one payment had allocated at one time."""
    tracemalloc.start()
    try:
        pay()  # what the first call keeps is no part of it
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        pay()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
